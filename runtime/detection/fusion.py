"""Several looks at one frame become one: the same network at several sizes of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .detections import FaceDetections, join
from .nms import intersection_over_union, suppress_overlaps


def fuse_looks(looks: Sequence[FaceDetections], min_iou: float) -> FaceDetections:
    """Join what several looks at a frame found, and let them vouch for each other.

    Non-maximum suppression over all looks would take the better of two scores, and a face that every look sees would
    rank like one that a single look imagines. Here the scores s of L looks, 0 where a look has no such box, become
    ``1 - (product of (1 - s)) ** (1 / L)``: a noisy-or (Pearl, "Probabilistic Reasoning in Intelligent Systems", 1988,
    section 4.3.2), brought back to the scale of one look by the root, so that looks that agree on a score keep it.
    Boxes and landmarks become the mean of what the looks found, weighted by its score (box voting: Gidaris and
    Komodakis, ICCV 2015, section 4).

    Args:
        looks: Faces of the same frame; those of one look do not overlap by more than ``min_iou``.
        min_iou: Intersection over union above which boxes of two looks are one face.

    Returns:
        Faces, best score first. Landmarks only where every look has them.
    """
    everything = join(looks)
    leaders = everything.select(suppress_overlaps(everything.boxes, everything.scores, min_iou))
    misses = np.ones(len(leaders), np.float64)
    weights = np.zeros(len(leaders), np.float32)
    boxes = np.zeros_like(leaders.boxes)
    landmarks = None if leaders.landmarks is None else np.zeros_like(leaders.landmarks)
    for look in looks:
        if len(look) == 0 or len(leaders) == 0:
            continue
        overlap = intersection_over_union(leaders.boxes, look.boxes)
        overlap[overlap < overlap.max(axis=0)] = 0.0  # a box vouches for one face, that which it covers best
        vouched = np.where(overlap > min_iou, look.scores, np.float32(0.0))
        best = vouched.argmax(axis=1)
        score = vouched[np.arange(len(leaders)), best]
        misses *= 1.0 - score
        weights += score
        boxes += score[:, None] * look.boxes[best]
        if landmarks is not None and look.landmarks is not None:
            landmarks += score[:, None, None] * look.landmarks[best]
    weights = np.maximum(weights, np.finfo(np.float32).tiny)  # of a leader whose score is 0
    fused = FaceDetections(
        boxes / weights[:, None],
        (1.0 - misses ** (1.0 / len(looks))).astype(np.float32),
        None if landmarks is None else landmarks / weights[:, None, None],
    )
    return fused.select(np.argsort(-fused.scores, kind="stable"))
