"""``fsrfer-run``: classify the faces of cameras, streams, files and pictures."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from ..core.errors import SourceError, UsageError
from ..core.options import Backend, Precision, Provider
from ..runtime.detection import FaceDetector
from ..runtime.opening import artifact_for, open_bundle
from ..runtime.pipeline import PipelineOptions, StreamPipeline
from ..runtime.pipeline_report import PipelineReport
from ..runtime.recorded_boxes import RecordedBoxes
from ..runtime.shipped import default_bundle_path
from ..runtime.sinks import AnnotatedPictureSink, AnnotatedVideoSink, CalibrationRecorder, JsonLinesSink, ResultSink
from ..runtime.sources import SourceKind, SourceSpec, open_source, parse_sources
from .console import NOTES
from .face_finding import FaceFinding, describe_faces
from .progress_sink import ProgressSink

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.command()
def run(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Camera (0, /dev/video0), rtsp(s):// or http(s):// address, video, picture, or folder of pictures.",
            metavar="SOURCE...",
            show_default=False,
        ),
    ],
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of the model bundle.  [default: the model that comes with fsrfer]")
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            help="retinaface, retinaface:FILE.onnx, yunet:FILE.onnx, or boxes:FILE.jsonl found before."
            "  [default: retinaface]"
        ),
    ] = None,
    detector_side: Annotated[
        int | None,
        typer.Option(min=32, help="Longest side of the detector's input: larger finds smaller faces.  [default: 1280]"),
    ] = None,
    precision: Annotated[Precision, typer.Option(help="Which of the bundle's graphs to run.")] = Precision.FP32,
    backend: Annotated[
        Backend,
        typer.Option(help="Library that runs the model; tensorrt and tensorrt-rtx run the engine for this GPU."),
    ] = Backend.ONNXRUNTIME,
    provider: Annotated[
        Provider, typer.Option(help="Where ONNX Runtime runs the graph; with fsrfer[gpu], also cuda and tensorrt.")
    ] = Provider.CPU,
    engine: Annotated[
        bool,
        typer.Option("--engine", help="On onnxruntime, run the engine that `build-engine` made for this machine."),
    ] = False,
    min_face_size: Annotated[
        float | None, typer.Option(min=0, help="Least side of a face's box in pixels.  [default: 8]")
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(min=0, max=1, help="Least detection score.  [default: the detector's own]")
    ] = None,
    max_batch: Annotated[int, typer.Option(min=1, help="Most faces in one run of the model.")] = 64,
    abstain_below: Annotated[
        float, typer.Option(min=0, max=1, help="Confidence below which a face is labelled unknown.")
    ] = 0.0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of each network.  [default: one a core]")] = None,
    annotated: Annotated[
        Path | None, typer.Option(help="Also write the annotated video (.mp4) or picture (.png, .jpg).")
    ] = None,
    faces_only: Annotated[
        bool, typer.Option("--faces-only", help="The pictures are ready-made face crops: run no detector.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="Write the JSON lines to this file, not to stdout.")] = None,
    record_calibration: Annotated[
        Path | None,
        typer.Option(help="Keep face crops in this folder for `fsrfer-calibrate int8`: pictures of people's faces."),
    ] = None,
    max_frames: Annotated[int | None, typer.Option(min=1, help="End each source after so many frames.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress and no summary.")] = False,
) -> None:
    """Find the faces of cameras, streams, files and pictures and classify their expressions.

    Prints one line of JSON a frame; docs/run.md describes it. Exits with 1 where a source failed, after the others
    came to their end. Ctrl-C ends after the frames in hand; a second one at once.
    """
    NOTES.quiet = quiet
    if bundle is None:
        bundle = default_bundle_path()
    specs = parse_sources(sources)
    finding = FaceFinding(detector, min_face_size, min_score, detector_side)
    if faces_only:
        finding.check_unused(specs)
    _check_outputs(specs, output, annotated)
    with ExitStack() as stack:
        classifier = stack.enter_context(
            open_bundle(
                bundle,
                precision=precision,
                threads=threads,
                providers=provider.names,
                max_batch=max_batch,
                abstain_below=abstain_below,
                backend=backend,
                engine=engine,
            )
        )
        face_detector = None if faces_only else finding.open(stack, threads)
        _describe(bundle, precision, backend, provider, engine, face_detector, specs)
        sinks = [stack.enter_context(sink) for sink in _open_sinks(stack, specs, output, annotated)]
        if record_calibration is not None:
            margin = classifier.manifest.preprocess.crop_margin
            recorder = CalibrationRecorder(record_calibration, classifier.labels, margin)
            sinks.append(stack.enter_context(recorder))
            _note(f"recording face crops into {record_calibration}: tell the people, and delete them afterwards")
        pipeline = StreamPipeline(
            [open_source(spec) for spec in specs], classifier, face_detector, PipelineOptions(max_frames=max_frames)
        )
        with _stopping_on_signals(pipeline):
            report = pipeline.run(sinks)
    _summarize(report)
    if report.failed:
        raise SourceError(
            f"{len(report.failed)} of {len(report.sources)} sources failed",
            found=", ".join(source.name for source in report.failed),
            fix="see the errors above",
        )


def _check_outputs(specs: Sequence[SourceSpec], output: Path | None, annotated: Path | None) -> None:
    inputs = {path.resolve() for spec in specs for path in (*spec.pictures, Path(spec.location))}
    for option, path in (("--output", output), ("--annotated", annotated)):
        if path is not None and path.resolve() in inputs:
            raise UsageError(f"{option} would overwrite the source {path}", fix="name another file")
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"{option} names a folder that is not there", found=path.parent, fix="make it first")


def _open_sinks(
    stack: ExitStack, specs: Sequence[SourceSpec], output: Path | None, annotated: Path | None
) -> list[ResultSink]:
    stream = sys.stdout if output is None else stack.enter_context(output.open("w", encoding="utf-8"))
    sinks: list[ResultSink] = [JsonLinesSink(stream, flush_each=output is not None)]
    if annotated is not None:
        sinks.append(_annotated_sink(specs, annotated))
    if NOTES.is_terminal and not NOTES.quiet and not stream.isatty():
        sinks.append(ProgressSink(NOTES))
    return sinks


def _annotated_sink(specs: Sequence[SourceSpec], path: Path) -> ResultSink:
    kinds = {spec.kind is SourceKind.PICTURES for spec in specs}
    if len(kinds) > 1:
        raise UsageError("--annotated writes either videos or pictures", found="sources of both kinds")
    if kinds == {True}:
        return AnnotatedPictureSink(path, is_single=sum(len(spec.pictures) for spec in specs) == 1)
    return AnnotatedVideoSink(path, is_single=len(specs) == 1)


@contextmanager
def _stopping_on_signals(pipeline: StreamPipeline) -> Iterator[None]:
    """Let SIGINT and SIGTERM end the pipeline after the frames in hand, and the second of them at once."""
    is_second = False

    def handle(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (signature of a handler)
        nonlocal is_second
        if is_second:
            raise KeyboardInterrupt
        is_second = True
        pipeline.stop()
        # Buffered streams may be in use by the code that was interrupted.
        os.write(sys.stderr.fileno(), b"finishing the frames in hand; once more ends at once\n")

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _describe(
    bundle: Path,
    precision: Precision,
    backend: Backend,
    provider: Provider,
    engine: bool,
    detector: FaceDetector | RecordedBoxes | None,
    specs: Sequence[SourceSpec],
) -> None:
    on_onnxruntime = backend is Backend.ONNXRUNTIME
    graph = (
        artifact_for(precision, provider.names).file_name
        if on_onnxruntime and not engine
        else "engine for this machine"
    )
    place = provider.names[0] if on_onnxruntime else backend.value
    _note(f"model     {bundle}: {graph} ({precision.value}) on {place}")
    _note(f"detector  {describe_faces(detector)}")
    for spec in specs:
        _note(f"source    {spec.name} ({spec.kind.value})")


def _summarize(report: PipelineReport) -> None:
    seconds = max(report.elapsed_s, 1e-9)
    _note(
        f"{report.frames} frames, {report.faces} faces in {report.elapsed_s:.1f} s: "
        f"{report.frames / seconds:.1f} frames/s, {report.faces / seconds:.1f} faces/s"
    )
    for source in report.sources:
        details = [
            f"{source.dropped} frames dropped for newer ones" if source.dropped else "",
            f"{source.reconnects} reconnects" if source.reconnects else "",
            "failed" if source.error is not None else "",
        ]
        if any(details):
            _note(f"{source.name}: {source.frames} frames, {', '.join(detail for detail in details if detail)}")


def _note(text: str) -> None:
    NOTES.print(text, markup=False, soft_wrap=True)
