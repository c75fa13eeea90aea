"""A network and data small enough to train in a second."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fsrfer.core.preprocess import ColorMode
from fsrfer.datasets import InMemoryFaces
from fsrfer.training import TrainingData, TrainRecipe
from fsrfer.training.face_variation import AugmentationConfig, FaceSizes
from fsrfer.training.models import BackboneConfig, ClassifierConfig, GeneratorConfig, GeneratorKind
from fsrfer.training.recipe import ValidationConfig
from fsrfer.training.stages import ExtractorConfig, LossWeights, Reweighting, SuperResolutionConfig

SIDE = 16
LABELS = ("neutral", "happiness", "surprise")


def striped_faces(split: str, count: int, *, seed: int = 0, channels: int = 1) -> InMemoryFaces:
    """Faces whose expression is the direction of their stripes: learnt in a few steps, and lost when shrunk."""
    rng = np.random.default_rng([seed, len(split), count])
    labels = np.arange(count, dtype=np.int64) % len(LABELS)
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    waves = np.stack([np.sin(18 * x), np.sin(18 * y), np.sin(13 * (x + y))])
    pixels = 128 + 60 * waves[labels] + rng.normal(0, 12, (count, SIDE, SIDE))
    images = np.clip(pixels, 0, 255).astype(np.uint8)
    return InMemoryFaces(
        name="striped",
        split=split,
        labels=LABELS,
        images=images if channels == 1 else np.repeat(images[..., None], 3, axis=3),
        label_indices=labels,
        sample_ids=[f"{split}-{index}" for index in range(count)],
    )


@pytest.fixture
def data() -> TrainingData:
    return TrainingData(striped_faces("train", 48), striped_faces("valid", 24), striped_faces("test", 30))


@pytest.fixture(scope="session")
def make_faces() -> Callable[..., InMemoryFaces]:
    return striped_faces


def edge_like(**changes) -> TrainRecipe:
    settings = {
        "name": "tiny-edge",
        "input_size": SIDE,
        "extractor": ExtractorConfig(epochs=3, batch_size=16, learning_rate=5e-3, face_sizes=FaceSizes(smallest=6)),
        "super_resolution": SuperResolutionConfig(
            epochs=2,
            batch_size=16,
            train_extractor=True,
            face_sizes=FaceSizes(smallest=6),
            weights=LossWeights(feature=1.0, perceptual=1.0, classification=1.0, distillation=1.0),
        ),
        "backbone": BackboneConfig(4, (6, 8), 1),
        "generator": GeneratorConfig(GeneratorKind.RESIDUAL, channels=4),
        "classifier": ClassifierConfig(embedding=8, dropout=0.2),
        "augmentation": AugmentationConfig(),
        "validation": ValidationConfig((16, 8), 24),
    }
    return TrainRecipe(**{**settings, **changes})


def paper_like() -> TrainRecipe:
    return edge_like(
        name="tiny-paper",
        color=ColorMode.GRAY,
        extractor=ExtractorConfig(epochs=2, batch_size=16, learning_rate=5e-3, face_sizes=FaceSizes(full_fraction=1.0)),
        super_resolution=SuperResolutionConfig(
            epochs=2,
            pretrain_epochs=1,
            batch_size=16,
            beta1=0.0,
            ema_decay=0.0,
            reweighting=Reweighting.CLASSIFICATION_AWARE,
            face_sizes=FaceSizes(choices=(8, 6), full_fraction=0.0),
            weights=LossWeights(adversarial=1.0, feature=0.01, perceptual=10.0),
        ),
        generator=GeneratorConfig(GeneratorKind.RRDB, channels=4, growth=4, blocks=1, bypass_full_size=True),
    )


@pytest.fixture(params=["edge", "paper"])
def recipe(request) -> TrainRecipe:
    return edge_like() if request.param == "edge" else paper_like()


@pytest.fixture
def edge_recipe() -> TrainRecipe:
    return edge_like()


@pytest.fixture
def paper_recipe() -> TrainRecipe:
    return paper_like()
