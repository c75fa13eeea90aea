"""Checkpoints: everything comes back, and nothing else is accepted."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fsrfer.core.errors import CheckpointError
from fsrfer.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint


def fresh(kind: str = "adam") -> TrainingState:
    torch.manual_seed(len(kind))
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    optimizers = {"adam": torch.optim.AdamW, "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)}
    return TrainingState({"network": net, "best": nn.Linear(2, 2)}, {"network": optimizers[kind](net.parameters())})


def step(state: TrainingState) -> None:
    net, optimizer = state.modules["network"], state.optimizers["network"]
    generator = torch.Generator().manual_seed(state.step)
    optimizer.zero_grad()
    net(torch.randn(8, 3, generator=generator)).square().sum().backward()
    optimizer.step()
    state.step += 1


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_a_run_goes_on_exactly(tmp_path, kind):
    one = fresh(kind)
    for _ in range(3):
        step(one)
    one.best_score, one.best_step = 0.75, 2
    save_checkpoint(tmp_path / "stage.safetensors", one, "run")
    other = fresh(kind)
    load_checkpoint(tmp_path / "stage.safetensors", other, "run")
    assert (other.step, other.best_score, other.best_step) == (3, 0.75, 2)
    for state in (one, other):
        step(state)
    for name, module in one.modules.items():
        for key, value in module.state_dict().items():
            assert torch.equal(value, other.modules[name].state_dict()[key]), f"{name}.{key}"


def test_memory_formats_survive(tmp_path):
    """Formats decide by which path PyTorch computes a step, hence its last bits."""

    def convolution() -> TrainingState:
        module = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        return TrainingState({"network": module}, {"network": torch.optim.AdamW(module.parameters())})

    one, other = convolution(), convolution()
    one.modules["network"](torch.randn(2, 3, 5, 5)).sum().backward()
    one.optimizers["network"].step()
    save_checkpoint(tmp_path / "stage.safetensors", one, "run")
    load_checkpoint(tmp_path / "stage.safetensors", other, "run")
    left, right = (
        {"weight": state.modules["network"].weight, **state.optimizers["network"].state_dict()["state"][0]}
        for state in (one, other)
    )
    assert left.keys() == right.keys() == {"weight", "step", "exp_avg", "exp_avg_sq"}
    for name, before in left.items():
        assert torch.equal(before, right[name]), name
        assert before.stride() == right[name].stride(), name
    assert left["exp_avg"].is_contiguous(memory_format=torch.channels_last)


def test_before_the_first_epoch_there_is_no_best_score(tmp_path):
    save_checkpoint(tmp_path / "stage.safetensors", fresh(), "run")
    other = fresh()
    load_checkpoint(tmp_path / "stage.safetensors", other, "run")
    assert other.best_score == float("-inf")


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    save_checkpoint(tmp_path / "stage.safetensors", fresh(), "one recipe")
    with pytest.raises(CheckpointError, match=r"belongs to another run.*--no-resume"):
        load_checkpoint(tmp_path / "stage.safetensors", fresh(), "another recipe")


@pytest.mark.parametrize("content", [b"", b"nonsense", b'\x10\x00\x00\x00\x00\x00\x00\x00{"a": 1}'])
def test_a_damaged_checkpoint_is_named(tmp_path, content):
    path = tmp_path / "stage.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"stage\.safetensors is damaged"):
        load_checkpoint(path, fresh(), "run")


def test_a_truncated_checkpoint_is_named(tmp_path):
    path = tmp_path / "stage.safetensors"
    save_checkpoint(path, fresh(), "run")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path, fresh(), "run")


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    """A later version may build another network out of the same recipe."""
    save_checkpoint(tmp_path / "stage.safetensors", fresh(), "run")
    other = fresh()
    other.modules["best"] = nn.Linear(3, 2)
    with pytest.raises(CheckpointError, match=r"written by another version.*size mismatch.*--no-resume"):
        load_checkpoint(tmp_path / "stage.safetensors", other, "run")


def test_a_failed_write_leaves_the_checkpoint_before_it(tmp_path):
    path = tmp_path / "stage.safetensors"
    save_checkpoint(path, fresh(), "run")
    before = path.read_bytes()
    broken = fresh()
    broken.modules["network"].register_buffer("unsaveable", torch.zeros(2, dtype=torch.complex128))
    with pytest.raises(KeyError, match="complex128"):
        save_checkpoint(path, broken, "run")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before
