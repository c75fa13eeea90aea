"""``fsrfer doctor``: what this machine has, and what is missing for which command."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..core.environment import Environment
from ..core.schema import to_mapping
from ..runtime.detection import fetch_detector_weights, fetch_yunet_weights
from ..runtime.doctor import Diagnosis, diagnose
from ..runtime.installation import MediaSupport
from .console import NOTES, print_json

_ABSENT = "not found"

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the diagnosis as JSON.")] = False,
    fetch_detector: Annotated[
        bool, typer.Option("--fetch-detector", help="First download RetinaFace's weights into the cache.")
    ] = False,
    fetch_yunet: Annotated[
        bool, typer.Option("--fetch-yunet", help="First download YuNet's weights from its repository into the cache.")
    ] = False,
) -> None:
    """Show what this machine has, and what is missing for which command.

    Something missing is no error: the exit code is 0 unless the download fails.
    """
    if fetch_yunet:
        NOTES.print(f"detector weights: {fetch_yunet_weights()}", markup=False, soft_wrap=True)
    if fetch_detector:
        NOTES.print(f"detector weights: {fetch_detector_weights()}", markup=False, soft_wrap=True)
    diagnosis = diagnose()
    if as_json:
        print_json(to_mapping(diagnosis))
        return
    console = Console(highlight=False)
    _print_facts(console, "machine", _machine_rows(diagnosis.environment))
    _print_facts(console, "libraries", _library_rows(diagnosis))
    _print_commands(console, diagnosis)
    for warning in diagnosis.warnings:
        console.print(Text.assemble(("warning: ", "yellow"), warning))


def _machine_rows(environment: Environment) -> Iterable[tuple[str, str]]:
    processor, jetson = environment.processor, environment.jetson
    quota = "no quota" if processor.quota_cores is None else f"quota of {processor.quota_cores:g} cores"
    memory = environment.memory_bytes
    yield "system", f"{environment.system}, Linux {environment.kernel}, {environment.machine}"
    yield "processor", processor.model or "unknown"
    cores = f"{processor.physical_cores or '?'} physical, {processor.logical_cores} logical"
    yield "cores", f"{cores}; usable here: {processor.usable_cores:g} ({quota})"
    yield "clock governor", processor.governor or _ABSENT
    yield "memory", "unknown" if memory is None else f"{memory / 2**30:.1f} GiB"
    for gpu in environment.gpus:
        yield "GPU", f"{gpu.name}, compute capability {gpu.compute_capability}"
    if environment.gpu_problem is not None:
        yield "GPU", environment.gpu_problem
    release = f" of driver {environment.driver_version}" if environment.driver_version is not None else ""
    yield "CUDA", f"driver {environment.driver_cuda or _ABSENT}{release}, toolkit {environment.cuda_toolkit or _ABSENT}"
    if jetson is None:
        yield "Jetson", "no"
    else:
        yield "Jetson", f"{jetson.model}, L4T {jetson.l4t or _ABSENT}, nvpmodel {jetson.power_mode or _ABSENT}"


def _library_rows(diagnosis: Diagnosis) -> Iterable[tuple[str, str]]:
    environment = diagnosis.environment
    yield "Python", environment.python
    yield "packages", ", ".join(f"{name} {version}" for name, version in environment.packages.items())
    for provider in diagnosis.providers:
        yield provider.name, "binds" if provider.problem is None else f"listed, but does not bind: {provider.problem}"
    yield "video", _describe_media(diagnosis.media)
    yield "detector weights", diagnosis.detector_weights or _ABSENT


def _describe_media(media: MediaSupport) -> str:
    if media.problem is not None:
        return f"cannot be loaded: {media.problem}"
    capabilities = {
        "PyAV reads H.264": media.decodes_h264,
        "PyAV writes H.264": media.encodes_h264,
        "OpenCV has GStreamer (not needed)": media.opencv_gstreamer,
    }
    return ", ".join(f"{name}: {'yes' if present else 'no'}" for name, present in capabilities.items())


def _print_facts(console: Console, title: str, rows: Iterable[tuple[str, str]]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Text(value))
    console.print(Text(title, style="bold"))
    console.print(table)
    console.print()


def _print_commands(console: Console, diagnosis: Diagnosis) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for command in diagnosis.commands:
        table.add_row(Text("ready", "green") if command.ready else Text("not ready", "yellow"), Text(command.command))
        if not command.ready:
            table.add_row("", Text(f"lacks {', '.join(command.missing)}", "dim"))
            table.add_row("", Text(f"next: {command.fix}"))
    console.print(Text("commands", style="bold"))
    console.print(table)
