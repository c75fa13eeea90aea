"""What smoothing gains on the crowd clip, and how much later a change of expression is shown."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

import numpy as np
from tracking_readings import CorrelatedNoise, readings_of
from tracking_scenes import load_scenes

from fsrfer.datasets.procedural import CrowdClip
from fsrfer.runtime.detection.nms import intersection_over_union
from fsrfer.runtime.tracking import (
    ExpressionSmoother,
    FaceTracker,
    ReadingConfig,
    ReadingPolicy,
    SmoothingConfig,
)
from fsrfer.runtime.tracking.quality import size_quality


def measure_smoothing(options: argparse.Namespace) -> dict[str, Any]:
    """Measure accuracy on the crowd clip, and delays on people who change their expression."""
    return {"crowd clip": crowd_accuracy(options.seeds), "delay": delays()}


def crowd_accuracy(seeds: int) -> dict[str, Any]:
    """Follow, read and smooth the crowd clip with simulated detections and readings."""
    table = {}
    print(f"{'crowd clip':<52}{'accuracy':>10}{'changes/min':>13}{'faces read':>12}")
    for name, (every, reading, smoothing) in {
        "every face read, not smoothed": (1, None, SmoothingConfig(time_constant_s=0.0, margin=0.0)),
        "every face read, smoothed": (1, None, SmoothingConfig()),
        "read where it pays, smoothed": (1, ReadingConfig(), SmoothingConfig()),
        "read where it pays, searched every 3rd frame": (3, ReadingConfig(), SmoothingConfig()),
    }.items():
        rows = [follow_crowd(seed, every, reading, smoothing) for seed in range(seeds)]
        accuracy, changes, share = np.mean(rows, axis=0).tolist()
        table[name] = {"accuracy": round(accuracy, 4), "changes_per_min": round(changes, 1), "read": round(share, 3)}
        print(f"{name:<52}{accuracy:>10.3f}{changes:>13.1f}{share:>12.2f}", flush=True)
    return table


def follow_crowd(
    seed: int, every: int, reading: ReadingConfig | None, smoothing: SmoothingConfig
) -> tuple[float, float, float]:
    """Return accuracy over the faces found, changes of the label a minute and face, and the share of faces read."""
    scenes = load_scenes()
    clip = CrowdClip(seed, seconds=12.0)
    tracker, smoother, noise = FaceTracker(), ExpressionSmoother(clip.labels, smoothing), CorrelatedNoise(seed)
    policy, rng = ReadingPolicy(reading), np.random.default_rng([seed, 3])
    moments: Counter[int] = Counter()
    label_before: dict[int, int] = {}
    shown_before: dict[int, int] = {}
    right = seen = read = changes = 0
    for index in range(clip.frame_count):
        frame, now = clip.frame(index), index / clip.fps
        visible = frame.visibility >= 0.5
        truth = scenes.Truth(frame.boxes[visible], frame.track_ids[visible])
        labels = dict(zip(frame.track_ids.tolist(), frame.label_indices.tolist(), strict=True))
        for identity, label in labels.items():
            moments[identity] += label_before.get(identity, label) != label
            label_before[identity] = label
        size = (clip.width, clip.height)
        detector = scenes.Detector(recall=0.92, jitter=0.04, weak=0.1)
        if index % every == 0:
            faces = tracker.update(detector.find(truth, size, rng), now, size)
        else:
            faces = tracker.predict(now, size)
        overlap = intersection_over_union(faces.detections.boxes, truth.boxes)
        known = overlap.max(axis=1, initial=0.0) >= 0.3
        faces, owners = faces.select(known), truth.ids[overlap[known].argmax(axis=1)].tolist()
        target = np.array([labels[owner] for owner in owners], np.int64)
        errors = np.array([noise.of(owner, moments[owner], now) for owner in owners]).reshape(len(owners), -1)
        sides = faces.detections.sides
        chosen = np.ones(len(faces), np.bool_)
        if reading is not None:
            chosen = policy.choose(faces, now, size_quality(sides) * faces.detections.scores)
        readings = readings_of(target[chosen], sides[chosen], errors[chosen]) if chosen.any() else None
        if readings is not None:
            smoother.add(faces.ids[chosen], readings, now)
            policy.note_confidence(faces.ids[chosen], readings.confidence)
        shown = smoother.predictions_of(faces.ids, sides, now)
        right += int(np.count_nonzero((shown.label_index == target) & ~shown.abstained))
        seen, read = seen + len(faces), read + int(chosen.sum())
        for owner, label in zip(owners, shown.label_index.tolist(), strict=True):
            changes += shown_before.get(owner, label) != label
            shown_before[owner] = label
    return right / seen, changes / (seen / clip.fps / 60.0), read / seen


def delays() -> dict[str, Any]:
    """Measure how long after a change of expression the new one is shown, by time constant and reading interval."""
    table = {}
    print(f"\n{'delay of a change in seconds':<46}{'accuracy':>10}{'changes/min':>13}", end="")
    print(f"{'median':>9}{'9 of 10':>9}{'missed':>8}")
    for interval_s in (1 / 12, ReadingConfig().max_age_s):
        for time_constant_s in (0.0, 0.15, 0.3, 0.6, 1.2):
            margin = SmoothingConfig().margin if time_constant_s else 0.0
            row = change_delay(SmoothingConfig(time_constant_s=time_constant_s, margin=margin), interval_s)
            name = f"read every {interval_s:.2f} s, time constant {time_constant_s:.2f} s"
            table[name] = {key: round(value, 3) for key, value in row.items()}
            cells = (
                f"{row['accuracy']:>10.3f}{row['changes_per_min']:>13.1f}{row['median_s']:>9.2f}{row['p90_s']:>9.2f}"
            )
            print(f"{name:<46}{cells}{row['missed']:>8.2f}", flush=True)
    return table


def change_delay(
    config: SmoothingConfig, interval_s: float, people: int = 150, seconds: float = 60.0
) -> dict[str, float]:
    """Play people of 8 to 40 px who hold each expression for 2 to 8 s, at 12 frames a second."""
    rng, noise = np.random.default_rng(5), CorrelatedNoise(5)
    count, step_s = int(seconds * 12), 1 / 12
    sizes = np.exp(rng.uniform(np.log(8), np.log(40), people))
    labels, moments = np.zeros((people, count), np.int64), np.zeros((people, count), np.int64)
    changes: list[tuple[int, int, int]] = []
    for person in range(people):
        start, moment = 0, 0
        while start < count:
            stop = min(count, start + int(rng.uniform(2.0, 8.0) / step_s))
            before = labels[person, start - 1] if start else -1
            labels[person, start:stop] = rng.choice([one for one in range(len(CrowdClip.labels)) if one != before])
            moments[person, start:stop] = moment
            if start:
                changes.append((person, start, stop))
            start, moment = stop, moment + 1
    smoother, ids = ExpressionSmoother(CrowdClip.labels, config), np.arange(1, people + 1)
    shown = np.zeros_like(labels)
    pause = max(1, round(interval_s / step_s))
    for index in range(count):
        now = index * step_s
        due = np.flatnonzero((index + np.arange(people)) % pause == 0) if index else np.arange(people)
        errors = np.array([noise.of(person, moments[person, index], now) for person in due.tolist()])
        smoother.add(ids[due], readings_of(labels[due, index], sizes[due], errors), now)
        shown[:, index] = smoother.predictions_of(ids, sizes.astype(np.float32), now).label_index
    waits = [first_time(shown[person, start:stop] == labels[person, start]) for person, start, stop in changes]
    shown_waits = np.array([wait for wait in waits if wait is not None]) * step_s
    return {
        "accuracy": float(np.mean(shown == labels)),
        "changes_per_min": float(np.count_nonzero(np.diff(shown, axis=1)) / people / (seconds / 60)),
        "median_s": float(np.median(shown_waits)),
        "p90_s": float(np.percentile(shown_waits, 90)),
        "missed": 1.0 - len(shown_waits) / len(waits),
    }


def first_time(holds: np.ndarray) -> int | None:
    """Return the first index at which something holds; None where it never does."""
    return int(holds.argmax()) if holds.any() else None
