"""``fsrfer-train compare``: all methods on the same faces, in one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import TaskID

from ..core.errors import UsageError
from ..core.files import write_json, write_text
from ..core.options import Arithmetic
from ..core.provenance import installed_versions
from ..datasets import SPEC_FORMS, FaceDataset, Track, open_dataset, paper_sizes
from .console import NOTES, command_line, print_table, progress_bar
from .launch import needing_extra
from .parsing import parse_sizes
from .tracks import parse_tracks
from .training_bars import TrainingBars
from .writable import check_writable_folder

if TYPE_CHECKING:
    from torch import nn

    from ..training import TrainingData
    from ..training.comparison import Comparison, KeptLogits, Method, PartStore

PAPER_PROTOCOL = "x1..x8"
LOGITS_FOLDER = "logits"


def compare(
    store: Annotated[Path, typer.Option(help="Folder of the trained networks: loaded where they are, trained else.")],
    data: Annotated[str, typer.Option(help=f"Data set: {', '.join(SPEC_FORMS)}.")] = "procedural",
    sizes: Annotated[
        str, typer.Option(help=f"Native face sizes in pixels; {PAPER_PROTOCOL} for the paper's down-sampling factors.")
    ] = "48,24,16,12,8",
    tracks: Annotated[str, typer.Option(help="clean, realistic, or both, separated by a comma.")] = "clean,realistic",
    methods: Annotated[
        str | None,
        typer.Option(
            help="Some methods of docs/accuracy.md, separated by commas, as mixed,mixed-mirrored,edge.  [default: all]"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder for comparison.json, comparison.md, accuracy.png, of ours abstention.png, and the logits of "
            "all methods, from which the next run goes on."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of what has to be trained.")] = 0,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Train no stage for longer than this: to try the command out.")
    ] = None,
    arithmetic: Annotated[
        Arithmetic, typer.Option(help="Number format of the convolutions while training.")
    ] = Arithmetic.FP32,
    device: Annotated[str, typer.Option(help="Where to train: cpu, cuda, cuda:1.")] = "cpu",
    train: Annotated[
        bool, typer.Option(help="Train what is missing; --no-train leaves methods out whose networks are not there.")
    ] = True,
    latency: Annotated[bool, typer.Option(help="Measure the time of a face with ONNX Runtime.")] = True,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave unusable pictures out, counted.")] = False,
) -> None:
    """Compare the paper's method, honest baselines and ours: same backbone, same faces, same protocol.

    Interrupt it whenever you like: what is trained stays, a training that was cut off goes on, and with --output what
    was evaluated is not evaluated again.
    """
    with needing_extra("fsrfer-train compare"):
        from ..training import FitOptions, TrainingData
        from ..training.comparison import METHODS, KeptLogits, PartStore
        from ..training.distributed import refuse_several_processes
    refuse_several_processes("fsrfer-train compare")
    check_writable_folder(output, "--output")
    chosen = _choose(methods, METHODS)
    wanted_tracks = parse_tracks(tracks)
    splits = {split: open_dataset(data, split, skip_bad=skip_bad) for split in ("train", "valid", "test")}
    faces = TrainingData(**splits)
    wanted_sizes = _parse_protocol(sizes, faces.test)
    options = FitOptions(device=device, arithmetic=arithmetic)
    parts = PartStore(store, seed, options, epochs, native_px=_side_of(faces.train))
    if not train:
        chosen = _only_stored(parts, chosen)
    _refuse_others(parts, chosen, faces)
    _train_missing(parts, chosen, faces)
    kept = KeptLogits(output / LOGITS_FOLDER) if output is not None else None
    comparison = _evaluate(parts, chosen, faces, wanted_sizes, wanted_tracks, kept, latency=latency)
    _show(comparison)
    if output is not None:
        _write(comparison, output)


def _choose(text: str | None, methods: Sequence[Method]) -> list[Method]:
    if text is None:
        return list(methods)
    by_key = {method.key: method for method in methods}
    words = [word.strip() for word in text.split(",")]
    if not all(word in by_key for word in words) or len(set(words)) != len(words):
        raise UsageError("--methods cannot be read", expected=f"some of {', '.join(by_key)}", found=text)
    return [by_key[word] for word in words]


def _parse_protocol(text: str, dataset: FaceDataset) -> tuple[int, ...]:
    if text.strip() == PAPER_PROTOCOL:
        return paper_sizes(_side_of(dataset))
    return parse_sizes(text)


def _side_of(dataset: FaceDataset) -> int:
    """Return the shorter side of the first face in pixels; sets that the protocol is for have faces of one size."""
    return int(min(dataset[0].image.shape[:2]))


def _only_stored(store: PartStore, methods: Sequence[Method]) -> list[Method]:
    """Return the methods whose networks are there, and name the others."""
    there = []
    for method in methods:
        lacking = [part.value for part in method.parts if not store.has(part)]
        if not lacking:
            there.append(method)
            continue
        NOTES.print(f"left out: {method.title} ({method.key}), no {', '.join(lacking)} in {store.folder}", markup=False)
    if not there:
        raise UsageError(
            f"{store.folder} has no method whose networks are all there",
            expected="the networks of one method or more",
            fix="leave --no-train away, which trains them",
        )
    return there


def _refuse_others(store: PartStore, methods: Sequence[Method], data: TrainingData) -> None:
    # Before hours of training, not after them.
    for part in dict.fromkeys(part for method in methods for part in method.parts):
        if store.has(part) and (part.needs is None or store.has(part.needs)):
            store.load(part, data.dataset_ids)


def _train_missing(store: PartStore, methods: Sequence[Method], data: TrainingData) -> None:
    missing = store.missing(part for method in methods for part in method.parts)
    for position, part in enumerate(missing, start=1):
        NOTES.print(f"training {part.value} ({position} of {len(missing)})")
        with progress_bar() as bars:
            store.train(part, data, TrainingBars(bars))


def _evaluate(
    store: PartStore,
    methods: Sequence[Method],
    data: TrainingData,
    sizes: tuple[int, ...],
    tracks: tuple[Track, ...],
    kept: KeptLogits | None,
    *,
    latency: bool,
) -> Comparison:
    from ..training.bundling import preprocess_spec
    from ..training.comparison import Comparison, evaluate_method
    from ..training.recipe import load_recipe

    spec = preprocess_spec(load_recipe("full-size"))
    measure: Callable[[nn.Module], float] | None = None
    if latency:
        with needing_extra("fsrfer-train compare --latency"):
            from ..export.latency import onnx_latency_ms

        measure = partial(onnx_latency_ms, spec=spec)

    results = []
    with progress_bar() as bars:
        for method in methods:
            loaded = {part: store.load(part, data.dataset_ids) for part in method.parts}
            task = bars.add_task(method.title, total=None)

            def told(what: str, done: int, total: int, task: TaskID = task) -> None:
                bars.update(task, description=what, completed=done, total=total)

            result = evaluate_method(
                method, loaded, data, spec, sizes, tracks, kept=kept, measure_latency=measure, on_progress=told
            )
            results.append(result)
    if kept is not None and kept.reused:
        NOTES.print(f"{kept.reused} of {kept.evaluations} evaluations were there already")
    return Comparison(data.dataset_ids, sizes, tuple(results))


def _show(comparison: Comparison) -> None:
    from ..training.comparison import HEADER, cells

    for track in comparison.tracks:
        for size in comparison.sizes:
            rows = comparison.rows(track, size)
            title = f"{size} px, track {track.protocol}, {rows[0].size.count} faces"
            print_table(title, HEADER, [cells(row) for row in rows])


def _write(comparison: Comparison, folder: Path) -> None:
    from ..training.comparison import Kind, draw_accuracy, draw_risk_coverage, to_markdown

    folder.mkdir(parents=True, exist_ok=True)
    write_json(
        folder / "comparison.json",
        {"command": command_line(), "versions": installed_versions(), **comparison.to_json()},
    )
    write_text(folder / "comparison.md", to_markdown(comparison))
    pictures = ["accuracy.png"]
    with needing_extra("fsrfer-train compare --output"):
        draw_accuracy(comparison, folder / "accuracy.png")
        for result in comparison.results:
            if result.kind is Kind.OURS:
                draw_risk_coverage(result, folder / "abstention.png")
                pictures.append("abstention.png")
    NOTES.print(f"wrote comparison.json, comparison.md, {', '.join(pictures)} in {folder}", markup=False)
