"""``fsrfer-train``: train models and evaluate them by face size."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.bundle import ModelBundle
from ..core.errors import UsageError
from ..core.options import Arithmetic, Precision
from ..datasets import SPEC_FORMS, FaceDataset, Track, open_dataset
from ..datasets.evaluation import Classify, EvaluationReport, SizeReport, evaluate_by_size
from ..datasets.subset import with_labels
from ..runtime.opening import open_bundle
from ..runtime.shipped import default_bundle_path
from .compare import compare
from .console import NOTES, print_json, print_table, progress_bar
from .launch import needing_extra
from .parsing import parse_sizes
from .training_bars import TrainingBars

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

app.command("compare")(compare)

_DATA_HELP = f"Data set: {', '.join(SPEC_FORMS)}."


@app.callback()
def _group() -> None:
    """Train models and evaluate them by face size."""


@app.command("fit")
def fit(
    output: Annotated[Path, typer.Option(help="Folder of the bundle to write.")],
    data: Annotated[str, typer.Option(help=_DATA_HELP)] = "procedural",
    recipe: Annotated[str, typer.Option(help="Name of a recipe (see `recipes`), or path of a TOML file.")] = "edge",
    epochs: Annotated[
        str | None, typer.Option(help="Epochs of stage 1 and of stage 2, such as 6,2.  [default: the recipe's]")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    device: Annotated[
        str, typer.Option(help="Where to compute: cpu, cuda, cuda:1. Under torchrun, cuda is a GPU for each process.")
    ] = "cpu",
    arithmetic: Annotated[
        Arithmetic, typer.Option(help="Number format of the convolutions; bf16 where the processor has it.")
    ] = Arithmetic.FP32,
    extractor: Annotated[
        Path | None, typer.Option(help="Take this bundle's backbone and classifier as stage 1.", show_default=False)
    ] = None,
    pieces: Annotated[
        int, typer.Option(min=1, help="Take each batch in so many pieces, one after another, for less memory.")
    ] = 1,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint in the output folder.")] = True,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave unusable pictures out, counted.")] = False,
) -> None:
    """Train a model in two stages and write its bundle.

    Interrupt it whenever you like: the same command goes on from the last checkpoint, and ends with the same weights.
    Several processes train together under torchrun --standalone --nproc-per-node 2 --no-python fsrfer-train fit ...
    """
    with needing_extra("fsrfer-train fit"):
        from ..training import FitOptions, TrainingData, load_recipe, take_part
        from ..training import fit as train
        from ..training.distributed import joined
        from ..training.origin import Origin, OriginRole
    with joined(device) as processes:
        loaded = load_recipe(recipe)
        if epochs is not None:
            loaded = loaded.with_epochs(*_parse_epochs(epochs))
        splits = {split: open_dataset(data, split, skip_bad=skip_bad) for split in ("train", "valid", "test")}
        faces = TrainingData(**splits)
        origin = None if extractor is None else Origin(ModelBundle.load(extractor), OriginRole.EXTRACTOR)
        options = FitOptions(device=str(processes.device), resume=resume, arithmetic=arithmetic, pieces=pieces)
        if not processes.leads:
            take_part(loaded, faces, output, processes=processes, seed=seed, origin=origin, options=options)
            return
        for split in splits.values():
            NOTES.print(f"{split.split}: {len(split)} faces, {split.dataset_id}")
        with progress_bar() as bars:
            told = TrainingBars(bars)
            bundle = train(
                loaded, faces, output, seed=seed, origin=origin, options=options, progress=told, processes=processes
            )
    _tell(bundle)


def _tell(bundle: ModelBundle) -> None:
    NOTES.print(f"wrote {bundle.path}")
    rows = bundle.manifest.metrics["test"]["sizes"]
    print_table(
        f"{bundle.manifest.name} on the test split",
        ("face size", "faces", "accuracy", "mean class accuracy"),
        [
            (
                f"{row['face_size_px']} px",
                row["count"],
                f"{row['accuracy']['value']:.1%}",
                f"{row['mean_class_accuracy']['value']:.1%}",
            )
            for row in rows
        ],
    )


@app.command("card")
def card(
    bundle: Annotated[Path, typer.Argument(help="Trained bundle.")],
    data: Annotated[str, typer.Option(help=f"The data set that it was trained on: {', '.join(SPEC_FORMS)}.")],
) -> None:
    """Evaluate a bundle anew and write its metrics and model card; weights, temperatures and graphs stay."""
    with needing_extra("fsrfer-train card"):
        from ..training import TrainingData
        from ..training.bundling import judge_again
    splits = {split: open_dataset(data, split) for split in ("train", "valid", "test")}
    _tell(judge_again(ModelBundle.load(bundle), TrainingData(**splits)))


@app.command("evaluate")
def evaluate(
    bundle: Annotated[
        Path | None, typer.Argument(help="Bundle to evaluate.  [default: the model that comes with fsrfer]")
    ] = None,
    data: Annotated[str, typer.Option(help=_DATA_HELP)] = "procedural",
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "test",
    track: Annotated[Track, typer.Option(help="How small faces are made.")] = Track.CLEAN,
    sizes: Annotated[str, typer.Option(help="Native face sizes in pixels.")] = "48,24,16,12,8",
    runners: Annotated[
        str, typer.Option(help="Implementations, separated by commas: pytorch, fp32 and int8 (both ONNX Runtime).")
    ] = "pytorch",
    as_json: Annotated[bool, typer.Option("--json", help="Print everything, confusion matrices too, as JSON.")] = False,
) -> None:
    """Measure accuracy by face size; several implementations of the same model go into one table."""
    wanted, names = parse_sizes(sizes), _runner_names(runners)
    loaded = ModelBundle.load(bundle or default_bundle_path())
    dataset = with_labels(open_dataset(data, split), loaded.manifest.labels)
    reports = {name: _evaluate(loaded, name, dataset, wanted, track) for name in names}
    if as_json:
        print_json({name: report.to_json() for name, report in reports.items()})
        return
    print_table(
        f"{loaded.manifest.name} on {dataset.dataset_id}, track {track.protocol}",
        ("runner", *SizeReport.HEADER),
        [(name, *row.cells()) for name, report in reports.items() for row in report.sizes],
    )


@app.command("showcase")
def showcase(
    bundle: Annotated[Path, typer.Argument(help="Bundle to show.")],
    output: Annotated[Path, typer.Option(help="Picture to write (.png, .svg, .pdf).")],
    data: Annotated[str, typer.Option(help=_DATA_HELP)] = "procedural",
    face_size: Annotated[int, typer.Option(min=4, help="Native size of the small faces in pixels.")] = 12,
    faces: Annotated[int, typer.Option(min=1, max=40, help="How many faces.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Which faces of the test split.")] = 0,
) -> None:
    """Draw faces at full size, small, and small with their features super-resolved, with what the model reads."""
    with needing_extra("fsrfer-train showcase"):
        import matplotlib as _  # noqa: F401 - named here, so that its absence is told before any work

        from ..training.models import load_network
        from ..training.showcase import draw_showcase, showcase_rows, spread_choice
    loaded = ModelBundle.load(bundle)
    dataset = with_labels(open_dataset(data, "test"), loaded.manifest.labels)
    chosen = [dataset[index] for index in spread_choice(dataset, faces, seed)]
    images = [sample.image for sample in chosen]
    rows = showcase_rows(load_network(loaded), loaded.manifest.preprocess, images, face_size)
    draw_showcase(rows, loaded.manifest.labels, [sample.label for sample in chosen], output)
    NOTES.print(f"wrote {output}")


@app.command("recipes")
def recipes() -> None:
    """List the recipes that come with fsrfer."""
    with needing_extra("fsrfer-train recipes"):
        from ..training import builtin_recipes, load_recipe
    rows = []
    for name in builtin_recipes():
        recipe = load_recipe(name)
        rows.append(
            (
                name,
                recipe.color.value,
                recipe.generator.kind.value,
                recipe.extractor.epochs,
                recipe.super_resolution.epochs,
            )
        )
    print_table("recipes", ("name", "colour", "generator", "epochs of stage 1", "epochs of stage 2"), rows)


def _parse_epochs(text: str) -> tuple[int, int]:
    words = [word.strip() for word in text.split(",")]
    if len(words) != 2 or not all(word.isdecimal() for word in words) or int(words[0]) < 1:
        raise UsageError(
            "--epochs cannot be read", expected="two whole numbers, the first at least 1, such as 6,2", found=text
        )
    return int(words[0]), int(words[1])


def _runner_names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    known = ("pytorch", Precision.FP32.value, Precision.INT8.value)
    if not all(name in known for name in names):
        raise UsageError("--runners cannot be read", expected=f"some of {', '.join(known)}", found=text)
    return names


def _evaluate(
    bundle: ModelBundle, runner: str, dataset: FaceDataset, sizes: tuple[int, ...], track: Track
) -> EvaluationReport:
    def report(classify: Classify) -> EvaluationReport:
        manifest = bundle.manifest
        return evaluate_by_size(
            classify, dataset, manifest.preprocess, sizes, temperatures=manifest.temperatures, track=track
        )

    if runner == "pytorch":
        with needing_extra("fsrfer-train evaluate --runners pytorch"):
            from ..training import classify_with
            from ..training.models import load_network
        return report(classify_with(load_network(bundle)))
    with open_bundle(bundle.path, precision=Precision(runner)) as classifier:
        return report(classifier.logits)
