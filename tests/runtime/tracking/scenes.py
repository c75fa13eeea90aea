"""Scripted scenes: faces whose paths are known, and what an imperfect detector makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fsrfer.datasets.procedural import CrowdClip
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.detection.nms import intersection_over_union
from fsrfer.runtime.tracking import FaceTracker, TrackedFaces

Path = Callable[[float], "tuple[float, float] | None"]
"""From a time in seconds to the centre of a face in pixels; None where it is not to be seen."""


@dataclass(frozen=True)
class Truth:
    """The faces of one frame: float32 (N, 4) and int64 (N,)."""

    boxes: np.ndarray
    ids: np.ndarray


@dataclass(frozen=True)
class Scene:
    """A scene frame by frame.

    Attributes:
        times: Seconds, float64 (F,).
        frame_size: Width and height in pixels.
        truths: What is there, in every frame.
        detections: What was found, in every frame.
    """

    times: np.ndarray
    frame_size: tuple[int, int]
    truths: list[Truth]
    detections: list[FaceDetections]


@dataclass(frozen=True)
class Detector:
    """How a simulated detector errs.

    Attributes:
        recall: Probability that a face is found.
        jitter: Standard deviation of centre and log side, in sizes.
        weak: Probability that a face that is found has a low score.
        false_alarms: Mean number of boxes a frame that are no faces.
    """

    recall: float = 1.0
    jitter: float = 0.03
    weak: float = 0.0
    false_alarms: float = 0.0

    def find(self, truth: Truth, frame_size: tuple[int, int], rng: np.random.Generator) -> FaceDetections:
        boxes = truth.boxes[rng.random(len(truth.boxes)) < self.recall]
        sides = boxes[:, 2:] - boxes[:, :2]
        sizes = np.sqrt(sides.prod(axis=1, keepdims=True))
        centers = (boxes[:, :2] + boxes[:, 2:]) / 2 + self.jitter * sizes * rng.standard_normal((len(boxes), 2))
        half = sides * np.exp(self.jitter * rng.standard_normal((len(boxes), 2))) / 2
        found = np.concatenate([centers - half, centers + half], axis=1)
        scores = np.where(rng.random(len(boxes)) < self.weak, rng.uniform(0.3, 0.6, len(boxes)), 0.85)
        false = rng.poisson(self.false_alarms)
        if false:
            size = float(np.median(sizes)) if len(sizes) else 12.0
            corner = rng.uniform(0, np.array(frame_size) - size, (false, 2))
            found = np.concatenate([found, np.concatenate([corner, corner + size], axis=1)])
            scores = np.concatenate([scores, rng.uniform(0.3, 0.75, false)])
        found = np.clip(found, 0, np.tile(frame_size, 2)).astype(np.float32)
        visible = (found[:, 2:] - found[:, :2] > 1).all(axis=1)
        order = np.argsort(-scores[visible], kind="stable")
        return FaceDetections(found[visible][order], scores[visible].astype(np.float32)[order])


def script(
    paths: dict[int, tuple[Path, float]],
    times: np.ndarray,
    frame_size: tuple[int, int] = (640, 360),
    detector: Detector | None = None,
    seed: int = 0,
) -> Scene:
    """Play paths, by identity: the path and the face's size in pixels."""
    rng = np.random.default_rng(seed)
    truths = [_truth_at(paths, float(time), frame_size) for time in times]
    found = [(detector or Detector()).find(truth, frame_size, rng) for truth in truths]
    return Scene(np.asarray(times, np.float64), frame_size, truths, found)


def _truth_at(paths: dict[int, tuple[Path, float]], time: float, frame_size: tuple[int, int]) -> Truth:
    boxes, ids = [], []
    for identity, (path, size) in paths.items():
        center = path(time)
        if center is not None and 0 < center[0] < frame_size[0] and 0 < center[1] < frame_size[1]:
            half = np.array([0.45, 0.55]) * size
            boxes.append(np.concatenate([center - half, center + half]))
            ids.append(identity)
    boxes = np.clip(np.reshape(boxes, (-1, 4)), 0, np.tile(frame_size, 2))
    return Truth(boxes.astype(np.float32), np.array(ids, np.int64))


def line(start: tuple[float, float], velocity: tuple[float, float], hidden: tuple[float, float] = (9e9, 9e9)) -> Path:
    """Walk straight on, hidden in an interval of seconds."""

    def path(time: float) -> tuple[float, float] | None:
        if hidden[0] <= time < hidden[1]:
            return None
        return start[0] + velocity[0] * time, start[1] + velocity[1] * time

    return path


def during(path: Path, begin: float, end: float) -> Path:
    """Be there only from one time to another."""
    return lambda time: path(time) if begin <= time < end else None


def wander(rng: np.random.Generator, frame_size: tuple[int, int], speed: float, persistence_s: float = 2.0) -> Path:
    """Walk to and fro inside the frame at a speed in pixels a second, with turns every few seconds."""
    knots = np.arange(0.0, 120.0, persistence_s)
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.7, len(knots)))
    pace = speed * rng.uniform(0.3, 1.2, len(knots))
    steps = persistence_s * pace[:, None] * np.stack([np.cos(heading), 0.3 * np.sin(heading)], axis=1)
    points = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)]) + rng.uniform(0, 1, 2) * frame_size
    folded_times = np.arange(len(points)) * persistence_s
    margin = 8.0
    room = np.array(frame_size) - 2 * margin

    def path(time: float) -> tuple[float, float]:
        raw = np.array([np.interp(time, folded_times, points[:, axis]) for axis in (0, 1)])
        inside = margin + np.abs((raw - margin) % (2 * room) - room)  # reflected at the walls
        return float(inside[0]), float(inside[1])

    return path


def crossing(seed: int = 0, size: float = 24.0) -> Scene:
    """Two pairs meet and pass; who walks behind is hidden while they overlap."""
    paths: dict[int, tuple[Path, float]] = {
        1: (line((60, 150), (70, 0)), size),
        2: (line((480, 153), (-70, 0), hidden=(2.85, 3.15)), size),
        3: (line((420, 40), (0, 50)), size),
        4: (line((425, 330), (0, -50), hidden=(2.7, 3.1)), size),
    }
    return script(paths, np.arange(0, 6, 1 / 12), detector=Detector(recall=0.95), seed=seed)


def occlusion(seed: int = 0) -> Scene:
    """Somebody passes behind a pillar for 1.2 s, somebody else stands beside it."""
    paths: dict[int, tuple[Path, float]] = {
        1: (line((50, 100), (60, 5), hidden=(2.0, 3.2)), 20.0),
        2: (line((600, 140), (-55, 0), hidden=(5.0, 6.2)), 20.0),
        3: (line((230, 180), (0, 0)), 22.0),
    }
    return script(paths, np.arange(0, 9, 1 / 12), detector=Detector(recall=0.9), seed=seed)


def tiny_at_low_rate(seed: int = 0, people: int = 25, fps: float = 5.0, size: float = 8.0, pace: float = 4.0) -> Scene:
    """A camera at 5 frames a second sees faces of 8 px that walk by more than their size from frame to frame."""
    rng = np.random.default_rng([seed, 5])
    frame_size = (640, 360)
    paths: dict[int, tuple[Path, float]] = {
        identity: (wander(rng, frame_size, speed=rng.uniform(0.0, 1.5 * pace) * size), size * rng.uniform(0.9, 1.2))
        for identity in range(1, people + 1)
    }
    detector = Detector(recall=0.85, jitter=0.06, weak=0.2, false_alarms=0.5)
    return script(paths, np.arange(0, 16, 1 / fps), frame_size, detector, seed)


def dropped_frames(seed: int = 0) -> Scene:
    """A loaded camera: 4 of 10 frames are missing, and once 0.8 s in one go."""
    rng = np.random.default_rng([seed, 7])
    frame_size = (640, 360)
    paths: dict[int, tuple[Path, float]] = {
        identity: (wander(rng, frame_size, speed=rng.uniform(0, 60)), rng.uniform(12, 28)) for identity in range(1, 13)
    }
    times = np.arange(0, 12, 1 / 15)
    kept = (rng.random(len(times)) > 0.4) & ~((times > 5.0) & (times < 5.8))
    return script(paths, times[kept], frame_size, Detector(recall=0.92, jitter=0.04, weak=0.1), seed)


def leave_and_enter(seed: int = 0, pause_s: float = 0.5) -> Scene:
    """Four times somebody leaves at the left edge, and shortly after another enters at the same place."""
    paths: dict[int, tuple[Path, float]] = {}
    for turn in range(4):
        start, y = 5.0 * turn, 60.0 + 70 * turn
        leaves = line((150 + 60 * start, y), (-60, 0))
        enters = line((-60 * (start + 2.5 + pause_s), y), (60, 0))
        paths[2 * turn + 1] = (during(leaves, start, start + 2.5), 20.0)
        paths[2 * turn + 2] = (during(enters, start + 2.5 + pause_s, start + 5.0), 20.0)
    return script(paths, np.arange(0, 20, 1 / 12), seed=seed)


def weak_scores(seed: int = 0) -> Scene:
    """A third of the detections have low scores, and there are false alarms."""
    rng = np.random.default_rng([seed, 11])
    frame_size = (640, 360)
    paths: dict[int, tuple[Path, float]] = {
        identity: (wander(rng, frame_size, speed=rng.uniform(0, 70)), rng.uniform(10, 24)) for identity in range(1, 16)
    }
    detector = Detector(recall=0.9, jitter=0.05, weak=0.35, false_alarms=1.0)
    return script(paths, np.arange(0, 12, 1 / 10), frame_size, detector, seed)


def crowd(seed: int = 0, people: int = 500, seconds: float = 4.0) -> Scene:
    """Five hundred faces of 10 to 20 px in full HD, many of them side by side."""
    rng = np.random.default_rng([seed, 13])
    frame_size = (1920, 1080)
    paths: dict[int, tuple[Path, float]] = {
        identity: (wander(rng, frame_size, speed=rng.uniform(0, 40)), rng.uniform(10, 20))
        for identity in range(1, people + 1)
    }
    detector = Detector(recall=0.9, jitter=0.04, weak=0.1, false_alarms=3.0)
    return script(paths, np.arange(0, seconds, 1 / 12), frame_size, detector, seed)


def drawn_crowd(seed: int = 0, detector: Detector | None = None, **options) -> Scene:
    """The embedded crowd clip; a face that is mostly covered is not found, but it is there."""
    clip = CrowdClip(seed, **options)
    rng = np.random.default_rng([seed, 17])
    truths, found = [], []
    for index in range(clip.frame_count):
        frame = clip.frame(index)
        seen = frame.visibility >= 0.5
        truths.append(Truth(frame.boxes[seen], frame.track_ids[seen]))
        find = (detector or Detector(recall=0.92, jitter=0.04, weak=0.1)).find
        found.append(find(truths[-1], (clip.width, clip.height), rng))
    times = np.arange(clip.frame_count) / clip.fps
    return Scene(times, (clip.width, clip.height), truths, found)


def track(tracker: FaceTracker, scene: Scene, every: int = 1) -> list[TrackedFaces]:
    """Run a tracker over a scene, searching every so many frames."""
    return [
        tracker.update(found, time, scene.frame_size) if index % every == 0 else tracker.predict(time, scene.frame_size)
        for index, (time, found) in enumerate(zip(scene.times.tolist(), scene.detections, strict=True))
    ]


def identity_switches(scene: Scene, tracked: list[TrackedFaces], min_iou: float = 0.5) -> int:
    """Count how often a face has another id than when it was last found by detection."""
    last: dict[int, int] = {}
    switches = 0
    for truth, faces in zip(scene.truths, tracked, strict=True):
        found = faces.select(faces.is_detected)
        overlap = intersection_over_union(truth.boxes, found.detections.boxes)
        if overlap.size == 0:
            continue
        for face, box in enumerate(overlap.argmax(axis=1).tolist()):
            if overlap[face, box] >= min_iou and overlap[:, box].argmax() == face:
                identity, track_id = int(truth.ids[face]), int(found.ids[box])
                switches += last.get(identity, track_id) != track_id
                last[identity] = track_id
    return switches


SCENES: dict[str, Callable[..., Scene]] = {
    "crossing": crossing,
    "occlusion": occlusion,
    "8 px at 5 fps": tiny_at_low_rate,
    "dropped frames": dropped_frames,
    "leave and enter": leave_and_enter,
    "weak scores": weak_scores,
    "500 faces": crowd,
    "drawn crowd": drawn_crowd,
}
