"""The picture of what super-resolution changes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from fsrfer.core import ColorMode, PreprocessSpec, bicubic_resize, preprocess
from fsrfer.core.errors import InputSpecError, UsageError
from fsrfer.training.models import BackboneConfig, ExpressionNetwork, GeneratorConfig, GeneratorKind, NetworkConfig
from fsrfer.training.showcase import draw_showcase, showcase_rows, spread_choice

SPEC = PreprocessSpec(16, 16, ColorMode.RGB)
LABELS = ("neutral", "happiness", "surprise")


def network_of(kind: GeneratorKind) -> ExpressionNetwork:
    torch.manual_seed(1)
    config = NetworkConfig(3, 16, 3, BackboneConfig(4, (6, 8), 1), GeneratorConfig(kind, channels=4))
    network = ExpressionNetwork(config).eval()
    if kind is GeneratorKind.RESIDUAL:
        torch.nn.init.normal_(network.generator.leave.weight, std=10.0)
    return network


def faces(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [np.random.default_rng(len(shape)).integers(0, 256, shape, dtype=np.uint8) for shape in shapes]


def probabilities(network: ExpressionNetwork, images: list[np.ndarray]) -> np.ndarray:
    batch, sizes = preprocess(images, SPEC)
    with torch.inference_mode():
        return network(torch.from_numpy(batch), torch.from_numpy(sizes)).softmax(dim=1).numpy()


def test_the_rows_are_what_the_model_reads_with_and_without_its_generator():
    network = network_of(GeneratorKind.RESIDUAL)
    images = faces((24, 24, 3), (40, 30), (16, 16, 3))
    small = [bicubic_resize(image, 8) for image in images]
    full_row, plain_row, resolved_row = showcase_rows(network, SPEC, images, 8)
    np.testing.assert_allclose(full_row.probabilities, probabilities(network, images), atol=1e-6)
    np.testing.assert_allclose(resolved_row.probabilities, probabilities(network, small), atol=1e-6)
    assert np.abs(plain_row.probabilities - resolved_row.probabilities).max() > 1e-3
    for row in (plain_row, resolved_row):
        assert all(np.array_equal(shown, expected) for shown, expected in zip(row.faces, small, strict=True))
    network.generator = None
    np.testing.assert_allclose(plain_row.probabilities, probabilities(network, small), atol=1e-6)


def test_a_network_without_generator_has_no_row_of_super_resolved_features():
    rows = showcase_rows(network_of(GeneratorKind.NONE), SPEC, faces((24, 24, 3)), 8)
    assert [row.title for row in rows] == ["full size", "8 px"]


def test_faces_are_not_enlarged():
    with pytest.raises(InputSpecError, match="at most 16 px"):
        showcase_rows(network_of(GeneratorKind.NONE), SPEC, faces((16, 16, 3)), 20)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".PNG"])
def test_a_picture_is_drawn(tmp_path, suffix):
    rows = showcase_rows(network_of(GeneratorKind.RESIDUAL), SPEC, faces((24, 24, 3), (24, 24)), 8)
    path = tmp_path / f"shown{suffix}"
    draw_showcase(rows, LABELS, [0, 2], path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    if suffix == ".svg":
        assert "<svg" in path.read_text()
    else:
        assert cv2.imread(str(path)).std() > 10


def test_right_is_green_and_wrong_is_red(tmp_path):
    network = network_of(GeneratorKind.NONE)
    images = faces((24, 24, 3))
    rows = showcase_rows(network, SPEC, images, 8)
    answer = int(rows[0].probabilities[0].argmax())
    for truth, color in ((answer, "#1b7837"), ((answer + 1) % 3, "#b2182b")):
        path = tmp_path / "shown.svg"
        draw_showcase(rows[:1], LABELS, [truth], path)
        assert color in path.read_text()


@pytest.mark.parametrize("name", ["shown", "shown.txt"])
def test_other_formats_are_refused(tmp_path, name):
    rows = showcase_rows(network_of(GeneratorKind.NONE), SPEC, faces((24, 24, 3)), 8)
    with pytest.raises(UsageError, match=r"\.png"):
        draw_showcase(rows, LABELS, [0], tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_the_chosen_faces_show_as_many_expressions_as_possible(make_faces):
    dataset = make_faces("test", 30)
    assert sorted(dataset.label_indices[spread_choice(dataset, 3, 0)]) == [0, 1, 2]
    assert np.bincount(dataset.label_indices[spread_choice(dataset, 11, 4)]).tolist() == [4, 4, 3]
    assert spread_choice(dataset, 6, 1) == spread_choice(dataset, 6, 1)
    assert spread_choice(dataset, 6, 1) != spread_choice(dataset, 6, 2)
    assert sorted(spread_choice(dataset, 99, 0)) == list(range(30))
