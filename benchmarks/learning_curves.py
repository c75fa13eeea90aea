"""Validation accuracy by epoch of the trainings of a comparison, from their TensorBoard files, as a plot and as JSON.

python benchmarks/learning_curves.py STORE --output benchmarks/results/ferplus
"""

import argparse
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fsrfer.core.files import atomic_path, write_json


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return step and accuracy of every epoch by stage and size: ``super-resolution/12px``."""
    events = EventAccumulator(str(folder))
    events.Reload()
    found = {}
    for tag in events.Tags()["scalars"]:
        stage, kind, name = tag.split("/")
        if kind == "valid" and name.startswith("accuracy_"):
            points = sorted((event.step, event.value) for event in events.Scalars(tag))
            found[f"{stage}/{name.removeprefix('accuracy_')}"] = points
    return found


def draw(stores: dict[str, dict[str, list[tuple[int, float]]]], path: Path) -> None:
    """Draw one panel a training, one line a face size; the last stage of each."""
    figure = Figure(figsize=(4.2 * len(stores), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(stores), squeeze=False, sharey=True)[0]
    for axis, (name, lines) in zip(axes, stores.items(), strict=True):
        stage = list(lines)[-1].split("/")[0]
        for key, points in lines.items():
            if key.startswith(stage):
                steps, values = zip(*points, strict=True)
                axis.plot(range(1, len(steps) + 1), [100 * value for value in values], "o-", markersize=3, label=key)
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7, loc="lower right")
    axes[0].set_ylabel("validation accuracy (%)")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130)


def main() -> None:
    """Read, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path, help="folder of fsrfer-train compare --store")
    parser.add_argument("--parts", nargs="+", default=["full-size", "mixed", "edge"], help="which trainings")
    parser.add_argument("--output", type=Path, required=True, help="folder for learning-curves.json and .png")
    options = parser.parse_args()
    stores = {part: curves(options.store / part / "tensorboard") for part in options.parts}
    options.output.mkdir(parents=True, exist_ok=True)
    write_json(options.output / "learning-curves.json", stores)
    draw(stores, options.output / "learning-curves.png")


if __name__ == "__main__":
    main()
