"""From a detector's name on the command line to a detector."""

from __future__ import annotations

from pathlib import Path

from ...core.errors import DetectorError, UsageError
from ..onnxruntime_runner import CPU_PROVIDER, OnnxRuntimeRunner, SessionOptions
from .detector import DetectorConfig, FaceDetector
from .retinaface import RetinaFaceHead
from .single_shot import DetectionHead, SingleShotDetector
from .weights import find_detector_weights, read_detector_weights
from .yunet import YuNetHead

KNOWN_DETECTORS = ("retinaface", "retinaface:FILE.onnx", "yunet:FILE.onnx")


def open_detector(
    spec: str = "retinaface",
    config: DetectorConfig | None = None,
    *,
    threads: int | None = None,
    providers: tuple[str, ...] = (CPU_PROVIDER,),
) -> FaceDetector:
    """Open a face detector on ONNX Runtime.

    Args:
        spec: ``retinaface`` (fetched weights), ``retinaface:FILE.onnx`` or ``yunet:FILE.onnx``.
        config: What counts as a face; None for the defaults.
        threads: Threads inside one operator; None lets ONNX Runtime take one a physical core.
        providers: Execution providers, most wanted first.

    Raises:
        UsageError: The detector is not known.
        DetectorError: Its weights are absent, or the file is another network.
    """
    head, graph = _parse(spec)
    runner = OnnxRuntimeRunner(graph, SessionOptions(providers=providers, threads=threads))
    return SingleShotDetector(runner, head, config or DetectorConfig())


def _parse(spec: str) -> tuple[DetectionHead, Path | bytes]:
    family, _, file = spec.partition(":")
    if spec == "retinaface":
        return RetinaFaceHead(), read_detector_weights(find_detector_weights())
    if file and family == "retinaface":
        return RetinaFaceHead(), _existing(Path(file))
    if file and family == "yunet":
        return YuNetHead(), _existing(Path(file))
    raise UsageError(
        f"no face detector {spec!r}",
        expected=f"one of {', '.join(KNOWN_DETECTORS)}",
        fix="--detector retinaface",
    )


def _existing(file: Path) -> Path:
    path = file.expanduser()
    if not path.is_file():
        raise DetectorError(f"no detector at {path}", expected="an ONNX file", fix="correct the path")
    return path
