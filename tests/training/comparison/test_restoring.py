"""Image super-resolution before a classifier."""

from __future__ import annotations

import numpy as np
import torch

from fsrfer.core.options import Arithmetic
from fsrfer.core.preprocess import ColorMode, PreprocessSpec
from fsrfer.training.batches import BatchPlan, TrainingFaces
from fsrfer.training.comparison.restoration_training import RestorationConfig, train_restoration
from fsrfer.training.comparison.restoring import RestorationNetwork, RestoringClassifier
from fsrfer.training.face_variation import AugmentationConfig, FaceSizes
from fsrfer.training.models import BackboneConfig, ExpressionNetwork, GeneratorConfig, GeneratorKind, NetworkConfig
from fsrfer.training.progress import Silence
from fsrfer.training.run import TrainingRun
from fsrfer.training.validation import Validation

CONFIG = NetworkConfig(1, 16, 3, BackboneConfig(4, (6, 8), 1), GeneratorConfig(kind=GeneratorKind.NONE))
SPEC = PreprocessSpec(16, 16, ColorMode.GRAY)


def test_untrained_it_is_the_classifier_alone():
    network = ExpressionNetwork(CONFIG).eval()
    restoring = RestoringClassifier(RestorationNetwork(1, width=8, blocks=1), network).eval()
    faces = torch.randint(0, 256, (3, 1, 16, 16), dtype=torch.uint8)
    sizes = torch.tensor([8.0, 12.0, 16.0])
    torch.testing.assert_close(restoring(faces, sizes), network(faces, sizes))


def test_full_size_faces_are_left_alone():
    torch.manual_seed(0)
    network = ExpressionNetwork(CONFIG).eval()
    restoration = RestorationNetwork(1, width=8, blocks=1)
    torch.nn.init.normal_(restoration.leave.weight)
    restoring = RestoringClassifier(restoration, network).eval()
    faces = torch.randint(0, 256, (1, 1, 16, 16), dtype=torch.uint8).repeat(2, 1, 1, 1)
    small, full = restoring(faces, torch.tensor([8.0, 16.0]))
    torch.testing.assert_close(full, network(faces)[0])
    assert not torch.allclose(small, full)


def test_training_brings_small_faces_nearer_to_full_size_ones(make_faces, tmp_path):
    torch.manual_seed(0)
    faces = TrainingFaces(make_faces("train", 48), SPEC, soft_labels=False)
    plan = BatchPlan(
        faces, SPEC, AugmentationConfig(flip=0, erase=0), FaceSizes(choices=(10,), full_fraction=0), 16, (0, 3)
    )
    model = RestoringClassifier(RestorationNetwork(1, width=12, blocks=1), ExpressionNetwork(CONFIG).eval())
    classifier = [weight.clone() for weight in model.network.state_dict().values()]
    run = TrainingRun(tmp_path, "print", 0, torch.device("cpu"), Silence(), arithmetic=Arithmetic.FP32)
    validation = Validation(make_faces("valid", 12), SPEC, (10,), 12, torch.device("cpu"))
    config = RestorationConfig(epochs=60, batch_size=16, learning_rate=5e-3, ema_decay=0.9)
    best = train_restoration(model, plan, validation, config, run)

    batch = plan.batch(1000)
    small, full = (torch.from_numpy(pixels).float() / 255 for pixels in (batch.small, batch.full))
    # Epochs are judged by accuracy, and this classifier knows nothing: look at the last one, not at the best.
    with torch.inference_mode():
        restored = model.restoration(small)
    assert (restored - full).abs().mean() < 0.8 * (small - full).abs().mean()
    assert not best.training
    for before, after in zip(classifier, best.network.state_dict().values(), strict=True):
        np.testing.assert_array_equal(before, after)
