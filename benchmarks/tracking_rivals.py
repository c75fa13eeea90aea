"""Trackers that ours is compared with: ours with other measures and assignments, and those of a package."""

from __future__ import annotations

import argparse
import heapq
import json
import subprocess
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.detection.nms import intersection_over_union
from fsrfer.runtime.tracking import (
    FaceTracker,
    TrackerConfig,
)
from fsrfer.runtime.tracking import association as likelihood
from fsrfer.runtime.tracking.assignment import assign
from fsrfer.runtime.tracking.association import associate

Pairs = tuple[np.ndarray, np.ndarray]
Found = tuple[np.ndarray, np.ndarray]
"""Boxes (N, 4) and ids (N,) that a tracker reports in one frame."""


def trackers(options: argparse.Namespace) -> dict[str, Callable[[Any, int], list[Found | None]]]:
    """Return what is compared, by name: from a scene and how often it is searched to what is found."""
    compared: dict[str, Callable[[Any, int], list[Found | None]]] = {
        "ours": lambda scene, every: found_by(FaceTracker(), scene, every),
        "ours, optimal assignment": lambda scene, every: found_by(
            FaceTracker(associate=associate_optimally), scene, every
        ),
        "ours, low scores only for tracks just found": lambda scene, every: found_by(Cautious(), scene, every),
        "ours, high scores only": lambda scene, every: found_by(FaceTracker(), without_low(scene), every),
        "ours, IoU": lambda scene, every: found_by(FaceTracker(associate=associate_by_iou), scene, every),
        "ours, C-BIoU": lambda scene, every: found_by(FaceTracker(associate=associate_by_buffers), scene, every),
    }
    if options.trackers_python:
        for name in ("ByteTrackTracker", "CBIoUTracker"):
            compared[f"trackers.{name}"] = lambda scene, every, name=name: found_elsewhere(
                options.trackers_python, name, scene, every
            )
    return compared


def found_by(tracker: FaceTracker, scene: Any, every: int) -> list[Found | None]:
    """Run a tracker of ours over a scene; None for the frames that are not searched."""
    found: list[Found | None] = []
    for index, (time_s, detections) in enumerate(zip(scene.times.tolist(), scene.detections, strict=True)):
        if index % every:
            found.append(None)
            continue
        faces = tracker.update(detections, time_s, scene.frame_size)
        faces = faces.select(faces.is_detected)
        found.append((faces.detections.boxes, faces.ids))
    return found


def without_low(scene: Any) -> Any:
    """Return a scene whose detector reports high scores only."""
    high = [found.select(found.scores >= TrackerConfig().begins_at) for found in scene.detections]
    return type(scene)(scene.times, scene.frame_size, scene.truths, high)


class Cautious(FaceTracker):
    """Ours, but low scores go to tracks that were found just before, as in ByteTrack."""

    def _match(self, detections: FaceDetections) -> np.ndarray:
        row_of = super()._match(detections)
        low = np.flatnonzero((detections.scores < self._config.begins_at) & (row_of >= 0))
        row_of[low[~self._tracks.was_found[row_of[low]]]] = -1
        return row_of


def associate_by_iou(expected: np.ndarray, _spread_px: np.ndarray, found: np.ndarray, _config: Any) -> Pairs:
    """Assign by intersection over union of at least 0.1."""
    overlap = intersection_over_union(expected, found)
    rows, columns = np.nonzero(overlap >= 0.1)
    return assign(rows, columns, overlap[rows, columns].astype(np.float64))


def associate_by_buffers(expected: np.ndarray, spread_px: np.ndarray, found: np.ndarray, config: Any) -> Pairs:
    """Assign by the intersection over union of boxes enlarged by 0.3 of their sides, then the rest by 0.5."""
    chosen_rows, chosen_columns = np.zeros(0, np.intp), np.zeros(0, np.intp)
    for buffer in (0.3, 0.5):
        rows = np.setdiff1d(np.arange(len(expected)), chosen_rows)
        columns = np.setdiff1d(np.arange(len(found)), chosen_columns)
        pairs = associate_by_iou(enlarged(expected[rows], buffer), spread_px, enlarged(found[columns], buffer), config)
        chosen_rows = np.concatenate([chosen_rows, rows[pairs[0]]])
        chosen_columns = np.concatenate([chosen_columns, columns[pairs[1]]])
    return chosen_rows, chosen_columns


def enlarged(boxes: np.ndarray, buffer: float) -> np.ndarray:
    """Return boxes (N, 4) that are larger by a fraction of their sides on every side."""
    margin = buffer * (boxes[:, 2:] - boxes[:, :2])
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)


def associate_optimally(expected: np.ndarray, spread_px: np.ndarray, found: np.ndarray, config: Any) -> Pairs:
    """Assign by likelihood as ours does, but with the greatest total."""
    greedy, likelihood.assign = likelihood.assign, assign_optimally
    try:
        return associate(expected, spread_px, found, config)
    finally:
        likelihood.assign = greedy


def assign_optimally(rows: np.ndarray, columns: np.ndarray, scores: np.ndarray) -> Pairs:
    """Choose pairs of greatest total score by shortest augmenting paths.

    Jonker and Volgenant, Computing 38 (1987), in the form of Crouse, IEEE Transactions on Aerospace and Electronic
    Systems 52(4), 2016, over lists of pairs. Every row has a column -1 - row of its own at no cost: to stay alone.
    """
    edges: dict[int, list[tuple[int, float]]] = {}
    for row, column, weight in zip(rows.tolist(), columns.tolist(), scores.tolist(), strict=True):
        edges.setdefault(row, [(-1 - row, 0.0)]).append((column, -weight))
    row_price: dict[int, float] = {}
    column_price: dict[int, float] = defaultdict(float)
    row_of: dict[int, int] = {}
    column_of: dict[int, int] = {}
    for start, own in edges.items():
        row_price[start] = min(cost - column_price[column] for column, cost in own)
        distances: dict[int, float] = {}
        came_from: dict[int, int] = {}
        settled: dict[int, float] = {}
        queue: list[tuple[float, int]] = []
        row, travelled = start, 0.0
        while True:
            for column, cost in edges[row]:
                distance = travelled + cost - row_price[row] - column_price[column]
                if column not in settled and distance < distances.get(column, np.inf):
                    distances[column], came_from[column] = distance, row
                    heapq.heappush(queue, (distance, column))
            travelled, column = heapq.heappop(queue)
            while column in settled:
                travelled, column = heapq.heappop(queue)
            if column not in row_of:
                break
            settled[column] = travelled
            row = row_of[column]
        row_price[start] += travelled
        for passed, distance in settled.items():
            column_price[passed] -= travelled - distance
            row_price[row_of[passed]] += travelled - distance
        row = -1
        while row != start:
            row = came_from[column]
            row_of[column] = row
            column_of[row], column = column, column_of.get(row, column)
    chosen = [(row, column) for row, column in column_of.items() if column >= 0]
    return np.array([row for row, _ in chosen], np.intp), np.array([column for _, column in chosen], np.intp)


ELSEWHERE = """
import json, sys
import numpy as np, supervision as sv, trackers
job = json.load(sys.stdin)
tracker = getattr(trackers, job["tracker"])(**job["options"])
for frame in job["frames"]:
    boxes = np.array(frame["boxes"], float).reshape(-1, 4)
    scores = np.array(frame["scores"], float)
    result = tracker.update(sv.Detections(xyxy=boxes, confidence=scores, class_id=np.zeros(len(boxes), int)))
    kept = [] if result.tracker_id is None else np.flatnonzero(np.asarray(result.tracker_id) >= 0)
    print(json.dumps([[*result.xyxy[i].tolist(), int(result.tracker_id[i])] for i in kept]))
"""


def found_elsewhere(python: str, tracker: str, scene: Any, every: int) -> list[Found | None]:
    """Run a tracker of the package ``trackers`` over a scene, with our memory and our thresholds."""
    searched = list(range(0, len(scene.times), every))
    rate = 1.0 / float(np.median(np.diff(scene.times[searched])))
    high = TrackerConfig().begins_at
    settings = {
        "frame_rate": rate,
        "lost_track_buffer": round(30 * TrackerConfig().max_lost_s),
        "minimum_consecutive_frames": 1,
        "track_activation_threshold": high,
        "high_conf_det_threshold": high,
    }
    frames = [scene.detections[index] for index in searched]
    job = {
        "tracker": tracker,
        "options": settings,
        "frames": [{"boxes": frame.boxes.tolist(), "scores": frame.scores.tolist()} for frame in frames],
    }
    done = subprocess.run([python, "-c", ELSEWHERE], input=json.dumps(job), capture_output=True, text=True, check=True)
    found: list[Found | None] = [None] * len(scene.times)
    for index, line in zip(searched, done.stdout.splitlines(), strict=True):
        rows = np.array(json.loads(line), np.float64).reshape(-1, 5)
        found[index] = rows[:, :4].astype(np.float32), rows[:, 4].astype(np.int64)
    return found
