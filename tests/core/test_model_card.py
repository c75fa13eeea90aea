"""The model card: figures of the evaluation, and what the model must not be used for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fsrfer.core import BundleManifest, ColorMode, GraphSpec, PreprocessSpec, Provenance, TemperatureBand
from fsrfer.core.model_card import model_card, smallest_readable_px
from fsrfer.datasets import InMemoryFaces, Track, evaluate_by_size
from fsrfer.datasets.bundle_metrics import bundle_metrics, without_confidence

SPEC = PreprocessSpec(16, 16, ColorMode.GRAY, crop_margin=0.25)


def happiness(faces, face_size_px):
    """A classifier that always answers happiness: right for one face of three."""
    return np.tile(np.array([0, 3, 1], np.float32), (len(faces), 1))


def stripes(faces, face_size_px):
    """A classifier that sees the direction of the stripes."""
    pixels = faces[:, 0].astype(np.float32)
    along_x = np.abs(np.diff(pixels, axis=2)).mean(axis=(1, 2))
    along_y = np.abs(np.diff(pixels, axis=1)).mean(axis=(1, 2))
    diagonal = 1.2 * np.minimum(along_x, along_y)
    return np.stack([along_x, along_y, diagonal], axis=1)


def faces(side: int = 16) -> InMemoryFaces:
    """Thirty faces of each expression, which is the direction of their stripes."""
    labels = np.arange(90) % 3
    y, x = np.mgrid[0:side, 0:side] / side
    waves = np.stack([np.sin(18 * x), np.sin(18 * y), np.sin(13 * (x + y))])
    noise = np.random.default_rng(0).normal(0, 12, (90, side, side))
    return InMemoryFaces(
        name="striped",
        split="test",
        labels=("neutral", "happiness", "surprise"),
        images=np.clip(128 + 60 * waves[labels] + noise, 0, 255).astype(np.uint8),
        label_indices=labels,
        sample_ids=[str(number) for number in range(90)],
    )


def described(classify, sizes=(24, 8), smaller=()) -> BundleManifest:
    test = faces()
    valid, tested = (
        {track: evaluate_by_size(classify, test, SPEC, wanted, track=track) for track in Track}
        for wanted in (sizes, (*sizes, *smaller))
    )
    bands = (TemperatureBand(0.0, 1.25), TemperatureBand(11.3, 0.75))
    return BundleManifest(
        name="fsrfer-{curly}",
        labels=test.labels,
        preprocess=SPEC,
        graph=GraphSpec(),
        architecture={},
        recipe={"name": "tiny"},
        provenance=Provenance.now(seed=17, dataset_ids=("data/train", "data/valid", "data/test")),
        temperatures=bands,
        metrics=bundle_metrics(valid, tested, bands, test.label_indices, test.label_indices),
    )


@pytest.fixture(scope="module")
def manifest() -> BundleManifest:
    return described(happiness)


@pytest.fixture(scope="module")
def card(manifest) -> str:
    return model_card(manifest)


def tables(card: str) -> list[list[list[str]]]:
    found, rows = [], []
    for line in [*card.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            found.append(rows)
            rows = []
    return found


def test_it_shows_the_figures_of_both_tracks_by_size(card):
    for track, rows in zip((Track.CLEAN, Track.REALISTIC), tables(card), strict=False):
        bands = (TemperatureBand(0.0, 1.25), TemperatureBand(11.3, 0.75))
        at = evaluate_by_size(happiness, faces(), SPEC, (8,), track=track, temperatures=bands).at(8)
        assert rows[0] == ["face size", "faces", "accuracy", "mean class accuracy", "ECE"]
        # The data set's faces have 16 pixels: none of them is of 24.
        assert rows[2][:2] == ["24 px", "90 (90 smaller)"]
        assert rows[3] == ["8 px", "90", str(at.accuracy), str(at.mean_class_accuracy), f"{at.ece:.1%}"]
        assert rows[3][2].startswith("33.33%")
    assert "realistic-1, seed 0" in card


def test_it_shows_confusions_temperatures_and_thresholds_of_both_tracks(card):
    assert "1.25 from 0 px, 0.75 from 11.3 px" in card
    shown = tables(card)
    # Always equally sure, always two of three wrong: no threshold keeps one in ten.
    assert all(["8 px", "1 in 10", "none", "0.0%", ""] in abstention for abstention in shown[2:4])
    for track in ("clean", "realistic-1, seed 0"):
        assert f"8 px, track `{track}`:" in card
    assert len(shown) == 2 + 2 + 2 * 2
    assert shown[4][2:] == [
        ["neutral", "0", "30", "0", "0%"],
        ["happiness", "0", "30", "0", "100%"],
        ["surprise", "0", "30", "0", "0%"],
    ]


def test_it_names_the_commonest_mistakes(card):
    failures = card[card.index("## Known failures") : card.index("## Input")]
    assert "At 24 px, neutral is recognised least: 0% of 30 faces." in failures
    assert "The commonest mistake is happiness for neutral: 30 of 30." in " ".join(failures.split())


def test_a_classifier_that_guesses_is_readable_at_no_size(card):
    assert "A label means something at no size on clean faces, and at no size on realistic faces" in card


def test_it_says_down_to_which_size_a_label_means_something_on_each_track():
    manifest = described(stripes, (16, 12), smaller=(1,))
    rows = [*manifest.metrics["test"]["sizes"], *manifest.metrics["test_smaller"]["sizes"]]
    assert [row["face_size_px"] for row in rows] == [16, 12, 1]
    assert smallest_readable_px(rows) == 12
    card = model_card(manifest)
    assert "A label means something down to 12 px on clean faces, and " in card
    assert "| 1 px | 90 |" in card
    assert "1 px, track" not in card  # confusions are of the sizes that it was trained for
    everything = model_card(described(stripes, (16, 12)))
    assert "down to 12 px on clean faces (smaller ones were not measured)" in everything


def test_figures_of_former_temperatures_are_not_shown(manifest):
    changed = {**without_confidence(manifest.metrics), "calibrated_on": {"dataset_id": "mine", "tracks": ["clean"]}}
    card = model_card(replace(manifest, metrics=changed))
    assert "fitted on `mine`, track `clean`." in card
    assert tables(card)[0][3][2:] == [*tables(model_card(manifest))[0][3][2:4], "not measured"]
    assert "were not chosen under these temperatures" in card
    assert "1 in 10" not in card


def test_remarks_are_shown_where_there_are_any(manifest, card):
    assert "On real crops" not in card
    remarks = {"On real crops": "Coats are happy.", "More": "Little."}
    seen = model_card(replace(manifest, metrics={**manifest.metrics, "remarks": remarks}))
    assert "### On real crops\n\nCoats are happy.\n\n### More\n\nLittle.\n\n## Input" in seen


def test_it_tells_the_splits_apart(card):
    assert "Test split of `data/test`" in card
    assert "on `data/train`; epochs were chosen on `data/valid`" in card


def test_it_describes_input_and_origin(card):
    assert card.startswith("# fsrfer-{curly}\n")
    assert "one of 3 expressions" in card
    assert "neutral, happiness, surprise" in card
    assert "1 channel(s), brought to 16x16 pixels" in card
    assert "widened by 25%" in card
    assert "Recipe `tiny`, seed 17" in card


def test_it_says_what_the_model_is_not_for(card):
    limits = " ".join(card[card.index("## What it is not for") :].split())
    for told in (
        "not what a person feels",
        "at work or in education are prohibited",
        "Article 5(1)(f)",
        "Article 50(3)",
    ):
        assert told in limits
