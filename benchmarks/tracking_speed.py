"""Time of every part of tracking by the number of faces."""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
from tracking_readings import noisy_readings
from tracking_scenes import load_scenes

from fsrfer.core.predictions import ExpressionPredictions
from fsrfer.datasets.procedural import CrowdClip
from fsrfer.runtime.tracking import (
    ExpressionSmoother,
    FaceTracker,
    ReadingPolicy,
    TrackedFaces,
    crop_quality,
)


def measure_speed(_options: argparse.Namespace) -> dict[str, Any]:
    """Time every part by the number of faces: least CPU time of several runs, median over the frames."""
    scenes, table = load_scenes(), {}
    print(f"{'faces':>6}{'update ms':>12}{'predict ms':>12}{'choose ms':>12}{'smooth ms':>12}{'quality us a crop':>20}")
    for people in (10, 50, 100, 500):
        scene = scenes.crowd(people=people, seconds=2.0)
        runs = [time_parts(scene) for _ in range(5)]
        row = {part: round(float(np.median(np.min([run[part] for run in runs], axis=0))), 3) for part in runs[0]}
        table[str(people)] = row
        print(
            f"{people:>6}" + "".join(f"{row[part]:>12.2f}" for part in list(row)[:-1]) + f"{row['quality_us']:>20.1f}"
        )
    return table


def time_parts(scene: Any) -> dict[str, list[float]]:
    """Return CPU milliseconds of each part in each frame, and microseconds of the quality of a crop."""
    tracker, policy, smoother = FaceTracker(), ReadingPolicy(), ExpressionSmoother(CrowdClip.labels)
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (*scene.frame_size[::-1], 3), dtype=np.uint8)
    times: dict[str, list[float]] = defaultdict(list)

    def timed(part: str, call: Callable[[], Any], scale: float = 1e-6) -> Any:
        start = time.process_time_ns()
        result = call()
        times[part].append((time.process_time_ns() - start) * scale)
        return result

    for time_s, found in zip(scene.times.tolist(), scene.detections, strict=True):
        faces = timed("update_ms", lambda found=found, now=time_s: tracker.update(found, now, scene.frame_size))
        timed("predict_ms", lambda now=time_s: tracker.predict(now + 0.01, scene.frame_size))
        quality = np.ones(len(faces), np.float32)
        timed("choose_ms", lambda faces=faces, now=time_s, quality=quality: policy.choose(faces, now, quality))
        readings = noisy_readings(np.zeros(len(faces), np.int64), faces.detections.sides, rng)
        timed("smooth_ms", lambda faces=faces, now=time_s, readings=readings: smooth(smoother, faces, readings, now))
        crops = [picture[:24, :24]] * len(faces)
        detections = faces.detections
        timed("quality_us", lambda crops=crops, found=detections: crop_quality(crops, found), 1e-3 / max(1, len(faces)))
    return times


def smooth(smoother: ExpressionSmoother, faces: TrackedFaces, readings: ExpressionPredictions, now: float) -> None:
    """Add readings of all faces and ask what they show."""
    smoother.add(faces.ids, readings, now)
    smoother.predictions_of(faces.ids, faces.detections.sides, now)
