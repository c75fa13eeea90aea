"""Judging an epoch: which faces, at which sizes, and that it equals the final evaluation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fsrfer.core import ColorMode, PreprocessSpec
from fsrfer.datasets import InMemoryFaces, Subset, evaluate_by_size
from fsrfer.training import classify_with
from fsrfer.training.models import BackboneConfig, ExpressionNetwork, GeneratorConfig, GeneratorKind, NetworkConfig
from fsrfer.training.validation import Validation

CPU = torch.device("cpu")


def network_of(channels: int = 1) -> ExpressionNetwork:
    torch.manual_seed(0)
    generator = GeneratorConfig(GeneratorKind.RESIDUAL, channels=4)
    network = ExpressionNetwork(NetworkConfig(channels, 16, 3, BackboneConfig(4, (6, 8), 1), generator))
    torch.nn.init.normal_(network.generator.leave.weight, std=0.1)
    return network


@pytest.mark.parametrize("color", list(ColorMode))
def test_it_finds_what_the_evaluation_finds(make_faces, color):
    """Where faces have the input's size, an epoch is judged by the very pixels of the final evaluation."""
    dataset = make_faces("valid", 150, channels=color.channels)
    spec = PreprocessSpec(16, 16, color)
    network = network_of(color.channels).eval()
    with torch.no_grad():  # an untrained network answers the same to every face; centred, it does not
        logits = evaluate_by_size(classify_with(network), dataset, spec, (16, 8, 6)).at(8).logits
        network.classifier.predict.bias -= torch.from_numpy(logits.mean(axis=0))
    report = evaluate_by_size(classify_with(network), dataset, spec, (16, 8, 6))
    found = Validation(dataset, spec, (16, 8, 6), 1000, CPU).accuracies(network)
    for size in (16, 8, 6):
        assert found[f"accuracy_{size}px"] == pytest.approx(report.at(size).accuracy.value)
    assert found["mean_accuracy"] == pytest.approx(np.mean([row.accuracy.value for row in report.sizes]))
    assert list(found) == ["accuracy_16px", "accuracy_8px", "accuracy_6px", "mean_accuracy"]
    assert len(np.unique(report.at(8).predictions)) > 1


def test_the_choice_of_faces_is_fixed_and_spread(make_faces):
    dataset = make_faces("valid", 100)
    spec = PreprocessSpec(16, 16, ColorMode.GRAY)
    network = network_of()
    few = Validation(dataset, spec, (16, 8), 12, CPU).accuracies(network)
    spread = [int(index) for index in np.linspace(0, 99, 12)]
    assert few == Validation(Subset(dataset, spread), spec, (16, 8), 12, CPU).accuracies(network)
    # A data set that is sorted by expression must be judged on all of them.
    assert {spread[0], spread[-1]} == {0, 99}


@pytest.mark.parametrize("training", [True, False])
def test_the_network_is_judged_in_evaluation_mode_and_left_as_it_was(make_faces, training):
    network = network_of().train(training)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    validation = Validation(make_faces("valid", 30), PreprocessSpec(16, 16, ColorMode.GRAY), (16, 8), 30, CPU)
    first = validation.accuracies(network)
    assert network.training is training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert validation.accuracies(network) == first


def test_larger_faces_are_brought_to_the_input(make_faces):
    large = np.full((4, 40, 30), 77, np.uint8)
    dataset = InMemoryFaces(
        name="large",
        split="valid",
        labels=("neutral", "anger"),
        images=large,
        label_indices=np.array([0, 1, 0, 1]),
        sample_ids=["a", "b", "c", "d"],
    )
    found = Validation(dataset, PreprocessSpec(16, 16, ColorMode.RGB), (16, 9), 4, CPU).accuracies(network_of(3))
    assert set(found) == {"accuracy_16px", "accuracy_9px", "mean_accuracy"}
    # All four faces are alike, so only one of the three answers is given: half of the faces, or none.
    assert set(found.values()) <= {0.0, 0.25, 0.5}
