"""What all single-shot detectors share: lay the frame in, run, decode, suppress, scale back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ...core.errors import DetectorError
from ..runner import Array, Runner, TensorSpec
from .detections import FaceDetections
from .detector import DetectorConfig
from .letterbox import STRIDE, Letterbox, size_of_frame
from .nms import suppress_overlaps

Frame = npt.NDArray[np.uint8]


class DetectionHead(Protocol):
    """What is particular to one family of detectors."""

    @property
    def name(self) -> str:
        """Name of the family."""

    @property
    def mean_bgr(self) -> tuple[float, float, float]:
        """Subtracted from blue, green and red (0 to 255); the network takes BGR."""

    @property
    def score_threshold(self) -> float:
        """Least score where the configuration names none."""

    @property
    def max_enlargement(self) -> float:
        """Factor beyond which growing a frame finds hardly more faces, where the configuration names none."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that are read."""

    def decode(
        self, outputs: Mapping[str, Array], input_size: tuple[int, int], score_threshold: float
    ) -> FaceDetections:
        """Turn the outputs for one picture into candidates.

        Args:
            outputs: float32 (candidates, values) by name.
            input_size: Width and height of the input in pixels.
            score_threshold: Least score.

        Returns:
            Candidates in pixels of the input, in any order, overlaps included.
        """


class SingleShotDetector:
    """A convolutional detector on a runner; see :class:`~fsrfer.runtime.detection.FaceDetector` for the contract.

    Args:
        runner: Executes the graph; entered and left with the detector.
        head: What is particular to the graph's family.
        config: What counts as a face.

    Raises:
        DetectorError: The graph's tensors are not those of the family.
    """

    def __init__(self, runner: Runner, head: DetectionHead, config: DetectorConfig) -> None:
        self._input = _image_input(runner, head)
        self._runner = runner
        self._head = head
        self._config = config
        self._threshold = head.score_threshold if config.score_threshold is None else config.score_threshold
        self._enlargement = head.max_enlargement if config.max_enlargement is None else config.max_enlargement
        self._mean = np.asarray(head.mean_bgr, np.float32)
        self._blob = np.empty((0, 3, 0, 0), np.float32)

    @property
    def name(self) -> str:
        """Name of the detector's family."""
        return self._head.name

    @property
    def score_threshold(self) -> float:
        """Least score of what it reports."""
        return self._threshold

    def detect(self, frame: Frame) -> FaceDetections:
        """Find the faces of a frame."""
        return self.detect_batch([frame])[0]

    def detect_batch(self, frames: Sequence[Frame]) -> list[FaceDetections]:
        """Find the faces of several frames; those with the same input size share runs of the graph."""
        letterboxes = [self._letterbox(frame) for frame in frames]
        found = [FaceDetections.empty()] * len(frames)
        for batch in self._batches(letterboxes):
            outputs = self._run([frames[index] for index in batch], [letterboxes[index] for index in batch])
            for row, index in enumerate(batch):
                of_frame = {name: values[row] for name, values in outputs.items()}
                found[index] = self._finish(of_frame, letterboxes[index])
        return found

    def __enter__(self) -> SingleShotDetector:
        self._runner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.__exit__(kind, error, trace)

    def _letterbox(self, frame: Frame) -> Letterbox:
        size = size_of_frame(frame)
        height, width = self._input.shape[2:]
        if height is None or width is None:
            return Letterbox.within(size, max_side=self._config.max_side, max_enlargement=self._enlargement)
        return Letterbox.into(size, (width, height), max_enlargement=self._enlargement)

    def _batches(self, letterboxes: Sequence[Letterbox]) -> Iterator[list[int]]:
        by_size: dict[tuple[int, int], list[int]] = {}
        for index, letterbox in enumerate(letterboxes):
            by_size.setdefault(letterbox.input_size, []).append(index)
        most = self._config.max_batch if self._input.shape[0] is None else 1
        for indices in by_size.values():
            for start in range(0, len(indices), most):
                yield indices[start : start + most]

    def _run(self, frames: Sequence[Frame], letterboxes: Sequence[Letterbox]) -> dict[str, Array]:
        width, height = letterboxes[0].input_size
        shape = (len(frames), 3, height, width)
        if self._blob.shape != shape:  # kept between frames: fresh pages for 1280x736 cost more than filling them
            self._blob = np.empty(shape, np.float32)
        for frame, letterbox, out in zip(frames, letterboxes, self._blob, strict=True):
            letterbox.paint(frame, self._mean, out)
        return self._runner.infer({self._input.name: self._blob})

    def _finish(self, outputs: Mapping[str, Array], letterbox: Letterbox) -> FaceDetections:
        candidates = self._head.decode(outputs, letterbox.input_size, self._threshold)
        if len(candidates) > self._config.max_candidates:
            candidates = candidates.select(np.argsort(-candidates.scores, kind="stable")[: self._config.max_candidates])
        kept = candidates.select(suppress_overlaps(candidates.boxes, candidates.scores, self._config.nms_iou))
        placed = _placed(kept, letterbox)
        return placed.select((placed.sides >= self._config.min_face_px) & _is_visible(placed))


def _placed(detections: FaceDetections, letterbox: Letterbox) -> FaceDetections:
    corners = letterbox.to_frame(detections.boxes.reshape(-1, 2, 2))
    boxes = np.clip(corners, 0.0, np.asarray(letterbox.frame_size, np.float32)).reshape(-1, 4)
    landmarks = None if detections.landmarks is None else letterbox.to_frame(detections.landmarks)
    return FaceDetections(boxes, detections.scores, landmarks)


def _is_visible(detections: FaceDetections) -> npt.NDArray[np.bool_]:
    # A box that lies in the padding has no area left after clipping.
    visible: npt.NDArray[np.bool_] = np.all(detections.boxes[:, 2:] > detections.boxes[:, :2], axis=1)
    return visible


def _image_input(runner: Runner, head: DetectionHead) -> TensorSpec:
    absent = [name for name in head.outputs if name not in runner.outputs]
    if absent:
        raise DetectorError(
            f"the graph is not a {head.name} detector",
            expected=f"outputs {', '.join(head.outputs)}",
            found=", ".join(runner.outputs),
            fix="name the detector that the file belongs to, retinaface:FILE or yunet:FILE",
        )
    spec = next(iter(runner.inputs.values()))
    if len(runner.inputs) != 1 or not _is_image(spec):
        raise DetectorError(
            f"the graph is not a {head.name} detector",
            expected=f"one input, float32 (1 or ?, 3, height, width), sides free or multiples of {STRIDE}",
            found=", ".join(f"{name} {spec.describe()}" for name, spec in runner.inputs.items()),
        )
    return spec


def _is_image(spec: TensorSpec) -> bool:
    if spec.dtype != np.float32 or len(spec.shape) != 4:
        return False
    batch, channels, height, width = spec.shape
    if (height is None) != (width is None):
        return False
    return batch in (None, 1) and channels == 3 and (height or 0) % STRIDE == 0 and (width or 0) % STRIDE == 0
