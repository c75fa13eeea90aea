"""``fsrfer-export verify``: does every form of a model decide like its FP32 graph?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.bundle import ModelBundle
from ..core.errors import UsageError
from ..core.fidelity import BandFidelity, Bounds
from ..core.files import write_json
from ..core.metrics import Interval
from ..core.options import Precision
from ..core.provenance import installed_versions
from ..datasets import SPEC_FORMS, Track, evenly_spread, open_dataset
from ..export.verification import FormResult, Verification
from ..export.verification import verify as run_verification
from .console import NOTES, command_line, note_resolution, print_json, print_table, progress_bar
from .parsing import parse_sizes

_COLUMNS = ("face size", "faces", "accuracy", "points lost", "95 %", "same decision", "largest error", "ECE")


def verify(
    bundle: Annotated[Path, typer.Argument(help="Bundle with a fused graph.")],
    data: Annotated[str, typer.Option(help=f"Labelled faces: {', '.join(SPEC_FORMS)}.")] = "procedural",
    split: Annotated[str, typer.Option(help="Split of these faces.")] = "test",
    faces: Annotated[int | None, typer.Option(min=1, help="Only so many of them, evenly spread.")] = None,
    sizes: Annotated[str, typer.Option(help="Native face sizes in pixels.")] = "48,24,16,12,8",
    track: Annotated[Track, typer.Option(help="How small faces are made.")] = Track.CLEAN,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads for ONNX Runtime.")] = None,
    max_drop: Annotated[
        float, typer.Option(min=0.0, help="Points of accuracy that INT8 and BF16 may lose at the worst face size.")
    ] = 0.3,
    max_drop_fp16: Annotated[float, typer.Option(min=0.0, help="Points that FP16 may lose.")] = 0.05,
    max_logit_error: Annotated[float, typer.Option(min=0.0, help="Difference of a logit allowed in FP32.")] = 1e-3,
    gate: Annotated[bool, typer.Option("--gate", help="Exit with 3 where a form is beyond these bounds.")] = False,
    require: Annotated[
        list[str] | None,
        typer.Option(help="With --gate: also exit with 3 where this form was not run; may be given again."),
    ] = None,
    by_class: Annotated[bool, typer.Option("--by-class", help="Also say it expression by expression.")] = False,
    output: Annotated[Path | None, typer.Option(help="JSON file for all of it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Compare PyTorch, every graph and every engine of a bundle on the same faces.

    By face size: accuracy lost with its 95 % interval, equal decisions, errors of the logits, calibration. It also
    looks whether a face's result depends on the batch that it is in. What cannot run here is named, and never counted
    as a pass.
    """
    if require and not gate:
        raise UsageError("--require is a condition of the gate, and there is none", fix="give --gate")
    loaded = ModelBundle.load(bundle)
    dataset = evenly_spread(open_dataset(data, split), faces)
    bounds = {
        Precision.FP32: Bounds(max_logit_error=max_logit_error),
        Precision.FP16: Bounds(max_drop=max_drop_fp16 / 100),
        Precision.BF16: Bounds(max_drop=max_drop / 100),
        Precision.INT8: Bounds(max_drop=max_drop / 100),
    }
    if gate:
        note_resolution(len(dataset), min(max_drop, max_drop_fp16))
    with progress_bar() as bars:
        task = bars.add_task("running every form", total=len(dataset))
        result = run_verification(
            loaded,
            dataset,
            parse_sizes(sizes),
            track=track,
            threads=threads,
            on_progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    problems = result.problems(bounds)
    if output is not None:
        write_json(output, _as_mapping(result, problems))
        NOTES.print(f"wrote {output}", markup=False, soft_wrap=True)
    if as_json:
        print_json(_as_mapping(result, problems))
    else:
        _show(result, by_class=by_class)
    for problem in problems:
        NOTES.print(f"beyond the bounds: {problem}", markup=False, soft_wrap=True)
    not_run = [form.name for form in result.forms if form.not_run]
    if gate and not_run:
        NOTES.print(f"the gate says nothing about: {', '.join(not_run)}", markup=False, soft_wrap=True)
    if gate:
        result.raise_if_beyond(bounds, require or ())


def _as_mapping(result: Verification, problems: list[str]) -> dict[str, Any]:
    return {"command": command_line(), "versions": installed_versions(), **result.to_json(), "beyond_bounds": problems}


def _show(result: Verification, *, by_class: bool) -> None:
    for form in result.forms:
        if form.fidelity is None:
            continue
        rows = [_cells(f"{band.face_size_px} px", band) for band in form.fidelity.bands]
        print_table(f"{form.name}, {result.faces} faces, track {result.track}", _COLUMNS, rows)
        if by_class and form is not result.forms[0]:
            print_table(f"{form.name}: points lost by expression (95 %)", *_by_class(form))
    checks = [
        (
            form.name,
            ", ".join(map(str, form.rows.batch_sizes)),
            f"{form.rows.identical_rows:.1e}",
            f"{form.rows.permuted_rows:.1e}",
            f"{form.rows.other_batch_sizes:.1e}",
        )
        for form in result.forms
        if form.rows is not None
    ]
    absent = [(form.name, form.not_run) for form in result.forms if form.not_run]
    if absent:
        print_table("not run here, and not part of any figure", ("form", "why"), absent)
    columns = ("largest difference of a logit", "batch sizes", "identical rows", "permuted rows", "other batch sizes")
    print_table("does a face's result depend on its batch?", columns, checks)


def _cells(name: str, band: BandFidelity) -> tuple[object, ...]:
    found = band.overall
    if found is None:
        return name, 0, *("no data",) * (len(_COLUMNS) - 2)
    return (
        name,
        found.faces,
        f"{found.candidate_accuracy:.2%}",
        _points(found.drop.value),
        f"{_points(found.drop.low)} to {_points(found.drop.high)}",
        f"{found.agreement:.2%}",
        f"{found.max_logit_error:.2g}",
        f"{found.candidate_calibration_error:.1%}",
    )


def _by_class(form: FormResult) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    bands = form.fidelity.bands if form.fidelity is not None else ()
    names = tuple(bands[0].by_label) if bands else ()
    rows = [
        (name, *("no data" if (one := band.by_label[name]) is None else _interval(one.drop) for band in bands))
        for name in names
    ]
    return ("expression", *(f"{band.face_size_px} px" for band in bands)), rows


def _interval(drop: Interval) -> str:
    return f"{_points(drop.value)} ({_points(drop.low)} to {_points(drop.high)})"


def _points(fraction: float) -> str:
    return f"{100 * fraction:+.2f}"
