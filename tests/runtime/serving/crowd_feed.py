"""Feeds a hub from drawn crowds, and keeps the report that a pipeline would give."""

from __future__ import annotations

import threading
import time
from collections import Counter
from functools import lru_cache

import numpy as np

from fsrfer.core.errors import SourceError
from fsrfer.core.predictions import ExpressionPredictions
from fsrfer.datasets.procedural import CrowdClip
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.groups import GroupAggregator, GroupConfig
from fsrfer.runtime.pipeline_report import PipelineReport
from fsrfer.runtime.results import FaceTracks, FrameResult
from fsrfer.runtime.sources import DropReason, SourceState, SourceStatus
from fsrfer.runtime.telemetry import BATCH_BOUNDS, Histogram, Stage, StageTimes

STAGE_TIMES_S = {
    Stage.WAIT: 0.004,
    Stage.DECODE: 0.002,
    Stage.DETECT: 0.021,
    Stage.TRACK: 0.0012,
    Stage.CROP: 0.0008,
    Stage.QUEUE: 0.009,
    Stage.CLASSIFY: 0.0135,
    Stage.SMOOTH: 0.0004,
    Stage.SINK: 0.0009,
}


def crowd_results(name, *, seed=0, frames=12, clock=Clock.WALL, width=640, height=360, people=22, start_s=None, fps=12):
    """Results of a drawn crowd: its true boxes and tracks, and its true expressions, not always sure."""
    clip = CrowdClip(seed, width=width, height=height, fps=fps, seconds=frames / fps, people=people)
    rng = np.random.default_rng(seed)
    start_s = (time.time() if clock is Clock.WALL else 0.0) if start_s is None else start_s
    for index in range(clip.frame_count):
        seen = clip.frame(index)
        frame = Frame(name, index, start_s + index / fps, clock, seen.image)
        yield FrameResult(frame, _predictions(clip.labels, seen, rng), _detections(seen), _tracks(seen))


@lru_cache(maxsize=64)
def _drawn(seed, frames, **crowd):
    return tuple(crowd_results("crowd", seed=seed, frames=frames, **crowd))


def _detections(seen):
    return FaceDetections(seen.boxes, np.linspace(0.95, 0.6, len(seen.boxes), dtype=np.float32))


def _predictions(labels, seen, rng):
    logits = rng.normal(0, 0.7, (len(seen.boxes), len(labels)))
    logits[np.arange(len(seen.boxes)), seen.label_indices] += 3.0
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    sizes = (seen.boxes[:, 2:] - seen.boxes[:, :2]).max(axis=1, initial=1.0).astype(np.float32)
    return ExpressionPredictions(
        labels=labels,
        probabilities=probabilities.astype(np.float32),
        label_index=probabilities.argmax(axis=1).astype(np.int64).reshape(-1),
        face_size_px=sizes,
        abstained=probabilities.max(axis=1, initial=0.0) < 0.35,
    )


def _tracks(seen):
    flags = np.ones(len(seen.boxes), bool)
    ages, qualities = np.full(len(seen.boxes), 2.0, np.float32), np.full(len(seen.boxes), 0.2, np.float32)
    return FaceTracks(seen.track_ids + 1, ages, flags, flags, qualities)


class CrowdFeed:
    """Several drawn crowds that go round and round, as cameras would show them.

    Args:
        hub: Gets results and windows.
        names: Names of the sources.
        groups: How groups are summed up; None for none.
    """

    def __init__(self, hub, names, *, fps=10.0, groups=None, frames=10, **crowd):
        self.hub, self.names, self.fps = hub, tuple(names), fps
        self._results = {name: _drawn(seed, frames, **crowd) for seed, name in enumerate(self.names)}
        self._groups = GroupAggregator(groups or GroupConfig(window_s=1.0))
        self._taken, self._faces, self._drops = Counter(), Counter(), {name: Counter() for name in names}
        self._reconnects = Counter()
        self.stuck_s = 0.1
        self._states = dict.fromkeys(self.names, SourceState.OPENING)
        self._errors = {}
        self._quiet = set()
        self._stages, self._batches = StageTimes(), Histogram(BATCH_BOUNDS)
        self._ages = {name: Histogram() for name in self.names}
        self._started_s = time.monotonic()
        self._rng = np.random.default_rng(0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def step(self, time_s=None):
        """Give one result of every source that still has something to show."""
        for name in self.names:
            if name not in self._quiet:
                self._give(name, time.time() if time_s is None else time_s)

    def _give(self, name, time_s):
        results = self._results[name]
        template = results[self._taken[name] % len(results)]
        frame = Frame(name, self._taken[name], time_s, Clock.WALL, template.frame.image)
        result = FrameResult(frame, template.predictions, template.detections, template.tracks)
        self._states[name] = SourceState.UP
        self._taken[name] += 1
        self._faces[name] += len(result)
        self._batches.observe(len(result))
        for stage, typical_s in STAGE_TIMES_S.items():
            self._stages.observe(stage, typical_s * self._rng.lognormal(0, 0.35))
        self._ages[name].observe(0.05 * self._rng.lognormal(0, 0.3))
        self.hub.write(result)
        for window in self._groups.add(result):
            self.hub.write_window(window)

    def drop(self, name, reason=DropReason.REPLACED, count=1):
        self._drops[name][reason] += count

    def reconnect(self, name):
        self._reconnects[name] += 1

    def silence(self, name):
        self._states[name] = SourceState.SILENT
        self._quiet.add(name)

    def fail(self, name, message):
        self._states[name] = SourceState.FAILED
        self._quiet.add(name)
        self._errors[name] = SourceError(message)

    def report(self):
        faces = dict(self._faces)
        return PipelineReport(
            sources=tuple(self._status(name) for name in self.names),
            frames=sum(self._taken.values()),
            faces=sum(faces.values()),
            elapsed_s=time.monotonic() - self._started_s,
            stuck_s=self.stuck_s,
            faces_by_source=faces,
            readings=sum(faces.values()) // 2,
            stages=self._stages.snapshot(),
            result_age_s={name: ages.snapshot() for name, ages in self._ages.items()},
            batch_faces=self._batches.snapshot(),
            pending_frames=2,
            detect_every=1,
            sink_drops={"mqtt": 3},
            invalid_readings=0,
            lost_readings={"unavailable": 4, "deadline": 1},
        )

    def _status(self, name):
        taken = self._taken[name]
        return SourceStatus(
            name=name,
            state=self._states[name],
            is_live=True if taken else None,
            frames=taken,
            drops=dict(self._drops[name]),
            reconnects=self._reconnects[name],
            error=self._errors.get(name),
            seen_s=time.time() if taken else None,
            counters={"damaged": 4, "skipped": 0} if name == self.names[0] else {},
        )

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        while not self._stop.wait(1 / self.fps):
            self.step()
