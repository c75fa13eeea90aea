"""The model card: figures of the evaluation, and what the model must not be used for."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core import BundleManifest, ColorMode, GraphSpec, PreprocessSpec, Provenance, TemperatureBand
from fsrfer.datasets import Track, evaluate_by_size
from fsrfer.datasets.confidence import abstention_rows
from fsrfer.training.model_card import model_card, smallest_readable_px

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


@pytest.fixture
def make_card(make_faces):
    def make(classify, sizes=(24, 8)):
        faces = make_faces("test", 90)
        tracks = {track: evaluate_by_size(classify, faces, SPEC, sizes, track=track) for track in Track}
        bands = (TemperatureBand(0.0, 1.25), TemperatureBand(11.3, 0.75))
        manifest = BundleManifest(
            name="fsrfer-{curly}",
            labels=("neutral", "happiness", "surprise"),
            preprocess=SPEC,
            graph=GraphSpec(),
            architecture={},
            recipe={"name": "tiny"},
            provenance=Provenance.now(seed=17, dataset_ids=("data/train", "data/valid", "data/test")),
            temperatures=bands,
        )
        clean = tracks[Track.CLEAN]
        return model_card(manifest, tracks, abstention_rows(clean, clean, bands)), tracks

    return make


@pytest.fixture
def card(make_card) -> str:
    return make_card(happiness)[0]


def tables(card: str) -> list[list[list[str]]]:
    found, rows = [], []
    for line in [*card.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            found.append(rows)
            rows = []
    return found


def test_it_shows_the_figures_of_both_tracks_by_size(make_card):
    card, tracks = make_card(happiness)
    for track, rows in zip((Track.CLEAN, Track.REALISTIC), tables(card), strict=False):
        report = tracks[track]
        assert rows[0] == ["face size", "faces", "accuracy", "mean class accuracy", "ECE"]
        # The data set's faces have 16 pixels: none of them is of 24.
        assert rows[2][:2] == ["24 px", "90 (90 smaller)"]
        figures = [str(report.at(8).accuracy), str(report.at(8).mean_class_accuracy), f"{report.at(8).ece:.1%}"]
        assert rows[3] == ["8 px", "90", *figures]
        assert rows[3][2].startswith("33.33%")
    assert "realistic-1, seed 0" in card


def test_it_shows_confusions_temperatures_and_thresholds(card):
    assert "1.25 from 0 px, 0.75 from 11.3 px" in card
    abstention, confusion = tables(card)[2:4]
    # Always equally sure, always two of three wrong: no threshold keeps one in ten.
    assert ["8 px", "1 in 10", "none", "0.0%", ""] in abstention
    assert confusion[2:] == [
        ["neutral", "0", "30", "0", "0%"],
        ["happiness", "0", "30", "0", "100%"],
        ["surprise", "0", "30", "0", "0%"],
    ]


def test_it_names_the_commonest_mistakes(card):
    failures = card[card.index("## Known failures") : card.index("## Input")]
    assert "At 24 px, neutral is recognised least: 0% of 30 faces." in failures
    assert "The commonest mistake is happiness for neutral: 30 of 30." in " ".join(failures.split())


def test_a_classifier_that_guesses_is_readable_at_no_size(card):
    assert "At no size does a label mean anything" in card


def test_it_says_down_to_which_size_a_label_means_something(make_card):
    card, tracks = make_card(stripes, (16, 12, 1))
    assert smallest_readable_px(tracks[Track.CLEAN]) == 12
    assert "Down to 12 px a label means something" in card
    assert "below, it does not" in card
    everything, _ = make_card(stripes, (16, 12))
    assert "smaller ones were not measured" in everything


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
