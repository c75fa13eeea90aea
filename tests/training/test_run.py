"""What both stages share: seeds, the loop, and how it ends when something goes wrong."""

from __future__ import annotations

import copy
import sys
import threading

import pytest
import torch
from torch import nn

from fsrfer.core import ColorMode, PreprocessSpec
from fsrfer.core.errors import RecipeError
from fsrfer.training.batches import BatchPlan, TrainingFaces
from fsrfer.training.checkpoint import TrainingState
from fsrfer.training.face_variation import AugmentationConfig, FaceSizes
from fsrfer.training.models import BackboneConfig, ExpressionNetwork, GeneratorConfig, GeneratorKind, NetworkConfig
from fsrfer.training.progress import Silence
from fsrfer.training.run import TrainingRun, check_finite, decayed_groups, derived_seed, run_stage
from fsrfer.training.validation import Validation

SPEC = PreprocessSpec(16, 16, ColorMode.GRAY)


class Steps(Silence):
    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.scores: list[float] = []

    def stage(self, name, done, total):
        self.told.append((f"{name} of {total}", done))

    def step(self, name, step, scalars):
        self.told.append((name, step))

    def epoch(self, name, step, scalars):
        self.told.append((f"{name} judged", step))
        self.scores.append(scalars["mean_accuracy"])


@pytest.fixture
def parts(make_faces, tmp_path):
    """Everything that a stage of two epochs of three steps needs."""
    torch.manual_seed(0)
    network = ExpressionNetwork(
        NetworkConfig(1, 16, 3, BackboneConfig(4, (6, 8), 1), GeneratorConfig(GeneratorKind.NONE))
    )
    names = ("network", "average", "best")
    state = TrainingState(dict.fromkeys(names, network), {"network": torch.optim.SGD(network.parameters(), lr=0.1)})
    faces = TrainingFaces(make_faces("train", 24), SPEC, soft_labels=True)
    plan = BatchPlan(faces, SPEC, AugmentationConfig(), FaceSizes(), 8, key=(0, 1))
    validation = Validation(make_faces("valid", 6), SPEC, (16,), 6, torch.device("cpu"))
    run = TrainingRun(tmp_path, "run", 5, torch.device("cpu"), Steps())
    return run, state, plan, validation


def test_seeds_of_different_steps_stages_and_runs_differ():
    seeds = [
        derived_seed(seed, purpose, step)
        for seed in (0, 1, 2, 7919)
        for purpose in ("extractor", "extra", "super-resolution")
        for step in [*range(50), 7919, 15838]
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**64 for seed in seeds)
    torch.manual_seed(max(seeds))


def test_a_derived_seed_never_changes():
    """Runs that were interrupted go on under a later version."""
    assert derived_seed(3, "extractor", 20) == derived_seed(3, "extractor", 20)
    assert derived_seed(0, "extractor") == 6437383413137301670


def test_steps_and_epochs_are_told_in_order_and_kept(parts):
    run, state, plan, validation = parts
    seen = []
    run_stage("some", run, state, plan, 2, validation, lambda step, batch: seen.append(step) or {"loss": 0.0})
    assert seen == list(range(6))
    steps = [("some", 1), ("some", 2), ("some", 3), ("some judged", 3)]
    steps += [("some", 4), ("some", 5), ("some", 6), ("some judged", 6)]
    assert run.progress.told == [("some of 6", 0), *steps]
    assert (run.folder / "some.safetensors").is_file()
    # Weights that never change score alike, and the first of equal epochs is kept.
    assert run.progress.scores[0] == run.progress.scores[1] == state.best_score
    assert state.best_step == 3


def test_the_best_epoch_is_kept_not_the_last(parts, make_faces):
    run, state, plan, _ = parts
    network = state.modules["network"]
    best = copy.deepcopy(network)
    state.modules["best"] = best
    # Seven faces: three of the first expression, two of each other.
    validation = Validation(make_faces("valid", 7), SPEC, (16,), 7, run.device)

    def always_answer(step, batch):
        answer = {0: 1, 1: 0, 2: 2}[step // plan.steps_per_epoch]
        with torch.no_grad():
            network.classifier.predict.weight.zero_()
            network.classifier.predict.bias.copy_(torch.eye(3)[answer])
        return {"loss": 0.0}

    run_stage("some", run, state, plan, 3, validation, always_answer)
    assert run.progress.scores == pytest.approx([2 / 7, 3 / 7, 2 / 7])
    assert (state.best_step, state.best_score) == (6, pytest.approx(3 / 7))
    assert best.classifier.predict.bias.tolist() == [1.0, 0.0, 0.0]


def test_every_step_draws_from_its_own_seed(parts):
    run, state, plan, validation = parts
    drawn = {}
    torch.rand(17)
    run_stage(
        "some", run, state, plan, 1, validation, lambda step, _: drawn.setdefault(step, {"x": torch.rand(()).item()})
    )
    torch.manual_seed(derived_seed(5, "some", 2))
    assert drawn[2]["x"] == torch.rand(()).item()
    assert len({values["x"] for values in drawn.values()}) == 3


def test_a_failing_step_leaves_no_thread_even_while_its_traceback_is_kept(parts):
    run, state, plan, validation = parts

    def fail(step, batch):
        raise ZeroDivisionError

    try:
        run_stage("some", run, state, plan, 2, validation, fail)
    except ZeroDivisionError:
        kept = sys.exc_info()
    assert kept[2] is not None
    assert not [thread for thread in threading.enumerate() if thread.name == "training-batches"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_diverged_loss_says_what_to_change(value):
    check_finite(torch.tensor(1e30), 3)
    with pytest.raises(RecipeError, match=r"diverged at step 3.*Next: lower the recipe's learning rate"):
        check_finite(torch.tensor(value), 3)


def test_only_weights_are_decayed_and_frozen_ones_left_out():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(4, 3), nn.Linear(3, 2))
    module[3].requires_grad_(False)
    decayed, plain = decayed_groups(module, 0.5, 0.1)
    assert [parameter.ndim for parameter in decayed["params"]] == [4, 2]
    assert [parameter.ndim for parameter in plain["params"]] == [1, 1, 1, 1]
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)
    assert decayed["peak"] == plain["peak"] == 0.5
