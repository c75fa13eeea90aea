"""The model card: figures of the evaluation, and what the model must not be used for."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core import BundleManifest, ColorMode, GraphSpec, PreprocessSpec, Provenance
from fsrfer.datasets import evaluate_by_size
from fsrfer.training.model_card import model_card

SPEC = PreprocessSpec(16, 16, ColorMode.GRAY, crop_margin=0.25)


@pytest.fixture
def report(make_faces):
    """Of a classifier that always answers happiness: one face of three."""

    def happiness(faces, face_size_px):
        return np.tile(np.array([0, 3, 1], np.float32), (len(faces), 1))

    return evaluate_by_size(happiness, make_faces("test", 30), SPEC, (24, 8))


@pytest.fixture
def card(report) -> str:
    manifest = BundleManifest(
        name="fsrfer-{curly}",
        labels=("neutral", "happiness", "surprise"),
        preprocess=SPEC,
        graph=GraphSpec(),
        architecture={},
        recipe={"name": "tiny"},
        provenance=Provenance.now(seed=17, dataset_ids=("data/train", "data/valid", "data/test")),
    )
    return model_card(manifest, report)


def test_it_shows_the_figures_by_size(card, report):
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in card.splitlines() if line.startswith("|")]
    assert rows[0] == ["face size", "faces", "accuracy", "mean class accuracy"]
    # The data set's faces have 16 pixels: none of them is of 24.
    assert rows[2][:2] == ["24 px", "30 (30 smaller)"]
    assert rows[3] == ["8 px", "30", str(report.at(8).accuracy), str(report.at(8).mean_class_accuracy)]
    assert rows[3][2].startswith("33.33%")


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
