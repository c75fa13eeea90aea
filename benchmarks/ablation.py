"""What each part of ours is worth: the `edge` recipe, shortened, with one part left out at a time.

python benchmarks/ablation.py --data ferplus:PATH --teacher benchmarks/weights/ferplus/mixed --output ablation

All variants begin with the same teacher and are judged on the same test faces. Interrupt it whenever you like: what is
trained stays, and a training that was cut off goes on. ``--variants`` runs some of them, so that several processes can
share the work; the last one prints the table of all that are there.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fsrfer.core import ArtifactKind, ModelBundle
from fsrfer.core.errors import BundleError
from fsrfer.core.files import write_text
from fsrfer.core.options import Arithmetic
from fsrfer.datasets import open_dataset
from fsrfer.training import FitOptions, TrainingData, TrainRecipe, fit, load_recipe
from fsrfer.training.models import GeneratorKind
from fsrfer.training.origin import Origin, OriginRole


def _weights(**changes: float) -> Callable[[TrainRecipe], TrainRecipe]:
    def change(recipe: TrainRecipe) -> TrainRecipe:
        stage = recipe.super_resolution
        return replace(recipe, super_resolution=replace(stage, weights=replace(stage.weights, **changes)))

    return change


VARIANTS: dict[str, tuple[str, Callable[[TrainRecipe], TrainRecipe]]] = {
    "ours": ("ours", lambda recipe: recipe),
    "no-mirror": ("without the mirror image", lambda recipe: replace(recipe, mirrored=False)),
    "no-size": (
        "backbone not told the size",
        lambda recipe: replace(recipe, backbone=replace(recipe.backbone, size_conditioned=False)),
    ),
    "no-generator": (
        "no generator",
        lambda recipe: replace(recipe, generator=replace(recipe.generator, kind=GeneratorKind.NONE)),
    ),
    "no-features": ("no feature and embedding terms", _weights(feature=0.0, perceptual=0.0)),
    "no-distillation": ("no distillation", _weights(distillation=0.0)),
    "no-teacher": ("no teacher at all", _weights(feature=0.0, perceptual=0.0, distillation=0.0)),
    "no-degradation": (
        "bicubic small faces only",
        lambda recipe: replace(recipe, degradation=replace(recipe.degradation, fraction=0.0)),
    ),
}


def train(name: str, options: argparse.Namespace, data: TrainingData) -> None:
    """Train one variant, unless it is there."""
    folder = options.output / name
    try:
        if ModelBundle.load(folder).has(ArtifactKind.MODEL_CARD):
            return
    except BundleError:
        pass
    recipe = VARIANTS[name][1](load_recipe("edge"))
    recipe = replace(recipe, name=f"edge-{name}").with_epochs(recipe.extractor.epochs, options.epochs)
    origin = Origin(ModelBundle.load(options.teacher), OriginRole.EXTRACTOR)
    settings = FitOptions(arithmetic=Arithmetic(options.arithmetic))
    fit(recipe, data, folder, seed=options.seed, origin=origin, options=settings)


def table(options: argparse.Namespace) -> str:
    """Return the accuracies of all variants that are there."""
    lines, header = [], ""
    for name, (title, _) in VARIANTS.items():
        try:
            metrics = ModelBundle.load(options.output / name).manifest.metrics
        except BundleError:
            continue
        for track, key in (("clean", "test"), ("realistic", "test_realistic")):
            rows = metrics[key]["sizes"]
            values = [100 * row["accuracy"]["value"] for row in rows]
            header = " | ".join(f"{row['face_size_px']} px" for row in rows)
            cells = " | ".join(f"{value:.2f}" for value in values)
            lines.append(f"| {title} | {track} | {cells} | {sum(values) / len(values):.2f} |")
    columns = header.count("|") + 4
    return "\n".join([f"| variant | track | {header} | mean |", "|---" * columns + "|", *lines]) + "\n"


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
    for name in options.variants:
        print(f"training {name}", flush=True)
        train(name, options, data)
    text = table(options)
    print(text)
    write_text(options.output / "ablation.md", text)


if __name__ == "__main__":
    main()
