"""One process against several that train one model together: the time of a step, and what they end with.

Every number of processes gets the same threads in total, starts from the same weights and sees the same faces. One more
process, with a single thread, differs from the first in the order of its sums alone: that is the noise of rounding, by
which differences between the others are to be judged.

    python benchmarks/distributed_training.py --data ferplus:PATH --recipe edge --processes 1 2 --threads 2

The first process times steps from the end of one to the end of the next; the first ones of a stage and those after an
epoch was judged are left out. The time of the message that sums the gradients includes waiting for the slowest process;
those of batch normalisation are part of the step. On a shared machine times say nothing: --no-times leaves them out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import record
from safetensors.torch import load_file

from fsrfer.core import ModelBundle
from fsrfer.datasets import open_dataset
from fsrfer.datasets.subset import evenly_spread
from fsrfer.training import FitOptions, TrainingData, fit, load_recipe, take_part
from fsrfer.training.distributed import Processes, joined
from fsrfer.training.progress import Silence

_LEFT_OUT = 3
_STAGES = ("extractor", "super-resolution")


class StepTimes(Silence):
    """Seconds of each step by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}
        self._last = 0.0
        self._skip = 0

    def stage(self, name: str, done: int, total: int) -> None:  # noqa: ARG002 - the listener's interface
        self._skip = _LEFT_OUT

    def step(self, name: str, step: int, scalars: Any) -> None:  # noqa: ARG002
        now = time.perf_counter()
        if self._skip:
            self._skip -= 1
        else:
            self.seconds.setdefault(name, []).append(now - self._last)
        self._last = now

    def epoch(self, name: str, step: int, scalars: Any) -> None:  # noqa: ARG002
        self._skip = 1


@dataclass(frozen=True)
class TimedProcesses(Processes):
    """Measures the message that sums gradients."""

    messages: list[float] = field(default_factory=list)

    def add_up(self, tensors: Any) -> None:
        start = time.perf_counter()
        super().add_up(tensors)
        self.messages.append(time.perf_counter() - start)


def train(options: argparse.Namespace, output: Path) -> None:
    """Be one of the processes."""
    torch.set_num_threads(options.threads)
    recipe = load_recipe(options.recipe).with_epochs(*options.epochs)
    parts = {"train": options.faces, "valid": options.faces // 4, "test": options.faces // 4}
    splits = {split: evenly_spread(open_dataset(options.data, split), count) for split, count in parts.items()}
    data = TrainingData(**splits)
    with joined("cpu") as joint:
        processes = TimedProcesses(joint.rank, joint.count, joint.device)
        settings = FitOptions(keep_checkpoints=True, checkpoint_seconds=1e9, resume=False, pieces=options.pieces)
        if not processes.leads:
            take_part(recipe, data, output, processes=processes, options=settings)
            return
        times = StepTimes()
        fit(recipe, data, output, processes=processes, options=settings, progress=times)
        told = {"steps": times.seconds, "messages": processes.messages, "threads": torch.get_num_threads()}
        (output / "times.json").write_text(json.dumps(told))


def launch(options: argparse.Namespace, count: int, threads: int, output: Path) -> dict[str, Any]:
    """Train with some processes of so many threads each, and return what was measured."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    words = ["--data", options.data, "--recipe", options.recipe, "--faces", str(options.faces)]
    words += ["--epochs", *map(str, options.epochs), "--threads", str(threads), "--pieces", str(options.pieces)]
    subprocess.run([*torchrun, __file__, *words, "--worker", str(output)], check=True, stdout=sys.stderr)
    measured = json.loads((output / "times.json").read_text())
    metrics = ModelBundle.load(output).manifest.metrics["test"]["sizes"]
    return {
        "processes": count,
        "threads_each": measured["threads"],
        **({} if options.no_times else _times(measured)),
        "accuracy": {f"{row['face_size_px']}px": row["accuracy"]["value"] for row in metrics},
    }


def _times(measured: dict[str, Any]) -> dict[str, Any]:
    return {
        "milliseconds_a_step": {
            stage: {str(q): round(1e3 * float(np.quantile(seconds, q)), 2) for q in (0.25, 0.5, 0.75)}
            for stage, seconds in measured["steps"].items()
        },
        "milliseconds_of_the_gradients_message": round(1e3 * float(np.median(measured["messages"])), 3),
    }


def difference(one: Path, other: Path) -> dict[str, float]:
    """Return how far the trained weights lie apart after each stage, relative to their length."""
    found = {}
    for stage in _STAGES:
        files = [path / "checkpoints" / f"{stage}.safetensors" for path in (one, other)]
        if not files[0].is_file():
            continue
        left, right = (load_file(file) for file in files)
        names = [name for name in left if name.startswith("module/network/") and left[name].is_floating_point()]
        gap = torch.cat([(left[name] - right[name]).flatten() for name in names]).norm()
        found[stage] = float(gap / torch.cat([left[name].flatten() for name in names]).norm())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="procedural", help="data set")
    parser.add_argument("--recipe", default="edge", help="name or file of a recipe")
    parser.add_argument("--faces", type=int, default=2560, help="faces to train on; a quarter as many to judge")
    parser.add_argument("--epochs", type=int, nargs=2, default=(2, 2), help="of both stages")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of all processes together")
    parser.add_argument("--pieces", type=int, default=1, help="in which each batch is taken")
    parser.add_argument("--no-times", action="store_true", help="leave times out: others use the machine too")
    parser.add_argument("--output", type=Path, help="JSON file")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        train(options, options.worker)
        return
    with tempfile.TemporaryDirectory() as name:
        runs = [(count, max(1, options.threads // count)) for count in options.processes]
        if options.threads > 1:
            runs.append((1, 1))
        folders = [Path(name) / f"{count}x{threads}" for count, threads in runs]
        rows = [launch(options, *each, folder) for each, folder in zip(runs, folders, strict=True)]
        for row, folder in zip(rows, folders, strict=True):
            row["weights_apart_from_the_first_row"] = difference(folders[0], folder)
    record({"recipe": options.recipe, "faces": options.faces, "pieces": options.pieces, "runs": rows}, options.output)


if __name__ == "__main__":
    main()
