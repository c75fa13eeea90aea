"""Runs that are killed: whatever the moment, they end with the weights of a run that was not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fsrfer.core import ArtifactKind, ModelBundle

# Every attempt is a process of its own, forked after the imports, which take longer than the training (PyTorch loads
# some of itself late). An attempt kills itself at a given event: no clock decides where, and nothing of Python or
# PyTorch runs afterwards.
ATTEMPTS = """
import os, signal, sys
import torch._dynamo, torch.utils.tensorboard
from importlib import util
from pathlib import Path
spec = util.spec_from_file_location("training_conftest", sys.argv[1])
tiny = util.module_from_spec(spec)
spec.loader.exec_module(tiny)
from fsrfer.training import FitOptions, TrainingData, fit
from fsrfer.training.progress import Silence

class Deadly(Silence):
    def __init__(self, point):
        self.point = point
    def stage(self, name, done, total):
        print(name, done, flush=True)
    def step(self, name, step, scalars):
        self.meet("step", name, step)
    def epoch(self, name, step, scalars):
        self.meet("epoch", name, step)
    def meet(self, *event):
        if event == self.point:
            os.kill(os.getpid(), signal.SIGKILL)

def attempt(output, point):
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    recipe = {"edge": tiny.edge_like, "paper": tiny.paper_like}[sys.argv[3]]()
    counts = (("train", 48), ("valid", 24), ("test", 30))
    data = TrainingData(*(tiny.striped_faces(split, count) for split, count in counts))
    fit(recipe, data, output, options=FitOptions(checkpoint_seconds=float(sys.argv[4])), progress=Deadly(point))
    os._exit(0)

folder = Path(sys.argv[2])
for point in (("step", "extractor", 2), ("step", "extractor", 5), ("epoch", "extractor", 6),
              ("step", "super-resolution", 1), ("step", "super-resolution", 4), ("epoch", "super-resolution", 6)):
    assert attempt(folder / "broken", point) == signal.SIGKILL, point
    assert not (folder / "broken" / "bundle.json").exists(), point
assert attempt(folder / "broken", None) == 0
assert attempt(folder / "whole", None) == 0
"""


@pytest.mark.slow
@pytest.mark.parametrize(("recipe_name", "checkpoint_seconds"), [("edge", 0.0), ("paper", 0.0), ("paper", 1e9)])
def test_a_run_that_was_killed_six_times_ends_with_the_same_weights(recipe_name, checkpoint_seconds, tmp_path):
    """With a checkpoint after every step, and with one after every epoch only."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            ATTEMPTS,
            str(Path(__file__).with_name("conftest.py")),
            str(tmp_path),
            recipe_name,
            str(checkpoint_seconds),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    _check_where_attempts_began(done.stdout, every_step=checkpoint_seconds == 0.0)
    whole, broken = (ModelBundle.load(tmp_path / name) for name in ("whole", "broken"))
    left, right = (load_file(bundle.artifact_path(ArtifactKind.WEIGHTS)) for bundle in (whole, broken))
    assert left.keys() == right.keys()
    assert not [name for name, value in left.items() if not torch.equal(value, right[name])]
    assert whole.manifest.metrics == broken.manifest.metrics


def _check_where_attempts_began(told: str, *, every_step: bool) -> None:
    """An attempt that began anew would end with the right weights as well, and prove nothing."""
    began: dict[str, list[int]] = {}
    for line in told.splitlines():
        name, done = line.split()
        began.setdefault(name, []).append(int(done))
    second_stage_alone = began["super-resolution"]
    if every_step:
        # A step is told before its checkpoint is written, so the step of the kill is lost.
        assert began["extractor"][:4] == [0, 1, 4, 5]
        assert second_stage_alone == [0, 0, 3, 5, 0]
    else:
        assert began["extractor"][:3] == [0, 0, 3]
        assert second_stage_alone == [0, 0, 3, 3, 0]
