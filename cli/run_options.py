"""The options of ``fsrfer-run``, one alias each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.options import Precision, Provider
from ..runtime.sinks import SINK_FORMS
from ..runtime.triton.settings import FORM
from .logs import LogFormat

Sources = Annotated[
    list[str],
    typer.Argument(
        help="Camera (0, /dev/video0), rtsp(s):// or http(s):// address, video, picture, folder of pictures, "
        "gst:PIPELINE, raw:WIDTHxHEIGHT:FORMAT@FPS from stdin, or a .toml file that names many (docs/sources.md).",
        metavar="SOURCE...",
        show_default=False,
    ),
]

UsedShard = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="INDEX/COUNT",
        help="Read the sources only that are this machine's, out of COUNT that are given the same ones; from 0.",
    ),
]

# The model.
Bundle = Annotated[
    Path | None, typer.Option(help="Folder of the model bundle.  [default: the model that comes with fsrfer]")
]
UsedPrecision = Annotated[Precision, typer.Option("--precision", help="Which of the bundle's graphs to run.")]
UsedBackend = Annotated[
    str,
    typer.Option(
        "--backend",
        help="What runs the model: onnxruntime; tensorrt or tensorrt-rtx, the GPU's engine; or Triton servers, "
        f"{FORM} (docs/triton.md).",
    ),
]
UsedProvider = Annotated[
    Provider,
    typer.Option("--provider", help="Where ONNX Runtime runs the graph; with fsrfer[gpu], also cuda and tensorrt."),
]
Engine = Annotated[
    bool, typer.Option("--engine", help="On onnxruntime, run the engine that `build-engine` made for this machine.")
]
MaxBatch = Annotated[int, typer.Option(min=1, help="Most faces in one run of the model.")]
AbstainBelow = Annotated[float, typer.Option(min=0, max=1, help="Confidence below which a face is labelled unknown.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of each network.  [default: one a core]")]

# Finding and following faces.
Detector = Annotated[
    str | None,
    typer.Option(
        help="retinaface, yunet, FAMILY:FILE.onnx of these or scrfd, or boxes:FILE.jsonl found before."
        "  [default: retinaface]"
    ),
]
DetectorSide = Annotated[
    int | None,
    typer.Option(min=32, help="Longest side of the detector's input: larger finds smaller faces.  [default: 1280]"),
]
MinFaceSize = Annotated[float | None, typer.Option(min=0, help="Least side of a face's box in pixels.  [default: 8]")]
MinScore = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Detection score from which a face is shown; once it is, it may sink to 0.3.  "
        "[default: the detector's own]",
    ),
]
Tile = Annotated[
    int | None,
    typer.Option(min=64, help="Also search enlarged tiles of this side in pixels: for crowds in large frames."),
]
DetectEvery = Annotated[
    str, typer.Option(help="Search every so many frames and follow faces in between; auto adapts to the load.")
]
DetectLanes = Annotated[
    int | None,
    typer.Option(min=1, help="Frames that are searched at the same time.  [default: one a core, at most one a source]"),
]
DetectBatch = Annotated[
    int | None,
    typer.Option(
        min=1, help="Most frames, of all sources, and tiles in one run of the detector: for GPUs.  [default: 1]"
    ),
]
DetectorProvider = Annotated[
    Provider | None,
    typer.Option(
        help="Where ONNX Runtime runs the detector; with fsrfer[gpu], also cuda and tensorrt.  [default: cpu]"
    ),
]
Track = Annotated[bool, typer.Option(help="Follow faces from frame to frame, and smooth what they show.")]
FacesOnly = Annotated[
    bool, typer.Option("--faces-only", help="The pictures are ready-made face crops: run no detector.")
]

# Groups.
GroupWindow = Annotated[
    float | None, typer.Option(min=0.1, help="Sum up what all faces show together, over windows of so many seconds.")
]
MinPeople = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Say nothing about windows in which there were never as many people at the same time.  "
        "[default: 5 with --aggregate-only, else 0]",
    ),
]
AggregateOnly = Annotated[
    bool, typer.Option("--aggregate-only", help="Tell windows only, nothing about a single face.  [window: 10 s]")
]

# Where results go.
Output = Annotated[Path | None, typer.Option(help="Write the JSON lines to this file, not to stdout.")]
Sink = Annotated[list[str] | None, typer.Option(help=f"Also send results there; repeatable: {', '.join(SINK_FORMS)}.")]
Annotated_ = Annotated[
    Path | None, typer.Option("--annotated", help="Also write the annotated video (.mp4) or picture (.png, .jpg).")
]
VideoSegment = Annotated[
    float | None,
    typer.Option(min=1, help="Begin another annotated video after so many seconds; each is complete when it is over."),
]
BlurFaces = Annotated[
    bool,
    typer.Option("--blur-faces", help="Make faces unrecognisable in annotated pictures and on the live page."),
]
RecordCalibration = Annotated[
    Path | None,
    typer.Option(help="Keep face crops in this folder for `fsrfer-calibrate int8`: pictures of people's faces."),
]
Serve = Annotated[
    str | None, typer.Option(help="Serve the live page and metrics there, as 127.0.0.1:8080; needs fsrfer[serve].")
]
ServeTokenFile = Annotated[
    Path | None,
    typer.Option(help="File with the token that the live page asks for; else the variable FSRFER_TOKEN."),
]
ServeHost = Annotated[
    list[str] | None, typer.Option(help="Further name under which browsers reach the live page; repeatable.")
]

# Limits and life.
MaxFrames = Annotated[int | None, typer.Option(min=1, help="End each source after so many frames.")]
MaxStaleness = Annotated[
    float | None,
    typer.Option(min=0.001, help="Drop live frames that are older than so many seconds at their turn."),
]
KeepTrying = Annotated[
    bool,
    typer.Option(
        "--keep-trying", help="Never give up on a camera, nor on Triton servers, that do not answer at the start."
    ),
]
UsedLogFormat = Annotated[LogFormat, typer.Option("--log-format", help="Form of log records on stderr.")]
Trace = Annotated[
    Path | None,
    typer.Option(help="Also write when which frame was where, for https://ui.perfetto.dev (.json); no pictures."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress and no summary.")]
