"""What all single-shot detectors share: lay the frame in, run, decode, suppress, scale back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ...core.errors import DetectorError, UsageError
from ..runner import Array, Runner, TensorSpec
from .candidates import ANOTHER_FAMILY
from .detections import FaceDetections
from .detector import DetectorConfig
from .fusion import fuse_looks
from .letterbox import STRIDE, Letterbox, PixelFormat, size_of_frame
from .nms import suppress_overlaps

Frame = npt.NDArray[np.uint8]

_LEAST_SCORE_OF_A_LOOK = 0.3
"""Below it, what one of several looks sees vouches for nothing: recall is the same from 0.05 on."""

_LEAST_ENLARGEMENT_OF_MORE_LOOKS = 1.9
"""A further look that enlarges a frame by less misses small faces that the first one sees, and vouches against them."""


class DetectionHead(Protocol):
    """What is particular to one family of detectors."""

    @property
    def name(self) -> str:
        """Name of the family."""

    @property
    def pixels(self) -> PixelFormat:
        """What the network was trained to see."""

    @property
    def score_threshold(self) -> float:
        """Least score where the configuration names none."""

    @property
    def max_enlargement(self) -> float:
        """Factor beyond which growing a frame finds hardly more faces, where the configuration names none."""

    @property
    def scales(self) -> tuple[float, ...]:
        """How often to look at a frame and how large, where the configuration does not say: the largest first."""

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

        Raises:
            DetectorError: The outputs do not fit the input, or a score is not a number.
        """


class InputBuffer:
    """Memory for a network's input that is kept between frames: fresh pages cost more than filling them.

    It grows to the largest input so far, whatever the order in which inputs of several shapes come.
    """

    def __init__(self) -> None:
        self._values = np.empty(0, np.float32)

    def shaped(self, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        """Return the memory as float32 of this shape; what an earlier call returned is no longer valid."""
        size = int(np.prod(shape))
        if self._values.size < size:
            self._values = np.empty(size, np.float32)
        return self._values[:size].reshape(shape)


@dataclass(frozen=True)
class _Look:
    """One size at which the network sees one frame."""

    frame: int
    letterbox: Letterbox


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
        self._takes_batches = self._input.shape[0] is None and _outputs_are_batched(runner, head)
        self._runner = runner
        self._owns_runner = True
        self._head = head
        self._buffer = InputBuffer()
        self._configure(config)

    @property
    def name(self) -> str:
        """Name of the detector's family."""
        return self._head.name

    @property
    def score_threshold(self) -> float:
        """Least score of what it reports."""
        return self._threshold

    @property
    def config(self) -> DetectorConfig:
        """What counts as a face, and how hard it looks."""
        return self._config

    def with_config(self, config: DetectorConfig) -> SingleShotDetector:
        """Return this detector with another configuration; the graph and the input's memory are shared."""
        other = copy(self)
        other._owns_runner = False
        other._configure(config)
        return other

    def for_thread(self) -> SingleShotDetector:
        """Return this detector for another thread; the graph is shared, and runs of it may overlap.

        Raises:
            UsageError: They must not: the runner serves one thread at a time.
        """
        if not self._runner.serves_threads:
            raise UsageError(
                f"one thread at a time can detect with {type(self._runner).__name__}", fix="take a single lane"
            )
        other = self.with_config(self._config)
        other._buffer = InputBuffer()
        return other

    def detect(self, frame: Frame) -> FaceDetections:
        """Find the faces of a frame."""
        return self.detect_batch([frame])[0]

    def detect_batch(self, frames: Sequence[Frame]) -> list[FaceDetections]:
        """Find the faces of several frames; those with the same input size share runs of the graph."""
        seen: list[list[FaceDetections]] = [[] for _ in frames]
        looks = self._looks(frames)
        counts = Counter(look.frame for look in looks)
        for batch in self._batches(looks):
            outputs = self._run(frames, batch)
            for row, look in enumerate(batch):
                of_frame = {name: outputs[name][row] for name in self._head.outputs}
                least = self._threshold if counts[look.frame] == 1 else min(self._threshold, _LEAST_SCORE_OF_A_LOOK)
                seen[look.frame].append(self._decode(of_frame, look.letterbox, least))
        return [self._finish(looks, size_of_frame(frame)) for looks, frame in zip(seen, frames, strict=True)]

    def __enter__(self) -> SingleShotDetector:
        if self._owns_runner:
            self._runner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owns_runner:
            self._runner.__exit__(kind, error, trace)

    def _configure(self, config: DetectorConfig) -> None:
        self._config = config
        self._threshold = self._head.score_threshold if config.score_threshold is None else config.score_threshold
        self._enlargement = self._head.max_enlargement if config.max_enlargement is None else config.max_enlargement

    def _looks(self, frames: Sequence[Frame]) -> list[_Look]:
        looks = {
            _Look(index, letterbox): None  # of a tiny frame, two scales may round to one size
            for index, frame in enumerate(frames)
            for letterbox in self._letterboxes(size_of_frame(frame))
        }
        return list(looks)

    def _letterboxes(self, frame_size: tuple[int, int]) -> list[Letterbox]:
        if self._config.scales is not None:
            return [self._letterbox(frame_size, scale) for scale in self._config.scales]
        first, *more = (self._letterbox(frame_size, scale) for scale in self._head.scales)
        return [first, *(letterbox for letterbox in more if letterbox.enlargement >= _LEAST_ENLARGEMENT_OF_MORE_LOOKS)]

    def _letterbox(self, size: tuple[int, int], scale: float) -> Letterbox:
        height, width = self._input.shape[2:]
        if height is None or width is None:
            return Letterbox.within(
                size, max_side=self._config.max_side, max_enlargement=self._enlargement, scale=scale
            )
        return Letterbox.into(size, (width, height), max_enlargement=self._enlargement, scale=scale)

    def _batches(self, looks: Sequence[_Look]) -> Iterator[list[_Look]]:
        by_size: dict[tuple[int, int], list[_Look]] = {}
        for look in looks:
            by_size.setdefault(look.letterbox.input_size, []).append(look)
        most = self._config.max_batch if self._takes_batches else 1
        for alike in by_size.values():
            for start in range(0, len(alike), most):
                yield alike[start : start + most]

    def _run(self, frames: Sequence[Frame], batch: Sequence[_Look]) -> dict[str, Array]:
        width, height = batch[0].letterbox.input_size
        blob = self._buffer.shaped((len(batch), 3, height, width))
        for look, out in zip(batch, blob, strict=True):
            look.letterbox.paint(frames[look.frame], self._head.pixels, out)
        outputs = self._runner.infer({self._input.name: blob})
        return {name: self._rows(name, outputs[name], len(batch)) for name in self._head.outputs}

    def _rows(self, name: str, values: Array, pictures: int) -> Array:
        rows = values if values.ndim == 3 else values[None]
        if rows.ndim != 3 or len(rows) != pictures:
            raise DetectorError(
                f"output {name} of the detector does not fit its input",
                expected=f"shape ({pictures}, rows, values)",
                found=values.shape,
            )
        return rows

    def _decode(self, outputs: Mapping[str, Array], letterbox: Letterbox, least: float) -> FaceDetections:
        candidates = self._head.decode(outputs, letterbox.input_size, least)
        if len(candidates) > self._config.max_candidates:
            candidates = candidates.select(np.argsort(-candidates.scores, kind="stable")[: self._config.max_candidates])
        kept = candidates.select(suppress_overlaps(candidates.boxes, candidates.scores, self._config.nms_iou))
        placed = _placed(kept, letterbox)
        return placed.select(_is_visible(placed))

    def _finish(self, looks: Sequence[FaceDetections], frame_size: tuple[int, int]) -> FaceDetections:
        found = looks[0] if len(looks) == 1 else _clipped(fuse_looks(looks, self._config.nms_iou), frame_size)
        return found.select((found.scores >= self._threshold) & (found.sides >= self._config.min_face_px))


def _placed(detections: FaceDetections, letterbox: Letterbox) -> FaceDetections:
    boxes = letterbox.to_frame(detections.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
    landmarks = None if detections.landmarks is None else letterbox.to_frame(detections.landmarks)
    return _clipped(FaceDetections(boxes, detections.scores, landmarks), letterbox.frame_size)


def _clipped(detections: FaceDetections, frame_size: tuple[int, int]) -> FaceDetections:
    corners = np.clip(detections.boxes.reshape(-1, 2, 2), 0.0, np.asarray(frame_size, np.float32))
    return replace(detections, boxes=corners.reshape(-1, 4))


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
            fix=ANOTHER_FAMILY,
        )
    spec = next(iter(runner.inputs.values()))
    if len(runner.inputs) != 1 or not _is_image(spec):
        raise DetectorError(
            f"the graph is not a {head.name} detector",
            expected=f"one input, float32 (1 or ?, 3, height, width), sides free or multiples of {STRIDE}",
            found=", ".join(f"{name} {spec.describe()}" for name, spec in runner.inputs.items()),
        )
    return spec


def _outputs_are_batched(runner: Runner, head: DetectionHead) -> bool:
    return all(len(runner.outputs[name].shape) == 3 for name in head.outputs)


def _is_image(spec: TensorSpec) -> bool:
    if spec.dtype != np.float32 or len(spec.shape) != 4:
        return False
    batch, channels, height, width = spec.shape
    if (height is None) != (width is None):
        return False
    return batch in (None, 1) and channels == 3 and (height or 0) % STRIDE == 0 and (width or 0) % STRIDE == 0
