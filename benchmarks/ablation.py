"""What each part of ours is worth: the `edge` recipe, shortened, with one part left out at a time.

python benchmarks/ablation.py --data ferplus:PATH --teacher benchmarks/weights/ferplus/mixed --output ablation

All variants begin with the same teacher and are judged on the same faces of the validation and of the test split.
Interrupt it whenever you like: what is trained stays, and a training that was cut off goes on. What is there from
another seed, length, teacher or recipe is refused before anything is trained. ``--variants`` runs some of them, so that
several processes can share the work; each prints the table of all that are there when it ends.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

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


def trained(options: argparse.Namespace, data: TrainingData) -> dict[str, ModelBundle]:
    """Return the variants that are there; refuse those of other settings than the present ones."""
    parents = Origin(ModelBundle.load(options.teacher), OriginRole.EXTRACTOR).parents
    found = {}
    for name in VARIANTS:
        folder = options.output / name
        if not (folder / MANIFEST_NAME).is_file():
            continue
        bundle = ModelBundle.load(folder)
        if not is_trained(bundle):
            continue
        wanted = RunIdentity(recipe_of(name, options.epochs), options.seed, data.dataset_ids, parents)
        wanted.require(bundle, str(folder), fix="give another --output, or the options that it was made with")
        found[name] = bundle
    return found


def train(name: str, options: argparse.Namespace, data: TrainingData) -> None:
    """Train one variant."""
    origin = Origin(ModelBundle.load(options.teacher), OriginRole.EXTRACTOR)
    settings = FitOptions(arithmetic=Arithmetic(options.arithmetic))
    recipe = recipe_of(name, options.epochs)
    fit(recipe, data, options.output / name, seed=options.seed, origin=origin, options=settings)


def table(bundles: dict[str, ModelBundle]) -> str:
    """Return the accuracies of variants in percent, one table for each split and track."""
    parts = []
    for title, key in REPORTS:
        lines, header = [], ""
        for name, bundle in bundles.items():
            rows = bundle.manifest.metrics[key]["sizes"]
            values = [100 * row["accuracy"]["value"] for row in rows]
            header = " | ".join(f"{row['face_size_px']} px" for row in rows)
            cells = " | ".join(f"{value:.2f}" for value in (*values, sum(values) / len(values)))
            lines.append(f"| {VARIANTS[name][0]} | {cells} |")
        rule = "|---" * (header.count("|") + 3) + "|"
        parts.append("\n".join([f"| {title} | {header} | mean |", rule, *lines]))
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="data set, such as ferplus:PATH")
    parser.add_argument("--teacher", type=Path, required=True, help="bundle that stage 2 begins with")
    parser.add_argument("--output", type=Path, required=True, help="folder for the variants and ablation.md")
    parser.add_argument("--epochs", type=int, default=8, help="epochs of stage 2")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--arithmetic", choices=[kind.value for kind in Arithmetic], default="bf16")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    options = parser.parse_args()
    data = TrainingData(**{split: open_dataset(options.data, split) for split in ("train", "valid", "test")})
    there = trained(options, data)
    for name in options.variants:
        if name not in there:
            print(f"training {name}", flush=True)
            train(name, options, data)
    text = table(trained(options, data))
    print(text)
    write_text(options.output / "ablation.md", text)


if __name__ == "__main__":
    main()
