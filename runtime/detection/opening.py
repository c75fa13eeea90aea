"""From a detector's name on the command line to a detector."""

from __future__ import annotations

from pathlib import Path

from ...core.errors import DetectorError, UsageError
from ..onnxruntime_runner import CPU_PROVIDER, OnnxRuntimeRunner, SessionOptions
from ..runner import Runner
from .detector import DetectorConfig, FaceDetector
from .retinaface import RetinaFaceHead
from .scrfd import SCRFDHead
from .single_shot import DetectionHead, SingleShotDetector
from .tiled_detector import TiledDetector
from .tiling import TilingConfig
from .weights import find_detector_weights, read_detector_weights
from .yunet import YuNetHead
from .yunet_weights import find_yunet_weights, read_yunet_weights

KNOWN_DETECTORS = ("retinaface", "yunet", "retinaface:FILE.onnx", "yunet:FILE.onnx", "scrfd:FILE.onnx")


def open_detector(
    spec: str = "retinaface",
    config: DetectorConfig | None = None,
    *,
    tiling: TilingConfig | None = None,
    threads: int | None = None,
    providers: tuple[str, ...] = (CPU_PROVIDER,),
) -> FaceDetector:
    """Open a face detector on ONNX Runtime.

    Args:
        spec: ``retinaface`` or ``yunet`` (fetched weights), ``retinaface:FILE.onnx``, ``yunet:FILE.onnx`` or
            ``scrfd:FILE.onnx``.
        config: What counts as a face; None for the defaults.
        tiling: How frames are cut into tiles; None for whole frames only.
        threads: Threads inside one operator; None lets ONNX Runtime take one a physical core.
        providers: Execution providers, most wanted first.

    Raises:
        UsageError: The detector is not known.
        DetectorError: Its weights are absent, or the file is another network.
    """
    family, graph = _parse(spec)
    runner = OnnxRuntimeRunner(graph, SessionOptions(providers=providers, threads=threads))
    detector = SingleShotDetector(runner, _head(family, runner), config or DetectorConfig())
    return detector if tiling is None else TiledDetector(detector, tiling)


def _parse(spec: str) -> tuple[str, Path | bytes]:
    family, _, file = spec.partition(":")
    if spec == "retinaface":
        return family, read_detector_weights(find_detector_weights())
    if spec == "yunet":
        return family, read_yunet_weights(find_yunet_weights())
    if file and family in ("retinaface", "yunet", "scrfd"):
        return family, _existing(Path(file))
    raise UsageError(
        f"no face detector {spec!r}",
        expected=f"one of {', '.join(KNOWN_DETECTORS)}",
        fix="--detector retinaface",
    )


def _head(family: str, runner: Runner) -> DetectionHead:
    if family == "scrfd":
        return SCRFDHead.for_outputs(tuple(runner.outputs))
    return RetinaFaceHead() if family == "retinaface" else YuNetHead()


def _existing(file: Path) -> Path:
    path = file.expanduser()
    if not path.is_file():
        raise DetectorError(f"no detector at {path}", expected="an ONNX file", fix="correct the path")
    return path
