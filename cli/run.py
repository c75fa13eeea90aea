"""``fsrfer-run``: classify the faces of cameras, streams, files and pictures."""

from __future__ import annotations

from contextlib import ExitStack

import typer

from ..core.errors import SourceError, UsageError
from ..core.options import Backend, Precision, Provider
from ..runtime.groups import GroupConfig
from ..runtime.pipeline import PipelineOptions, StreamPipeline
from ..runtime.scene import FollowOptions
from ..runtime.serving import LiveServer, ModelInfo
from ..runtime.sources import Shard, open_source
from . import run_options as opt
from .console import NOTES
from .face_finding import FaceFinding, lanes_for, warm_up
from .launch import log_level
from .logs import LogFormat, configure_logs
from .model_choice import ModelChoice
from .parsing import parse_detect_every
from .run_life import RunningService, read_sources
from .run_outputs import OpenOutputs, Outputs, raise_failures, serving_options
from .run_summary import describe, describe_sources, note, summarize
from .run_trace import RunTrace

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

_DEFAULT_WINDOW_S = 10.0
_LEAST_OF_A_GROUP = 5  # people of whom a window tells: of one person it would tell what that person shows


@app.command()
def run(
    sources: opt.Sources,
    bundle: opt.Bundle = None,
    detector: opt.Detector = None,
    detector_side: opt.DetectorSide = None,
    tile: opt.Tile = None,
    detect_every: opt.DetectEvery = "1",
    detect_lanes: opt.DetectLanes = None,
    detect_batch: opt.DetectBatch = None,
    detector_provider: opt.DetectorProvider = None,
    track: opt.Track = True,
    precision: opt.UsedPrecision = Precision.FP32,
    backend: opt.UsedBackend = Backend.ONNXRUNTIME.value,
    provider: opt.UsedProvider = Provider.CPU,
    engine: opt.Engine = False,
    min_face_size: opt.MinFaceSize = None,
    min_score: opt.MinScore = None,
    max_batch: opt.MaxBatch = 64,
    abstain_below: opt.AbstainBelow = 0.0,
    threads: opt.Threads = None,
    faces_only: opt.FacesOnly = False,
    group_window: opt.GroupWindow = None,
    min_people: opt.MinPeople = None,
    aggregate_only: opt.AggregateOnly = False,
    output: opt.Output = None,
    annotated: opt.Annotated_ = None,
    video_segment: opt.VideoSegment = None,
    sink: opt.Sink = None,
    blur_faces: opt.BlurFaces = False,
    record_calibration: opt.RecordCalibration = None,
    serve: opt.Serve = None,
    serve_token_file: opt.ServeTokenFile = None,
    serve_host: opt.ServeHost = None,
    max_frames: opt.MaxFrames = None,
    max_staleness: opt.MaxStaleness = None,
    keep_trying: opt.KeepTrying = False,
    trace: opt.Trace = None,
    shard: opt.UsedShard = None,
    log_format: opt.UsedLogFormat = LogFormat.TEXT,
    quiet: opt.Quiet = False,
) -> None:
    """Find the faces of cameras, streams, files and pictures and classify their expressions.

    Prints one line of JSON a frame; docs/run.md describes it. Exits with 1 where a source or an output failed, after
    the others came to their end. Ctrl-C and SIGTERM end after the frames in hand; a second one at once. SIGHUP reads
    the file of sources again.
    """
    NOTES.quiet = quiet
    configure_logs(log_level(), log_format)
    model = ModelChoice.parsed(
        bundle,
        precision,
        backend,
        provider,
        engine=engine,
        threads=threads,
        max_batch=max_batch,
        abstain_below=abstain_below,
        keep_trying=keep_trying,
    )
    used_shard = None if shard is None else Shard.parse(shard)
    specs = read_sources(sources, keep_trying=keep_trying, shard=used_shard)
    finding = FaceFinding(detector, min_face_size, min_score, detector_side, tile, detector_provider, detect_batch)
    if faces_only:
        finding.check_unused(specs)
    outputs = Outputs(
        lines=output,
        annotated=annotated,
        video_segment_s=video_segment,
        sinks=tuple(sink or ()),
        calibration=record_calibration,
        blur_faces=blur_faces,
        aggregate_only=aggregate_only,
        serving=serving_options(serve, serve_token_file, serve_host or ()),
    )
    outputs.check(specs)
    if trace is not None and aggregate_only:
        raise UsageError("a trace counts the faces of every frame", expected="--trace or --aggregate-only, not both")
    tracing = RunTrace(trace)
    options = PipelineOptions(
        max_frames=max_frames,
        max_staleness_s=max_staleness,
        detect_every=parse_detect_every(detect_every),
        detect_batch=detect_batch or 1,
        detect_lanes=lanes_for(len(specs), detect_lanes),
        follow=FollowOptions() if track and not faces_only else None,
        groups=_group_config(group_window, min_people, aggregate_only=aggregate_only),
    )
    with ExitStack() as stack:
        classifier = stack.enter_context(model.open())
        face_detector = None if faces_only else finding.open(stack, threads, options.detect_lanes)
        describe(model, finding, face_detector)
        describe_sources(specs)
        opened = outputs.open(stack, specs, classifier)
        if record_calibration is not None:
            note(f"recording face crops into {record_calibration}: tell the people, and delete them afterwards")
        warm_up(face_detector, specs)
        pipeline = StreamPipeline(
            [open_source(spec) for spec in specs], classifier, face_detector, options, listener=tracing.recorder
        )
        _serve(
            stack,
            outputs,
            opened,
            pipeline,
            ModelInfo(precision.value, model.place, classifier.model_sha256, classifier.labels),
        )
        service = RunningService(pipeline, sources, specs, keep_trying=keep_trying, shard=used_shard)
        with service.handling_signals():
            tick = tracing.sampling(pipeline, service.tick)
            report = pipeline.run(opened.results, window_sinks=opened.windows, tick=tick)
    tracing.write()
    summarize(report, opened.queued)
    raise_failures(opened.queued)
    if report.failed:
        raise SourceError(
            f"{len(report.failed)} of {len(report.sources)} sources failed",
            found=", ".join(source.name for source in report.failed),
            fix="see the errors above",
        )


def _serve(stack: ExitStack, outputs: Outputs, opened: OpenOutputs, pipeline: StreamPipeline, model: ModelInfo) -> None:
    if outputs.serving is not None and opened.hub is not None:
        server = stack.enter_context(LiveServer(opened.hub, pipeline.report, outputs.serving, model=model))
        note(f"page      {server.address}")


def _group_config(window_s: float | None, min_people: int | None, *, aggregate_only: bool) -> GroupConfig | None:
    if window_s is None and not aggregate_only:
        if min_people:
            raise UsageError("--min-people is about windows", expected="--group-window or --aggregate-only with it")
        return None
    if min_people is None:
        min_people = _LEAST_OF_A_GROUP if aggregate_only else 0
    return GroupConfig(window_s=window_s or _DEFAULT_WINDOW_S, min_people=min_people)
