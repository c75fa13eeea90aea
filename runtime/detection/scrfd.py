"""SCRFD, InsightFace's anchor-based detector, as its public ONNX files have it.

Guo et al., "Sample and computation redistribution for efficient face detection" (ICLR 2022). Each cell of three grids
has two anchors on its upper left corner; an anchor predicts the distances to the four sides of a box, and offsets of
five landmarks, in units of the stride. InsightFace's own weights are for research that earns nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...core.errors import DetectorError
from ..runner import Array
from .candidates import ANOTHER_FAMILY, check_rows, finite_candidates, likely_rows
from .detections import FaceDetections, join
from .letterbox import PixelFormat

_STRIDES = (8, 16, 32)
_ANCHORS = 2
_KINDS = {"score": 1, "bbox": 4, "kps": 10}  # values a row, in the order in which the public files list them


@dataclass(frozen=True)
class SCRFDHead:
    """Reads a score, a box and, where the graph has them, five landmarks an anchor of strides 8, 16 and 32.

    Attributes:
        output_of: Name of the graph's output by kind (``score``, ``bbox``, ``kps``) and stride.
    """

    output_of: Mapping[tuple[str, int], str]

    name = "scrfd"
    pixels = PixelFormat(mean=(127.5, 127.5, 127.5), scale=1 / 128, is_rgb=True, padding=-127.5 / 128)  # black
    score_threshold = 0.5
    max_enlargement = 2.0
    scales = (1.0,)

    @classmethod
    def for_outputs(cls, names: Sequence[str]) -> SCRFDHead:
        """Find out which output is which.

        The exporter names them ``score_8``, ``bbox_8``, ``kps_8`` and so on; most published files have numbers
        instead, in the same order: the scores of all strides, then the boxes, then the landmarks, if any.

        Args:
            names: The graph's outputs, in its order.

        Raises:
            DetectorError: There are neither 6 nor 9.
        """
        kinds = {2 * len(_STRIDES): ("score", "bbox"), 3 * len(_STRIDES): ("score", "bbox", "kps")}.get(len(names))
        if kinds is None:
            raise DetectorError(
                "the graph is not a scrfd detector",
                expected="6 outputs, or 9 with landmarks: score, bbox and kps of strides 8, 16 and 32",
                found=", ".join(names),
                fix=ANOTHER_FAMILY,
            )
        keys = [(kind, stride) for kind in kinds for stride in _STRIDES]
        by_name = {key: f"{key[0]}_{key[1]}" for key in keys}
        is_named = set(by_name.values()) == set(names)
        return cls(by_name if is_named else dict(zip(keys, names, strict=True)))

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that are read."""
        return tuple(self.output_of.values())

    def decode(
        self, outputs: Mapping[str, Array], input_size: tuple[int, int], score_threshold: float
    ) -> FaceDetections:
        """Turn the outputs for one picture into candidates in pixels of the input."""
        check_rows(outputs, self._shapes(*input_size), input_size)
        return join([self._level(outputs, stride, input_size[0], score_threshold) for stride in _STRIDES])

    def _shapes(self, width: int, height: int) -> dict[str, tuple[int, int]]:
        rows = {stride: (width // stride) * (height // stride) * _ANCHORS for stride in _STRIDES}
        return {name: (rows[stride], _KINDS[kind]) for (kind, stride), name in self.output_of.items()}

    def _level(self, outputs: Mapping[str, Array], stride: int, width: int, score_threshold: float) -> FaceDetections:
        scores = outputs[self.output_of["score", stride]][:, 0]
        likely = likely_rows(scores, score_threshold)
        cells = likely // _ANCHORS
        corners = np.stack([cells % (width // stride), cells // (width // stride)], axis=1).astype(np.float32)
        boxes = decode_boxes(outputs[self.output_of["bbox", stride]][likely], corners, stride)
        landmarks = None
        if ("kps", stride) in self.output_of:
            offsets = outputs[self.output_of["kps", stride]][likely].reshape(-1, 5, 2)
            landmarks = (corners[:, None] + offsets) * np.float32(stride)
        return finite_candidates(boxes, scores[likely], landmarks)


def decode_boxes(
    distances: npt.NDArray[np.float32], corners: npt.NDArray[np.float32], stride: int
) -> npt.NDArray[np.float32]:
    """Apply the network's distances to anchors of one grid.

    Args:
        distances: float32 (N, 4), to the left, upper, right and lower side, in units of the stride. Nothing in the
            network keeps them from being negative: a box that ends before it starts becomes an empty one.
        corners: float32 (N, 2), column and row of each anchor's cell.
        stride: Pixels of the input to a cell.

    Returns:
        float32 (N, 4), x0, y0, x1, y1 in pixels of the input.
    """
    starts = corners - distances[:, :2]
    ends = np.maximum(corners + distances[:, 2:], starts)  # which passes on what is not a number
    return np.concatenate([starts, ends], axis=1) * np.float32(stride)
