"""``fsrfer-profile engine``: latency of an engine of TensorRT, its copies and its layers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.bundle import ModelBundle
from ..core.errors import UsageError
from ..core.files import write_json
from ..core.options import Backend, Precision
from ..core.schema import to_mapping
from ..runtime.opening import find_tensorrt_engine
from ..runtime.profiling import ProfileConfig
from ..runtime.profiling.engine_files import write_engine_rates, write_engine_times
from ..runtime.profiling.engine_profile import StagedRun, profile_engine
from ..runtime.profiling.engine_report import EngineProfile, EngineRow
from .console import NOTES, print_json, print_table, progress_bar
from .figures import ms
from .profile_parsing import describe_watch, parse_list
from .writable import check_writable

_MOST_LAYERS = 20


def engine(
    bundle: Annotated[Path, typer.Argument(help="Bundle with an engine for this GPU.", show_default=False)],
    backend: Annotated[Backend, typer.Option(help="tensorrt or tensorrt-rtx.")] = Backend.TENSORRT,
    precision: Annotated[Precision, typer.Option(help="Number format of the engine.")] = Precision.INT8,
    batch: Annotated[str, typer.Option(help="Faces in one run, such as 1,8,32.")] = "1,8,32",
    seconds: Annotated[float, typer.Option(help="Time of each batch size.")] = 2.0,
    warmup: Annotated[float, typer.Option(help="Untimed seconds of each batch size before.")] = 0.5,
    json_path: Annotated[
        str | None, typer.Option("--json", help="Also write the profile to a file; - prints it instead of the tables.")
    ] = None,
    times: Annotated[
        str | None, typer.Option(help="Also write every run whose stages were timed to a JSON file, as trtexec does.")
    ] = None,
    csv: Annotated[str | None, typer.Option(help="Also write the rows to a CSV file, as perf_analyzer does.")] = None,
) -> None:
    """Measure an engine of TensorRT on this machine's GPU: the whole, its copies, its computing and its layers.

    The latency is that of serving, from the host's memory and back. Copies and computing are timed by the GPU's own
    clock in runs of their own, without CUDA graphs.
    """
    if backend is Backend.ONNXRUNTIME:
        raise UsageError("graphs of ONNX Runtime have no engine to profile here", fix=f"fsrfer-profile model {bundle}")
    config = ProfileConfig(batches=parse_list(batch, "--batch", int, "1,8,32"), seconds=seconds, warmup_seconds=warmup)
    check_writable(json_path, "--json", or_stdout=True)
    for path, option in ((times, "--times"), (csv, "--csv")):
        check_writable(path, option)
    runs: list[StagedRun] = []
    loaded = ModelBundle.load(bundle)
    found = find_tensorrt_engine(loaded, backend, precision)
    with progress_bar() as progress:
        task = progress.add_task("measuring", total=None, visible=False)
        profile = profile_engine(
            found,
            loaded.manifest,
            config,
            lambda done, total: progress.update(task, completed=done, total=total, visible=True),
            runs.append,
        )
    if json_path == "-":
        print_json(to_mapping(profile))
    else:
        _print(profile)
    if json_path not in (None, "-"):
        write_json(Path(str(json_path)), to_mapping(profile))
    if times is not None:
        write_engine_times(Path(times), runs)
    if csv is not None:
        write_engine_rates(Path(csv), profile.rows)
    for written in (json_path, times, csv):
        if written not in (None, "-"):
            NOTES.print(f"wrote {written}", markup=False, soft_wrap=True)


def _print(profile: EngineProfile) -> None:
    from ..export.layers.engine_names import engine_layer_name, engine_layer_role

    gpus = ", ".join(gpu.name for gpu in profile.environment.gpus) or profile.environment.machine
    columns = (
        "batch",
        "runs",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "faces/s",
        "in",
        "compute",
        "out",
        "host",
        "bound",
        "filled",
        "verdict",
    )
    title = f"{profile.bundle} {profile.precision.value} on {profile.backend.value}, {gpus}"
    print_table(title, columns, [_cells(row) for row in profile.rows], dense=True)
    typer.echo("p50, p95, p99   a ready uint8 batch in the host's memory to logits there, as it is served")
    typer.echo(
        "in, out         copies to the GPU and back, compute the engine: medians by the GPU's clock, no CUDA graphs"
    )
    typer.echo("host            the rest of those runs: filling page-locked memory, enqueueing, waiting")
    typer.echo("bound           the longest of computing, copies, and what serving takes beyond the two")
    typer.echo("filled          rows that are no faces: the engine computes its smallest batch at least")
    layers = sorted(profile.layers, key=lambda layer: -layer.median_ms)[:_MOST_LAYERS]
    rows = [
        (engine_layer_name(layer.name), engine_layer_role(layer.name).value, ms(layer.median_ms), f"{layer.share:.1%}")
        for layer in layers
    ]
    largest = max(row.batch for row in profile.rows)
    title = f"slowest of {len(profile.layers)} layers, batch {largest}, by TensorRT's profiler"
    print_table(title, ("layer", "part", "ms", "share"), rows, dense=True)
    for line in describe_watch(profile.interference, profile.machine):
        typer.echo(line)


def _cells(row: EngineRow) -> tuple[object, ...]:
    latency = row.latency
    stages = (row.to_device, row.compute, row.to_host, row.host)
    return (
        row.batch,
        latency.runs,
        *(ms(value) for value in (latency.p50_ms, latency.p95_ms, latency.p99_ms)),
        f"{row.faces_per_second:.0f}",
        *(ms(stage.p50_ms) for stage in stages),
        row.bound.value,
        f"{1 - row.fill.rows:.0%}",
        row.stability.value,
    )
