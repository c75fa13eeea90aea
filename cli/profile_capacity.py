"""``fsrfer-profile capacity``: how many cameras this machine carries."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from ..core.environment import read_environment
from ..core.errors import UsageError
from ..core.options import Backend, Precision, Provider
from ..datasets.procedural import CrowdClip, write_clip
from ..runtime.classifier import ExpressionClassifier
from ..runtime.pipeline import PipelineOptions, StreamPipeline
from ..runtime.profiling.capacity import CapacityConfig, CapacityReport, CapacityStep, measure_capacity
from ..runtime.profiling.capacity_knee import CameraKnee
from ..runtime.profiling.span_journal import SpanJournal
from ..runtime.profiling.window import Window, run_window
from ..runtime.scene import FollowOptions
from ..runtime.sinks import JsonLinesSink
from ..runtime.sources.replay import ReplaySource
from . import run_options as opt
from .console import print_table
from .face_finding import FaceFinding, lanes_for
from .json_report import JsonPath, write_report
from .model_choice import ModelChoice
from .parsing import parse_counts, parse_detect_every
from .pipeline_setup import setup_of
from .profile_pipeline import phase_of
from .run_summary import describe, note
from .writable import check_writable

_SPANS_OF_A_FRAME = 12
_SKIPPED_FRAMES = 50
_BUSY_OTHERS = 0.1  # of the cores
_WARMUP_S = 2.0
_ADAPTING_S = 10.0  # the distance between detections changes by one a second, from 1 to 5, as averages settle


def capacity(
    bundle: opt.Bundle = None,
    clip: Annotated[
        Path | None, typer.Option(help="Video that the cameras show.  [default: the embedded drawn crowd]")
    ] = None,
    fps: Annotated[float, typer.Option(help="Frames a second of each camera.")] = 10.0,
    p95_ms: Annotated[float, typer.Option(help="Age of a result that 95 % must not exceed.")] = 200.0,
    max_dropped: Annotated[float, typer.Option(help="Largest part of the frames that may be dropped.")] = 0.01,
    margin: Annotated[float, typer.Option(help="Part of the cameras that were carried that is recommended.")] = 0.8,
    sources: Annotated[
        str | None, typer.Option(help="Try these numbers of cameras, such as 1,2,4,8,16, instead of searching.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Number of cameras at which the search ends.")] = 64,
    seconds: Annotated[float, typer.Option(help="Measured time of each step.")] = 8.0,
    warmup: Annotated[
        float | None,
        typer.Option(help="Time of each step before that.  [default: 2; 10 where --detect-every auto adapts]"),
    ] = None,
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
    max_batch: opt.MaxBatch = 64,
    threads: opt.Threads = None,
    max_staleness: opt.MaxStaleness = None,
    json_path: JsonPath = None,
) -> None:
    """Find out how many cameras this machine carries within a bound on the age of results.

    Plays a video as a growing number of cameras, each with its own decoder, and measures the pipeline of fsrfer-run
    with all of them. Prints every step, the answer with a margin, and what holds it back.
    """
    model = ModelChoice.parsed(
        bundle, precision, backend, provider, engine=engine, threads=threads, max_batch=max_batch
    )
    every = parse_detect_every(detect_every)
    check_writable(json_path, "--json", or_stdout=True)
    config = CapacityConfig(
        fps=fps,
        bound_s=p95_ms / 1e3,
        most_dropped=max_dropped,
        margin=margin,
        warmup_s=warmup_for(warmup, every),
        seconds=seconds,
        most_sources=most,
        sources=() if sources is None else parse_counts(sources, option="--sources"),
    )
    options = PipelineOptions(
        max_staleness_s=max_staleness,
        detect_every=every,
        follow=FollowOptions() if track else None,
    )
    if detector is not None and detector.startswith("boxes:"):
        raise UsageError("cameras have no boxes that were found before", fix="name a detector")
    finding = FaceFinding(detector, side=detector_side, tile=tile)
    with ExitStack() as stack:
        path = clip or _drawn_clip(stack)
        classifier = stack.enter_context(model.open())
        with ExitStack() as shortly:
            faces = finding.open(shortly, threads)
            describe(model, finding, faces)
        cameras = _Cameras(path, classifier, finding, options, threads, detect_lanes, config)
        measured = measure_capacity(cameras.run, config, _note_step)
    report = CapacityReport(
        setup=setup_of(model, classifier, finding, faces, options, detect_lanes),
        clip="the drawn crowd" if clip is None else clip.name,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        config=config,
        capacity=measured,
        environment=read_environment(),
    )
    if not write_report(report, json_path):
        _print(report)


def warmup_for(wanted: float | None, detect_every: int | None) -> float:
    """Return the seconds of a step before it is measured.

    Args:
        wanted: What was asked for; None for enough.
        detect_every: Frames from one detection to the next; None adapts, which takes a while.
    """
    if wanted is not None:
        return wanted
    return _ADAPTING_S if detect_every is None else _WARMUP_S


def _drawn_clip(stack: ExitStack) -> Path:
    path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fsrfer-"))) / "crowd.mp4"
    write_clip(CrowdClip(), path)
    return path


@dataclass(frozen=True)
class _Cameras:
    """Runs the pipeline of ``fsrfer-run`` with any number of cameras."""

    path: Path
    classifier: ExpressionClassifier
    finding: FaceFinding
    options: PipelineOptions
    threads: int | None
    lanes: int | None
    config: CapacityConfig

    def run(self, count: int) -> Window:
        config, lanes = self.config, lanes_for(count, self.lanes)
        frames = math.ceil(count * config.fps * (config.warmup_s + config.seconds + 2))
        journal = SpanJournal(_SPANS_OF_A_FRAME * frames)
        with ExitStack() as stack:
            pipeline = StreamPipeline(
                [self._camera(index) for index in range(count)],
                self.classifier,
                self.finding.open(stack, self.threads, lanes),
                replace(self.options, detect_lanes=lanes),
                listener=journal,
            )
            nowhere = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
            sink = stack.enter_context(JsonLinesSink(nowhere, flush_each=False))
            return run_window(pipeline, journal, [sink], warmup_s=config.warmup_s, seconds=config.seconds)

    def _camera(self, index: int) -> ReplaySource:
        # Neither in step nor before the same scene: what is common to all would come to all at once.
        skip = round(_SKIPPED_FRAMES * phase_of(index))
        return ReplaySource(self.path, f"camera {index + 1}", self.config.fps, phase=phase_of(index), skip=skip)


def _note_step(step: CapacityStep) -> None:
    p95 = "no result" if step.age is None else f"p95 {step.age.p95_ms:.0f} ms"
    verdict = "holds" if step.holds else f"does not hold: {', '.join(step.failures)}"
    note(f"{step.sources:3} cameras: {p95}, {step.dropped_share:.1%} dropped: {verdict}")


def _print(report: CapacityReport) -> None:
    config, measured, processor = report.config, report.capacity, report.environment.processor
    place = f"{processor.model or report.environment.machine}, {processor.usable_cores:g} cores"
    columns = ("cams", "fps", "faces/s", "p50 ms", "p95 ms", "drops", "cores", "ms/face", "holds")
    setup = report.setup
    title = f"{setup.bundle}: {setup.graph}, {setup.detector}; {report.clip} at {config.fps:g} frames/s; {place}"
    print_table(title, columns, [_cells(step) for step in measured.steps])
    typer.echo("p50, p95 age of results, from capture until the sinks have them")
    typer.echo("ms/face  processor time of a face in the results, with everything before it")
    typer.echo(f"asked    p95 within {1e3 * config.bound_s:g} ms, no more than {config.most_dropped:.1%} dropped")
    for line in _answer(report):
        typer.echo(line)


def _cells(step: CapacityStep) -> tuple[object, ...]:
    ages = ("-", "-") if step.age is None else (f"{step.age.p50_ms:.0f}", f"{step.age.p95_ms:.0f}")
    cost = step.cost
    return (
        step.sources,
        f"{cost.frames_per_second:.1f}",
        f"{cost.faces_per_second:.0f}",
        *ages,
        f"{step.dropped_share:.1%}",
        f"{cost.cores_used:.2f}",
        "-" if cost.cpu_ms_per_face is None else f"{cost.cpu_ms_per_face:.2f}",
        "yes" if step.holds else "no",
    )


def _answer(report: CapacityReport) -> list[str]:
    config, measured = report.config, report.capacity
    more = "" if measured.is_bounded else "; no larger number was tried"
    lines = [
        *(f"no       {step.sources} cameras: {', '.join(step.failures)}" for step in measured.steps if not step.holds),
        f"carried  {measured.sources} cameras at {config.fps:g} frames/s{more}",
        f"plan for {measured.recommended}: a margin of {config.margin:g} for other scenes, heat and other programs",
    ]
    if measured.limit is not None:
        lines.append(f"limit    {measured.limit}")
    lines += _knee(measured.knee)
    lines += _cost_of_numbers(measured.steps, adapts=report.setup.detect_every is None)
    best = next((step for step in reversed(measured.steps) if step.sources == measured.sources), measured.steps[-1])
    faces = best.cost.faces_per_second * best.machine.energy.seconds
    lines.append(f"energy   with {best.sources} cameras: {best.machine.energy.describe(faces)}")
    return lines + _warnings(measured.steps, report.environment.processor.usable_cores)


def _knee(knee: CameraKnee | None) -> list[str]:
    if knee is None:
        return []
    if knee.is_open:
        return [f"knee     not up to {knee.sources} cameras, {knee.frames_per_second:.1f} frames/s"]
    best = f"{knee.best_frames_per_second:.1f} at most, with {knee.best_sources}"
    return [f"knee     {knee.sources} cameras: {knee.frames_per_second:.1f} frames/s ({best})"]


def _cost_of_numbers(steps: Sequence[CapacityStep], *, adapts: bool) -> list[str]:
    """Say whether a face costs more where there are more cameras, of those numbers that held."""
    costs = {step.sources: step.cost.cpu_ms_per_face for step in steps if step.holds and step.cost.cpu_ms_per_face}
    if len(costs) < 2:
        return []
    (few, alone), (many, together) = min(costs.items()), max(costs.items())
    if not alone or not together:
        return []
    growth = together / alone - 1
    line = f"cost     a face takes {alone:.2f} ms of a core with {few}, {together:.2f} with {many}: {growth:+.0%}"
    return [line, "         frames were searched as often as the load allowed: not the same work"] if adapts else [line]


def _warnings(steps: Sequence[CapacityStep], usable_cores: float) -> list[str]:
    warnings = []
    others = max((step.cost.cores_of_others or 0.0 for step in steps), default=0.0)
    if others >= _BUSY_OTHERS * usable_cores:
        warnings.append(f"warning: other programs kept up to {others:.1f} cores busy: the answer is for what they left")
    if any(step.machine.clocks.is_throttled for step in steps):
        brakes = dict.fromkeys(brake for step in steps for brake in step.machine.clocks.brakes)
        warnings.append(f"warning: clocks were held down: {', '.join(brakes) or 'heat'}")
    return warnings
