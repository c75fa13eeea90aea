"""What each part of ours is worth: the `edge` recipe, shortened, with one part left out at a time.

python benchmarks/ablation.py --data ferplus:PATH --teacher benchmarks/weights/ferplus/mixed --output ablation

All variants begin with the same teacher and are judged on the same faces of the validation and of the test split.
Interrupt it whenever you like: what is trained stays, and a training that was cut off goes on. What is there from
another length, teacher or recipe is refused before anything is trained. ``--variants`` and ``--seeds`` run some of
them, so that several processes can share the work; each writes the results of all that are there when it ends.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from record import record

from fsrfer.core import ModelBundle
from fsrfer.core.bundle import MANIFEST_NAME
from fsrfer.core.files import write_text
from fsrfer.core.options import Arithmetic
from fsrfer.datasets import open_dataset
from fsrfer.training import FitOptions, TrainingData, TrainRecipe, fit, load_recipe
from fsrfer.training.models import GeneratorKind
from fsrfer.training.origin import Origin, OriginRole
from fsrfer.training.run_identity import RunIdentity, is_trained

Change = Callable[[TrainRecipe], TrainRecipe]

SEED_FOLDER = "seed-"

FIGURES = ("accuracy", "mean_class_accuracy")
"""What is kept of each report."""

REPORTS = (
    ("validation, clean", "valid"),
    ("validation, realistic", "valid_realistic"),
    ("test, clean", "test"),
    ("test, realistic", "test_realistic"),
)
"""What the table calls a report, and its key among the metrics of a bundle."""


def _weights(**changes: float) -> Change:
    def change(recipe: TrainRecipe) -> TrainRecipe:
        stage = recipe.super_resolution
        return replace(recipe, super_resolution=replace(stage, weights=replace(stage.weights, **changes)))

    return change


def _without_generator(recipe: TrainRecipe) -> TrainRecipe:
    return replace(recipe, generator=replace(recipe.generator, kind=GeneratorKind.NONE))


def _without_size(recipe: TrainRecipe) -> TrainRecipe:
    return replace(recipe, backbone=replace(recipe.backbone, size_conditioned=False))


_without_teacher = _weights(feature=0.0, perceptual=0.0, distillation=0.0)

VARIANTS: dict[str, tuple[str, Change]] = {
    "ours": ("ours", lambda recipe: recipe),
    "no-mirror": ("without the mirror image", lambda recipe: replace(recipe, mirrored=False)),
    "no-size": ("backbone not told the size", _without_size),
    "no-generator": ("no generator", _without_generator),
    "no-features": ("no feature and embedding terms", _weights(feature=0.0, perceptual=0.0)),
    "no-distillation": ("no distillation", _weights(distillation=0.0)),
    "no-teacher": ("no teacher at all", _without_teacher),
    "no-degradation": (
        "bicubic small faces only",
        lambda recipe: replace(recipe, degradation=replace(recipe.degradation, fraction=0.0)),
    ),
    "hard-labels": (
        "the majority's label instead of the votes",
        lambda recipe: replace(recipe, extractor=replace(recipe.extractor, soft_labels=False)),
    ),
    "no-ema": (
        "last weights instead of their average",
        lambda recipe: replace(recipe, super_resolution=replace(recipe.super_resolution, ema_decay=0.0)),
    ),
    "no-jitter": (
        "faces not shifted, scaled or turned",
        lambda recipe: replace(
            recipe, augmentation=replace(recipe.augmentation, shift=0.0, scale=0.0, rotation_deg=0.0)
        ),
    ),
    "degraded-b1": (
        "B1 further, degraded faces and mirror image",
        lambda recipe: _without_teacher(_without_size(_without_generator(recipe))),
    ),
}
"""Title and change of the recipe; ``degraded-b1`` leaves everything out that B1 could not have as well."""


def recipe_of(name: str, epochs: int) -> TrainRecipe:
    """Return the recipe of a variant."""
    recipe = replace(VARIANTS[name][1](load_recipe("edge")), name=f"edge-{name}")
    return recipe.with_epochs(recipe.extractor.epochs, epochs)


Trained = dict[str, dict[int, ModelBundle]]
"""Bundles by variant and seed."""


def trained(options: argparse.Namespace, data: TrainingData) -> Trained:
    """Return the variants that are there, of all seeds; refuse those of other settings than the present ones."""
    parents = Origin(ModelBundle.load(options.teacher), OriginRole.EXTRACTOR).parents
    numbers = [folder.name.removeprefix(SEED_FOLDER) for folder in options.output.glob(f"{SEED_FOLDER}*")]
    seeds = sorted(int(number) for number in numbers if number.isdecimal())
    found: Trained = {}
    for name in VARIANTS:
        for seed in seeds:
            folder = folder_of(options.output, name, seed)
            if not (folder / MANIFEST_NAME).is_file():
                continue
            bundle = ModelBundle.load(folder)
            if not is_trained(bundle):
                continue
            wanted = RunIdentity(recipe_of(name, options.epochs), seed, data.dataset_ids, parents)
            wanted.require(bundle, str(folder), fix="give another --output, or the options that it was made with")
            found.setdefault(name, {})[seed] = bundle
    return found


def folder_of(output: Path, name: str, seed: int) -> Path:
    """Return the folder of a variant's bundle."""
    return output / f"{SEED_FOLDER}{seed}" / name


def train(name: str, seed: int, options: argparse.Namespace, data: TrainingData) -> None:
    """Train one variant."""
    origin = Origin(ModelBundle.load(options.teacher), OriginRole.EXTRACTOR)
    settings = FitOptions(arithmetic=Arithmetic(options.arithmetic))
    recipe = recipe_of(name, options.epochs)
    fit(recipe, data, folder_of(options.output, name, seed), seed=seed, origin=origin, options=settings)


def measured(bundles: Trained, key: str, figure: str = "accuracy") -> dict[str, dict[int, dict[str, float]]]:
    """Return a figure in percent by variant, seed and face size; ``mean`` is over the sizes.

    Args:
        bundles: What was trained.
        key: Of the report among the metrics of a bundle.
        figure: ``accuracy`` or ``mean_class_accuracy``.
    """
    return {
        name: {seed: _figures(bundle, key, figure) for seed, bundle in runs.items()} for name, runs in bundles.items()
    }


def _figures(bundle: ModelBundle, key: str, figure: str) -> dict[str, float]:
    rows = bundle.manifest.metrics[key]["sizes"]
    values = {f"{row['face_size_px']} px": 100 * row[figure]["value"] for row in rows}
    return {**values, "mean": sum(values.values()) / len(values)}


def table(bundles: Trained) -> str:
    """Return the accuracies of variants in percent, means over the seeds, one table for each split and track."""
    return "\n\n".join(_table_of(title, measured(bundles, key)) for title, key in REPORTS) + "\n"


def _table_of(title: str, variants: Mapping[str, Mapping[int, Mapping[str, float]]]) -> str:
    lines, columns = [], []
    for name, runs in variants.items():
        columns = list(next(iter(runs.values())))
        values = {column: [run[column] for run in runs.values()] for column in columns}
        cells = [f"{sum(value) / len(value):.2f}" for value in values.values()]
        if len(runs) > 1:
            cells[-1] += f" ({min(values['mean']):.2f} to {max(values['mean']):.2f})"
        lines.append(" | ".join(["", VARIANTS[name][0], str(len(runs)), *cells, ""]).strip())
    header = " | ".join(["", title, "seeds", *columns, ""]).strip()
    return "\n".join([header, "|---" * (len(columns) + 2) + "|", *lines])


def results(bundles: Trained, options: argparse.Namespace) -> dict[str, Any]:
    """Return what was measured, as plain values."""
    made = [bundle.manifest.provenance for runs in bundles.values() for bundle in runs.values()]
    return {
        "epochs": options.epochs,
        "teacher": ModelBundle.load(options.teacher).manifest.name,
        "dataset_ids": made[0].dataset_ids,
        "arithmetic": sorted({one.arithmetic for one in made}),
        "titles": {name: VARIANTS[name][0] for name in bundles},
        **{f"{name}_percent": {key: measured(bundles, key, name) for _, key in REPORTS} for name in FIGURES},
    }


def main() -> None:
    """Train what is missing; print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="data set, such as ferplus:PATH")
    parser.add_argument("--teacher", type=Path, required=True, help="bundle that stage 2 begins with")
    parser.add_argument("--output", type=Path, required=True, help="folder for the variants, ablation.md and .json")
    parser.add_argument("--epochs", type=int, default=8, help="epochs of stage 2")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--arithmetic", choices=[kind.value for kind in Arithmetic], default="bf16")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    options = parser.parse_args()
    data = TrainingData(**{split: open_dataset(options.data, split) for split in ("train", "valid", "test")})
    there = trained(options, data)
    for seed in options.seeds:
        for name in options.variants:
            if seed not in there.get(name, {}):
                print(f"training {name}, seed {seed}", flush=True)
                train(name, seed, options, data)
    bundles = trained(options, data)
    record(results(bundles, options), options.output / "ablation.json")
    text = table(bundles)
    print(text)
    write_text(options.output / "ablation.md", text)


if __name__ == "__main__":
    main()
