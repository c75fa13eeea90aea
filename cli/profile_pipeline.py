"""``fsrfer-profile pipeline``: where the time of frames goes between a camera and a result."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from ..core.environment import read_environment
from ..core.errors import SourceError, UsageError
from ..core.options import Backend, Precision, Provider
from ..runtime.pipeline import PipelineOptions, StreamPipeline
from ..runtime.profiling.chrome_trace import TraceRecorder
from ..runtime.profiling.pipeline_profile import PipelineProfileReport, SourceRow, Times, profile_window
from ..runtime.profiling.statistics import Stability
from ..runtime.profiling.steadiness import Steadiness
from ..runtime.profiling.window import run_window
from ..runtime.scene import FollowOptions
from ..runtime.sinks import JsonLinesSink
from ..runtime.sources import FrameSource, SourceKind, SourceSpec, open_source, parse_sources
from ..runtime.sources.replay import ReplaySource
from . import run_options as opt
from .console import print_table
from .face_finding import FaceFinding, lanes_for
from .json_report import JsonPath, write_report
from .launch import needing_extra
from .model_choice import ModelChoice
from .parsing import parse_detect_every
from .pipeline_setup import setup_of
from .run_summary import describe, describe_sources, note
from .writable import check_writable

_GOLDEN_RATIO = 0.6180339887


def pipeline(
    sources: opt.Sources,
    bundle: opt.Bundle = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of the measurement.")] = 10.0,
    warmup: Annotated[float, typer.Option(min=0, help="Seconds before it.")] = 2.0,
    as_cameras: Annotated[
        float | None,
        typer.Option(help="Play videos again and again at so many frames a second, as cameras do."),
    ] = None,
    trace: opt.Trace = None,
    report: Annotated[str | None, typer.Option(help="Also write an HTML page that needs no other file.")] = None,
    detector: opt.Detector = None,
    detector_side: opt.DetectorSide = None,
    tile: opt.Tile = None,
    detect_every: opt.DetectEvery = "1",
    detect_lanes: opt.DetectLanes = None,
    track: opt.Track = True,
    precision: opt.UsedPrecision = Precision.FP32,
    backend: opt.UsedBackend = Backend.ONNXRUNTIME.value,
    provider: opt.UsedProvider = Provider.CPU,
    engine: opt.Engine = False,
    min_face_size: opt.MinFaceSize = None,
    min_score: opt.MinScore = None,
    max_batch: opt.MaxBatch = 64,
    threads: opt.Threads = None,
    max_staleness: opt.MaxStaleness = None,
    json_path: JsonPath = None,
) -> None:
    """Measure where the time of each frame goes: capture, decode, detect, track, crop, batch, model, smooth, sink.

    The pipeline is that of fsrfer-run; its JSON lines are written and thrown away. Prints each part of the way with its
    share, what of the age of results is in none of them, and what was dropped. Ctrl-C ends the measurement early.
    """
    model = ModelChoice.parsed(
        bundle, precision, backend, provider, engine=engine, threads=threads, max_batch=max_batch
    )
    check_writable(json_path, "--json", or_stdout=True)
    check_writable(None if trace is None else str(trace), "--trace")
    check_writable(report, "--report")
    if report is not None:
        with needing_extra("fsrfer-profile pipeline --report"):
            import jinja2 as _jinja2  # noqa: F401
            import matplotlib as _matplotlib  # noqa: F401
    specs = parse_sources(sources)
    cameras = cameras_of(specs, as_cameras)
    options = PipelineOptions(
        max_staleness_s=max_staleness,
        detect_every=parse_detect_every(detect_every),
        detect_lanes=lanes_for(len(specs), detect_lanes),
        follow=FollowOptions() if track else None,
    )
    finding = FaceFinding(detector, min_face_size, min_score, detector_side, tile)
    with ExitStack() as stack:
        classifier = stack.enter_context(model.open())
        faces = finding.open(stack, threads, options.detect_lanes)
        describe(model, finding, faces)
        describe_sources(specs)
        recorder = TraceRecorder()
        running = StreamPipeline(cameras, classifier, faces, options, listener=recorder)
        nowhere = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
        sink = stack.enter_context(JsonLinesSink(nowhere, flush_each=False))
        with _ending_on_interrupt(running):
            window = run_window(
                running,
                recorder,
                [sink],
                warmup_s=warmup,
                seconds=seconds,
                on_tick=lambda: recorder.sample(running.report(), time.monotonic()),
            )
    found = PipelineProfileReport(
        setup=setup_of(model, classifier, finding, faces, options, options.detect_lanes),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        warmup_seconds=warmup,
        profile=profile_window(window),
        environment=read_environment(),
    )
    if trace is not None:
        note(f"wrote {trace}: {recorder.write(trace)} events for https://ui.perfetto.dev")
    if not write_report(found, json_path):
        _print(found)
    if report is not None:
        from ..export.profile_page import write_pipeline_page

        write_pipeline_page(found, Path(report))
        note(f"wrote {report}")
    if window.after.failed:
        names = ", ".join(source.name for source in window.after.failed)
        raise SourceError(f"{len(window.after.failed)} sources failed", found=names, fix="see the errors above")


@contextmanager
def _ending_on_interrupt(pipeline: StreamPipeline) -> Iterator[None]:
    """Let the first SIGINT end the measurement, so that what was seen is told; the second one ends at once."""

    def end(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (signature of a handler)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        pipeline.stop()

    previous = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def cameras_of(specs: Sequence[SourceSpec], fps: float | None) -> list[FrameSource]:
    """Open sources; videos as cameras where a rate is given.

    Args:
        specs: What to read.
        fps: Frames a second of a video that is played again and again; None reads each once, as fast as it goes.

    Raises:
        UsageError: A source is no video, and cannot be played at another rate than its own.
    """
    if fps is None:
        return [open_source(spec) for spec in specs]
    others = [spec.name for spec in specs if spec.kind is not SourceKind.VIDEO]
    if others:
        raise UsageError("only videos can be played as cameras", found=", ".join(others))
    return [
        ReplaySource(Path(spec.location), spec.name, fps, phase=phase_of(index), settings=spec.settings)
        for index, spec in enumerate(specs)
    ]


def phase_of(index: int) -> float:
    """Return the part of an interval by which a camera's frames come later, spread evenly for any number of them."""
    return index * _GOLDEN_RATIO % 1.0


def _print(report: PipelineProfileReport) -> None:
    profile, processor = report.profile, report.environment.processor
    place = f"{processor.model or report.environment.machine}, {processor.usable_cores:g} cores"
    columns = ("part", "frames", "p50 ms", "p90 ms", "p95 ms", "p99 ms", "max ms", "share")
    rows = [
        (f"({row.part.value})" if row.is_wait else row.part.value, *_times_cells(row.times), f"{row.share:.1%}")
        for row in profile.parts
    ]
    if profile.residual is not None and profile.age is not None:
        share = profile.residual.mean_ms / profile.age.mean_ms if profile.age.mean_ms else 0.0
        rows.append(("residual", *_times_cells(profile.residual), f"{share:.1%}"))
        rows.append(("age of result", *_times_cells(profile.age), "100.0%"))
    setup = report.setup
    print_table(f"{setup.bundle}: {setup.graph}, {setup.detector}; {place}", columns, rows)
    columns = ("source", "frames", "p50 ms", "p90 ms", "p95 ms", "p99 ms", "dropped", "why")
    print_table("age of results, and what was dropped", columns, [_source_cells(row) for row in profile.sources])
    for line in _remarks(report):
        typer.echo(line)


def _times_cells(times: Times) -> tuple[str, ...]:
    values = (times.p50_ms, times.p90_ms, times.p95_ms, times.p99_ms, times.max_ms)
    return (str(times.count), *(f"{value:.2f}" for value in values))


def _source_cells(row: SourceRow) -> tuple[object, ...]:
    age = row.age
    ages = ("-",) * 4 if age is None else (age.p50_ms, age.p90_ms, age.p95_ms, age.p99_ms)
    why = {**row.dropped, **row.left_out}
    return (
        row.name,
        row.frames,
        *(value if isinstance(value, str) else f"{value:.1f}" for value in ages),
        "-" if row.is_live is False else f"{row.dropped_share:.1%}",
        ", ".join(f"{count} {name}" for name, count in why.items() if count) or "-",
    )


def _remarks(report: PipelineProfileReport) -> list[str]:
    profile, cost = report.profile, report.profile.cost
    faces = cost.faces_per_second * profile.seconds
    batches = ", ".join(f"{_batch_name(row.at_most)}: {row.runs}" for row in profile.batches)
    per_face = "" if cost.cpu_ms_per_face is None else f", {cost.cpu_ms_per_face:.2f} ms a face"
    per_frame = "" if cost.cpu_ms_per_frame is None else f": {cost.cpu_ms_per_frame:.1f} ms a frame{per_face}"
    kinds = ", ".join(f"{kind} {cores:.2f}" for kind, cores in cost.cores_by_kind.items())
    rates = f"{cost.faces_per_second:.1f} faces/s, {cost.readings_per_second:.1f} readings/s"
    lines = [
        "(part)     nobody works on the frame meanwhile",
        f"done       {cost.frames_per_second:.1f} frames/s, {rates} in {profile.seconds:.1f} s",
        f"processor  {cost.cores_used:.2f} cores{per_frame} ({kinds})",
        f"threads    {', '.join(f'{row.name} {row.busy_share:.0%}' for row in profile.threads)} busy",
        f"batches    faces in a run of the model: {batches or 'none'}",
        f"energy     {profile.machine.energy.describe(faces)}",
        f"steady     {_describe_steadiness(profile.steadiness)}",
    ]
    if profile.machine.clocks.is_throttled:
        lines.append(f"warning: clocks were held down: {', '.join(profile.machine.clocks.brakes) or 'heat'}")
    if profile.lost_spans:
        lines.append("warning: too much for the memory of the profile: figures are of its last part. Measure for less")
    if profile.age is None:
        lines.append("warning: no result came out while it was measured")
    return lines


def _describe_steadiness(steadiness: Steadiness) -> str:
    rates = ", ".join(f"{third.frames_per_second:.1f}" for third in steadiness.thirds)
    ages = ", ".join("-" if third.age_p50_ms is None else f"{third.age_p50_ms:.0f}" for third in steadiness.thirds)
    verdict = {
        Stability.STABLE: "yes",
        Stability.DRIFTING: "no, decide nothing by it",
        Stability.TOO_SHORT: "not known: measure for longer",
    }
    return f"{verdict[steadiness.stability]} (by thirds: {rates} frames/s; p50 of ages {ages} ms)"


def _batch_name(at_most: int | None) -> str:
    return "more" if at_most is None else f"up to {at_most}" if at_most > 2 else str(at_most)
