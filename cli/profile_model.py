"""``fsrfer-profile model``: latency and throughput of a bundle's graphs, alone and with what surrounds them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..core.bundle import ModelBundle
from ..core.errors import UsageError
from ..core.files import write_json
from ..core.options import Precision, Provider
from ..core.schema import to_mapping
from ..datasets import SPEC_FORMS, FaceDataset, evenly_spread, open_dataset
from ..runtime.profiling import ProfileConfig, ProfileReport, profile_bundle
from ..runtime.profiling.series_files import TimesRecorder, write_rates
from .console import NOTES, print_json, progress_bar
from .launch import needing_extra
from .layer_tables import print_layers
from .profile_parsing import parse_list
from .profile_tables import print_profile
from .writable import check_writable


def model(
    bundle: Annotated[Path, typer.Argument(help="Bundle with a fused graph.", show_default=False)],
    precision: Annotated[
        str | None, typer.Option(help="Number formats, such as fp32,int8.  [default: all that the bundle has]")
    ] = None,
    batch: Annotated[str, typer.Option(help="Faces in one run, such as 1,8,32.")] = "1,8,32",
    threads: Annotated[str, typer.Option(help="Threads inside one operator, such as 1,2,4.")] = "1",
    streams: Annotated[str, typer.Option(help="Runs at the same time on one loaded graph, such as 1,2.")] = "1",
    provider: Annotated[
        Provider, typer.Option(help="Where ONNX Runtime runs the graphs; with fsrfer[gpu], also cuda and tensorrt.")
    ] = Provider.CPU,
    spinning: Annotated[bool, typer.Option(help="Let ONNX Runtime's idle threads spin; fsrfer-run does not.")] = False,
    seconds: Annotated[float, typer.Option(help="Time of each row of the table.")] = 2.0,
    warmup: Annotated[float, typer.Option(help="Untimed seconds of each row before.")] = 0.5,
    layers: Annotated[bool, typer.Option(help="Also measure the layers, at the largest batch.")] = False,
    data: Annotated[
        str | None,
        typer.Option(
            help=f"Also evaluate each graph on the test split of these faces, by face size: {', '.join(SPEC_FORMS)}."
        ),
    ] = None,
    faces: Annotated[int | None, typer.Option(min=1, help="Only so many of them, evenly spread.")] = None,
    json_path: Annotated[
        str | None, typer.Option("--json", help="Also write the profile to a file; - prints it instead of the table.")
    ] = None,
    times: Annotated[str | None, typer.Option(help="Also write every run to a JSON file, as trtexec does.")] = None,
    csv: Annotated[str | None, typer.Option(help="Also write the rows to a CSV file, as perf_analyzer does.")] = None,
    report: Annotated[
        str | None,
        typer.Option(help="Also write an HTML page that needs no other file; on a CPU it measures the layers too."),
    ] = None,
) -> None:
    """Measure a bundle's graphs on ONNX Runtime, alone and with what surrounds them in fsrfer-run.

    All combinations take turns, so that what else the machine does falls on all of them alike.
    """
    config = ProfileConfig(
        precisions=() if precision is None else parse_list(precision, "--precision", Precision, "fp32,int8"),
        batches=parse_list(batch, "--batch", int, "1,8,32"),
        threads=parse_list(threads, "--threads", int, "1,2"),
        streams=parse_list(streams, "--streams", int, "1,2"),
        seconds=seconds,
        warmup_seconds=warmup,
        provider=provider,
        spinning=spinning,
    )
    if layers and provider is not Provider.CPU:
        raise UsageError(
            "layers are measured on the CPU only",
            found=f"--layers --provider {provider.value}",
            fix="fsrfer-profile engine, for the layers of an engine of TensorRT",
        )
    check_writable(json_path, "--json", or_stdout=True)
    for path, option in ((times, "--times"), (csv, "--csv"), (report, "--report")):
        check_writable(path, option)
    with_layers = layers or (report is not None and provider is Provider.CPU)
    _need_packages(report=report is not None, layers=with_layers)
    labelled = None if data is None else evenly_spread(open_dataset(data, "test"), faces)
    recorder = None if times is None else TimesRecorder()
    profile = _measure(ModelBundle.load(bundle), config, recorder, labelled, layers=with_layers)
    if json_path == "-":
        print_json(to_mapping(profile))
    else:
        print_profile(profile)
        if layers and profile.layers is not None:
            typer.echo("")
            print_layers(profile.layers, every=False)
    _write(profile, recorder, json_path=json_path, times=times, csv=csv, report=report)


def _write(
    profile: ProfileReport,
    recorder: TimesRecorder | None,
    *,
    json_path: str | None,
    times: str | None,
    csv: str | None,
    report: str | None,
) -> None:
    if json_path not in (None, "-"):
        write_json(Path(str(json_path)), to_mapping(profile))
    if times is not None and recorder is not None:
        recorder.write(Path(times))
    if csv is not None:
        write_rates(Path(csv), profile.rows)
    if report is not None:
        from ..export.profile_page import write_profile_page

        write_profile_page(profile, Path(report))
    for written in (json_path, times, csv, report):
        if written not in (None, "-"):
            NOTES.print(f"wrote {written}", markup=False, soft_wrap=True)


def _need_packages(*, report: bool, layers: bool) -> None:
    """Tell what is missing before any work."""
    if report:
        with needing_extra("fsrfer-profile model --report"):
            import jinja2 as _jinja2  # noqa: F401
            import matplotlib as _matplotlib  # noqa: F401
    if layers:
        with needing_extra("fsrfer-profile model --layers"):
            import onnx as _onnx  # noqa: F401


def _measure(
    bundle: ModelBundle,
    config: ProfileConfig,
    recorder: TimesRecorder | None,
    labelled: FaceDataset | None,
    *,
    layers: bool,
) -> ProfileReport:
    with progress_bar() as progress:
        whole = progress.add_task("measuring", total=None, visible=False)
        profile = profile_bundle(
            bundle,
            config,
            lambda done, total: progress.update(whole, completed=done, total=total, visible=True),
            recorder,
            labelled,
        )
        if not layers:
            return profile
        from ..export.layers import LayerConfig, measure_layers

        parts = progress.add_task("layers", total=None, visible=False)
        found = measure_layers(
            bundle,
            LayerConfig(config.precisions, max(config.batches), config.threads, config.seconds, config.rounds),
            lambda done, total: progress.update(parts, completed=done, total=total, visible=True),
        )
    return replace(profile, layers=found)
