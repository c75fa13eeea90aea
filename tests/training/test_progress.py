"""What a run tells: passed on unchanged, and kept for TensorBoard."""

from __future__ import annotations

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fsrfer.training.progress import Silence, TensorBoardScalars


class Listener(Silence):
    def __init__(self) -> None:
        self.heard = []

    def stage(self, *told):
        self.heard.append(told)

    def step(self, *told):
        self.heard.append(told)

    def epoch(self, *told):
        self.heard.append(told)


def scalars_of(folder) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_scalars_are_kept_every_few_steps_and_every_epoch(tmp_path):
    with TensorBoardScalars(tmp_path, Silence(), every=2) as listeners:
        for step in range(1, 6):
            listeners.step("extractor", step, {"loss": step / 4, "learning_rate": 0.5})
        listeners.epoch("extractor", 5, {"accuracy_8px": 0.25, "mean_accuracy": 0.75})
    kept = scalars_of(tmp_path)
    assert kept == {
        "extractor/train/loss": [(2, 0.5), (4, 1.0)],
        "extractor/train/learning_rate": [(2, 0.5), (4, 0.5)],
        "extractor/valid/accuracy_8px": [(5, 0.25)],
        "extractor/valid/mean_accuracy": [(5, 0.75)],
    }


def test_everything_is_passed_on(tmp_path):
    listener = Listener()
    told = [("some", 3, 40), ("some", 4, {"loss": 1.0}), ("some", 4, {"mean_accuracy": 0.5})]
    with TensorBoardScalars(tmp_path, listener) as listeners:
        listeners.stage(*told[0])
        listeners.step(*told[1])
        listeners.epoch(*told[2])
    assert listener.heard == told


def test_scalars_survive_a_run_that_fails(tmp_path):
    def fail():
        with TensorBoardScalars(tmp_path, Silence(), every=1) as listeners:
            listeners.step("extractor", 1, {"loss": 2.0})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert scalars_of(tmp_path) == {"extractor/train/loss": [(1, 2.0)]}
