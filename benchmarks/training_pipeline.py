"""What preparing the faces costs a training step: real batches against batches that lie ready in memory.

python benchmarks/training_pipeline.py --data ferplus:PATH --recipe edge paper --output FILE.json

Ready batches are the first few real ones, taken again and again, so that the networks compute the same. Both ways take
turns. The time of a step is that from the end of one to the end of the next; the first ones of a stage, and those after
an epoch was judged, are left out.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch
from record import record

from fsrfer.core.options import Arithmetic
from fsrfer.datasets import open_dataset
from fsrfer.datasets.subset import evenly_spread
from fsrfer.training import FitOptions, TrainingData, TrainRecipe, fit, load_recipe
from fsrfer.training.batches import BatchPlan
from fsrfer.training.progress import Silence

LEFT_OUT = 5
READY = 4


class StepTimes(Silence):
    """Seconds of each step by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self._last = 0.0
        self._skip = 0

    def stage(self, name: str, done: int, total: int) -> None:  # noqa: ARG002 - the listener's interface
        self._skip = LEFT_OUT

    def step(self, name: str, step: int, scalars: Any) -> None:  # noqa: ARG002
        now = time.perf_counter()
        if self._skip:
            self._skip -= 1
        else:
            self.seconds[name].append(now - self._last)
        self._last = now

    def epoch(self, name: str, step: int, scalars: Any) -> None:  # noqa: ARG002
        self._skip = 1


@contextmanager
def ready_batches() -> Iterator[None]:
    """Let every plan give its first few batches again and again."""
    kept: dict[Any, Any] = {}
    make: Callable[..., Any] = BatchPlan.batch

    def again(plan: BatchPlan, step: int, *rest: Any) -> Any:
        name = (plan.key, step % READY, *rest)
        if name not in kept:
            kept[name] = make(plan, step % READY, *rest)
        return kept[name]

    BatchPlan.batch = again  # type: ignore[method-assign]
    try:
        yield
    finally:
        BatchPlan.batch = make  # type: ignore[method-assign]


def seconds_a_step(recipe: TrainRecipe, data: TrainingData, arithmetic: Arithmetic) -> dict[str, float]:
    """Train for an epoch of each stage and return the median time of a step by stage."""
    times = StepTimes()
    options = FitOptions(arithmetic=arithmetic, resume=False)
    with tempfile.TemporaryDirectory() as folder:
        fit(recipe.with_epochs(1, 1), data, Path(folder), options=options, progress=times)
    return {stage: median(seconds) for stage, seconds in times.seconds.items() if seconds}


def measure(recipe: TrainRecipe, data: TrainingData, options: argparse.Namespace) -> dict[str, Any]:
    """Return for each stage what a step takes both ways, and the share of the throughput that is reached."""
    arithmetic = Arithmetic(options.arithmetic)
    rounds: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for number in range(options.rounds):
        real = seconds_a_step(recipe, data, arithmetic)
        with ready_batches():
            ready = seconds_a_step(recipe, data, arithmetic)
        for stage in real:
            rounds[stage].append((real[stage], ready[stage]))
        print(f"{recipe.name}: round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    return {
        stage: {
            "ms_real": round(1e3 * median(real for real, _ in pairs), 2),
            "ms_ready": round(1e3 * median(ready for _, ready in pairs), 2),
            "share_of_throughput": {
                "median": round(median(ready / real for real, ready in pairs), 3),
                "least": round(min(ready / real for real, ready in pairs), 3),
                "most": round(max(ready / real for real, ready in pairs), 3),
            },
        }
        for stage, pairs in rounds.items()
    }


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="data set, such as ferplus:PATH")
    parser.add_argument("--recipe", nargs="+", default=["full-size", "mixed", "edge"])
    parser.add_argument("--steps", type=int, default=30, help="steps of each stage in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--arithmetic", choices=[kind.value for kind in Arithmetic], default="fp32")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    measured = {}
    for name in options.recipe:
        recipe = load_recipe(name)
        faces = options.steps * recipe.extractor.batch_size
        counts = {"train": faces, "valid": 64, "test": 64}
        data = TrainingData(
            **{split: evenly_spread(open_dataset(options.data, split), count) for split, count in counts.items()}
        )
        measured[name] = measure(recipe, data, options)
    record({"arithmetic": options.arithmetic, "threads": torch.get_num_threads(), "recipes": measured}, options.output)


if __name__ == "__main__":
    main()
