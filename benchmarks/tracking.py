"""Tracking: identities that are kept, time per frame, what smoothing gains and delays, what a crop's quality foretells.

Sections, all of them unless some are named with ``--sections``:

identities  scripted scenes (``tests/runtime/tracking/scenes.py``) and the embedded crowd clip, searched every 1, 2, 3
            and 5 frames: ours, ours with other measures and assignments, and, with ``--trackers-python``, ByteTrack and
            C-BIoU of the package ``trackers`` in an environment of their own (pip install trackers). Scored on the
            frames that are searched and on what is found in them, so that nobody is credited for boxes from motion.
speed       time a frame by number of faces.
smoothing   the crowd clip with readings as noisy as the shipped model is at each face size: accuracy before and after,
            and how much later a change of expression is shown.
evidence    needs ``--faces``: readings of one face at many sizes by the shipped model, combined with other weights, and
            how well a crop's quality foretells that its reading is right.
clips       needs ``--clips`` and ``--detector``: how long real people keep their ids.

    python benchmarks/tracking.py --faces ferplus:PATH --clips FOLDER --detector yunet:FILE.onnx \\
        --trackers-python PYTHON --json benchmarks/results/tracking.json
"""

from __future__ import annotations

import argparse
import heapq
import importlib.util
import json
import platform
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import cv2
import numpy as np

from fsrfer.core.files import write_json
from fsrfer.core.predictions import ExpressionPredictions, softmax
from fsrfer.datasets import open_dataset
from fsrfer.datasets.procedural import CrowdClip
from fsrfer.datasets.realistic import realistic_face
from fsrfer.runtime import default_bundle_path, open_bundle
from fsrfer.runtime.detection import DetectorConfig, FaceDetections, open_detector
from fsrfer.runtime.detection.nms import intersection_over_union
from fsrfer.runtime.tracking import (
    ExpressionSmoother,
    FaceTracker,
    ReadingConfig,
    ReadingPolicy,
    SmoothingConfig,
    TrackedFaces,
    TrackerConfig,
    crop_quality,
)
from fsrfer.runtime.tracking import association as likelihood
from fsrfer.runtime.tracking.assignment import assign
from fsrfer.runtime.tracking.association import associate
from fsrfer.runtime.tracking.quality import sharpness, size_quality

SECTIONS = ("identities", "speed", "smoothing", "evidence", "clips")
EVERY = (1, 2, 3, 5)
MIN_IOU = 0.5
Pairs = tuple[np.ndarray, np.ndarray]
Found = tuple[np.ndarray, np.ndarray]
"""Boxes (N, 4) and ids (N,) that a tracker reports in one frame."""


def main() -> None:
    """Run the sections, print their tables, and write them if asked to."""
    options = parse_options()
    results: dict[str, Any] = {"machine": platform.machine(), "numpy": np.__version__}
    for name in options.sections:
        print(f"\n== {name}")
        results[name] = globals()[f"measure_{name}"](options)
    if options.json is not None:
        write_json(options.json, results)


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, metavar="SECTION")
    parser.add_argument("--seeds", type=int, default=3, help="how often each scene is played")
    parser.add_argument("--faces", help="data set for the evidence, such as ferplus:PATH")
    parser.add_argument("--face-count", type=int, default=600)
    parser.add_argument("--clips", type=Path, metavar="FOLDER")
    parser.add_argument("--detector", help="as for fsrfer-run")
    parser.add_argument("--trackers-python", metavar="PYTHON", help="interpreter that has the package trackers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results here")
    options = parser.parse_args()
    if options.sections is None:
        wanting = {"evidence": options.faces, "clips": options.clips and options.detector}
        options.sections = [name for name in SECTIONS if wanting.get(name, True)]
    return options


# Identities


@dataclass(frozen=True)
class Score:
    """What became of the identities of a scene.

    Attributes:
        idf1: F1 of faces under their one best id (Ristani et al., arXiv 1609.01775), 0 to 1.
        mota: 1 minus misses, false boxes and switches over faces (Bernardin and Stiefelhagen, 2008), at most 1.
        switches: How often a face had another id than before.
        fragments: How often a face was found again after it was not.
    """

    idf1: float
    mota: float
    switches: int
    fragments: int


def measure_identities(options: argparse.Namespace) -> dict[str, Any]:
    """Compare trackers on the scenes."""
    scenes = load_scenes()
    played = {
        name: [play(seed=seed) for seed in range(options.seeds if name != "500 faces" else 1)]
        for name, play in scenes.SCENES.items()
    }
    table: dict[str, Any] = {}
    for tracker, run in trackers(options).items():
        table[tracker] = {}
        for name, takes in played.items():
            for every in EVERY:
                scores = [score(take, run(take, every), every) for take in takes]
                table[tracker].setdefault(name, {})[f"every {every}"] = summary(scores)
        print_identities(tracker, table[tracker])
    table["ours, all frames"] = all_frames(played)
    return table


def load_scenes() -> ModuleType:
    """Return the scenes that the tests play."""
    path = Path(__file__).parents[1] / "tests" / "runtime" / "tracking" / "scenes.py"
    spec = importlib.util.spec_from_file_location("scripted_scenes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["scripted_scenes"] = module
    spec.loader.exec_module(module)
    return module


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
    high = [found.select(found.scores >= TrackerConfig().high_score) for found in scene.detections]
    return type(scene)(scene.times, scene.frame_size, scene.truths, high)


class Cautious(FaceTracker):
    """Ours, but low scores go to tracks that were found just before, as in ByteTrack."""

    def _match(self, detections: FaceDetections) -> np.ndarray:
        row_of = super()._match(detections)
        low = np.flatnonzero((detections.scores < self._config.high_score) & (row_of >= 0))
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
    high = TrackerConfig().high_score
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


def score(scene: Any, found: Sequence[Found | None], every: int = 1) -> Score:
    """Score what a tracker found in a scene; only every so many frames are looked at."""
    last: dict[int, int] = {}
    was_found: dict[int, bool] = {}
    together: Counter[tuple[int, int]] = Counter()
    faces = boxes = hits = switches = fragments = 0
    for truth, reported in zip(scene.truths[::every], found[::every], strict=True):
        assert reported is not None
        overlap = intersection_over_union(truth.boxes, reported[0])
        rows, columns = np.nonzero(overlap >= MIN_IOU)
        together.update(zip(truth.ids[rows].tolist(), reported[1][columns].tolist(), strict=True))
        # As CLEAR MOT has it: who was together stays together while they overlap.
        stays = [
            last.get(int(truth.ids[row])) == int(reported[1][column]) for row, column in zip(rows, columns, strict=True)
        ]
        pairs = assign_optimally(
            rows, columns, overlap[rows, columns].astype(np.float64) + 10.0 * np.array(stays, float)
        )
        matched = dict(zip(truth.ids[pairs[0]].tolist(), reported[1][pairs[1]].tolist(), strict=True))
        switches += sum(last.get(identity, track) != track for identity, track in matched.items())
        fragments += sum(identity in last and not was_found.get(identity, True) for identity in matched)
        last.update(matched)
        was_found.update({identity: identity in matched for identity in truth.ids.tolist()})
        faces, boxes, hits = faces + len(truth.ids), boxes + len(reported[1]), hits + len(matched)
    keys = list(together)
    identities, tracks = (np.array([key[part] for key in keys], np.intp) for part in (0, 1))
    best = assign_optimally(identities, tracks, np.array([together[key] for key in keys], np.float64))
    kept = sum(together[pair] for pair in zip(best[0].tolist(), best[1].tolist(), strict=True))
    mota = 1.0 - (faces - hits + boxes - hits + switches) / faces
    return Score(2.0 * kept / (faces + boxes), mota, switches, fragments)


def summary(scores: Sequence[Score]) -> dict[str, float]:
    """Return means of the ratios and sums of the counts."""
    return {
        "idf1": round(float(np.mean([one.idf1 for one in scores])), 4),
        "mota": round(float(np.mean([one.mota for one in scores])), 4),
        "switches": sum(one.switches for one in scores),
        "fragments": sum(one.fragments for one in scores),
    }


def all_frames(played: dict[str, list[Any]]) -> dict[str, Any]:
    """Score ours on every frame, with the boxes from motion between detections."""
    scenes, table = load_scenes(), {}
    for name, takes in played.items():
        for every in EVERY:
            scores = []
            for take in takes:
                tracked = scenes.track(FaceTracker(), take, every)
                scores.append(score(take, [(faces.detections.boxes, faces.ids) for faces in tracked]))
            table.setdefault(name, {})[f"every {every}"] = summary(scores)
    print_identities("ours, all frames", table)
    return table


def print_identities(tracker: str, table: dict[str, Any]) -> None:
    """Print the table of one tracker."""
    print(f"{tracker}\n  {'':<18}" + "".join(f"{f'every {every}':>28}" for every in EVERY))
    print(f"  {'':<18}" + f"{'IDF1   MOTA  switch fragm':>28}" * len(EVERY))
    for name, by_every in table.items():
        cells = [
            f"{cell['idf1']:>9.3f}{cell['mota']:>7.3f}{cell['switches']:>6}{cell['fragments']:>6}"
            for cell in by_every.values()
        ]
        print(f"  {name:<18}" + "".join(cells))
    mean = [np.mean([by_every[f"every {every}"]["idf1"] for by_every in table.values()]) for every in EVERY]
    total = [sum(by_every[f"every {every}"]["switches"] for by_every in table.values()) for every in EVERY]
    print(
        f"  {'all':<18}" + "".join(f"{a:>9.3f}{'':>7}{b:>6}{'':>6}" for a, b in zip(mean, total, strict=True)),
        flush=True,
    )


# Speed


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


# Smoothing

ACCURACY_AT = {8.0: 0.515, 12.0: 0.609, 16.0: 0.684, 24.0: 0.760, 48.0: 0.820}
"""Accuracy of the shipped model by face size in pixels, realistic track: the README's table."""


def signal_at(sizes: np.ndarray) -> np.ndarray:
    """Return how far the true class stands out of unit noise so that the accuracy is the shipped model's."""
    wanted = np.interp(sizes, list(ACCURACY_AT), list(ACCURACY_AT.values()))
    return np.interp(wanted, *accuracy_by_signal())


@cache
def accuracy_by_signal() -> tuple[np.ndarray, np.ndarray]:
    """Return accuracies and the signals that reach them among the clip's expressions."""
    noise = np.random.default_rng(0).standard_normal((20000, len(CrowdClip.labels)))
    signals = np.linspace(0.2, 4.0, 77)
    return np.array([np.mean(noise[:, 0] + signal > noise[:, 1:].max(axis=1)) for signal in signals]), signals


def readings_of(labels: np.ndarray, sizes: np.ndarray, noise: np.ndarray) -> ExpressionPredictions:
    """Turn noise (N, K) into calibrated readings of faces: logits are the log-likelihoods of the classes."""
    signal = signal_at(sizes)[:, None]
    seen = noise + signal * np.eye(noise.shape[1])[labels]
    probabilities = softmax((signal * seen).astype(np.float32))
    return ExpressionPredictions(
        CrowdClip.labels,
        probabilities,
        probabilities.argmax(axis=1).astype(np.int64),
        sizes.astype(np.float32),
        np.zeros(len(labels), np.bool_),
    )


def noisy_readings(labels: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> ExpressionPredictions:
    """Return readings whose errors have nothing to do with each other."""
    return readings_of(labels, sizes, rng.standard_normal((len(labels), len(CrowdClip.labels))))


class CorrelatedNoise:
    """Errors of readings as faces make them: half stays while an expression is held, half fades within 0.3 s."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._held: dict[tuple[int, int], np.ndarray] = {}
        self._fading: dict[int, tuple[float, np.ndarray]] = {}

    def of(self, identity: int, moment: int, time_s: float) -> np.ndarray:
        """Return the noise (K,) of a person at a time; ``moment`` counts the person's expressions."""
        count = len(CrowdClip.labels)
        held = self._held.setdefault((identity, moment), self._rng.standard_normal(count))
        before_s, fading = self._fading.get(identity, (-np.inf, np.zeros(count)))
        kept = float(np.exp(-(time_s - before_s) / 0.3))
        fading = kept * fading + np.sqrt(1.0 - kept**2) * self._rng.standard_normal(count)
        self._fading[identity] = time_s, fading
        return (held + fading) / np.sqrt(2.0)


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


# Evidence


def measure_evidence(options: argparse.Namespace) -> dict[str, Any]:
    """Read faces at many sizes and blurs with the shipped model."""
    if options.faces is None:
        raise SystemExit("the section evidence needs --faces")
    faces = list(validation_faces(options.faces, options.face_count))
    return {"weights": fusion_by_weight(faces), "quality": foretelling(faces)}


def validation_faces(spec: str, count: int) -> Iterator[tuple[np.ndarray, str]]:
    """Give evenly spread faces of the validation split and their labels."""
    dataset = open_dataset(spec, "valid")
    for index in np.linspace(0, len(dataset) - 1, count).astype(int).tolist():
        sample = dataset[index]
        yield sample.image, dataset.labels[sample.label]


def fusion_by_weight(faces: Sequence[tuple[np.ndarray, str]]) -> dict[str, Any]:
    """Combine readings of one face at several sizes with several weights."""
    sizes = np.array([8, 8, 10, 10, 12, 14, 16, 20, 24, 32, 40, 44])
    with open_bundle(default_bundle_path(), threads=1) as classifier:
        truth = np.array([classifier.labels.index(label) for _, label in faces])
        readings = np.stack(
            [
                classifier.classify(
                    [realistic_face(face, int(size), 100 + k, str(index)) for k, size in enumerate(sizes)]
                ).probabilities
                for index, (face, _) in enumerate(faces)
            ]
        ).astype(np.float64)
    certainty = 1.0 + (readings * np.log(np.maximum(readings, 1e-12))).sum(axis=2) / np.log(readings.shape[2])
    by_size = {half: np.broadcast_to(sizes**2 / (sizes**2 + half**2), certainty.shape) for half in (16.0, 32.0)}
    weights = {
        "uniform": np.ones_like(certainty),
        "certainty": certainty,
        "size, half at 16 px": by_size[16.0],
        "size, half at 32 px": by_size[32.0],
        "size, half at 32 px, times certainty (ours)": by_size[32.0] * certainty,
    }
    subsets = {
        "8 to 44 px": slice(None),
        "8 to 12 px": slice(0, 5),
        "four of 8 to 10 px, one of 32 px": [0, 1, 2, 3, 9],
    }
    single = {
        name: float((readings[:, part].argmax(axis=2) == truth[:, None]).mean()) for name, part in subsets.items()
    }
    table = {"single reading": {name: {"accuracy": round(value, 4)} for name, value in single.items()}}
    for name, weight in weights.items():
        table[name] = {key: fused(readings[:, part], weight[:, part], truth) for key, part in subsets.items()}
    print(f"{'accuracy, NLL of combined readings':<46}" + "".join(f"{name:>34}" for name in subsets))
    for name, row in table.items():
        cells = (f"{cell['accuracy']:>25.3f}{cell.get('nll', ''):>9}" for cell in row.values())
        print(f"{name:<46}{''.join(cells)}", flush=True)
    return table


def fused(readings: np.ndarray, weights: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return accuracy and negative log-likelihood of weighted log-probabilities."""
    logs = np.log(np.maximum(readings, SmoothingConfig().min_probability))
    mean = (np.maximum(weights, 1e-3)[..., None] * logs).sum(axis=1) / np.maximum(weights, 1e-3).sum(axis=1)[:, None]
    probabilities = softmax(mean.astype(np.float32))
    nll = -np.log(probabilities[np.arange(len(truth)), truth]).mean()
    return {"accuracy": round(float((mean.argmax(axis=1) == truth).mean()), 4), "nll": round(float(nll), 4)}


def foretelling(faces: Sequence[tuple[np.ndarray, str]]) -> dict[str, Any]:
    """Return the area under the ROC curve with which measures of a crop tell right readings from wrong ones."""
    conditions = [(size, blur) for size in (10, 14, 20, 28, 40) for blur in (0.0, 0.03, 0.06, 0.1, 0.15)]
    values: dict[str, list[np.ndarray]] = defaultdict(list)
    right = []
    with open_bundle(default_bundle_path(), threads=1) as classifier:
        for index, (face, label) in enumerate(faces):
            crops = [
                realistic_face(blurred(face, blur), size, 200 + k, str(index))
                for k, (size, blur) in enumerate(conditions)
            ]
            right.append(classifier.classify(crops).label_index == classifier.labels.index(label))
            sides = np.array([size for size, _ in conditions], np.float32)
            boxes = np.stack([np.zeros_like(sides), np.zeros_like(sides), sides, sides], axis=1)
            values["size alone"].append(size_quality(sides))
            values["sharpness alone"].append(sharpness(crops))
            values["size and sharpness (ours)"].append(
                crop_quality(crops, FaceDetections(boxes, np.ones(len(crops), np.float32)))
            )
    is_sharp = np.array([blur == 0.0 for _, blur in conditions])
    table = {}
    print(f"\n{'area under the ROC curve':<30}{'blurred by 0 to 15 %':>24}{'not blurred':>14}")
    for name, rows in values.items():
        everything, sharp = (
            area_under_roc(np.array(rows)[:, part].ravel(), np.array(right)[:, part].ravel())
            for part in (slice(None), is_sharp)
        )
        table[name] = {"blurred by 0 to 15 %": round(everything, 3), "not blurred": round(sharp, 3)}
        print(f"{name:<30}{everything:>24.3f}{sharp:>14.3f}", flush=True)
    return table


def blurred(face: np.ndarray, blur: float) -> np.ndarray:
    """Blur a face by a standard deviation in sides."""
    return np.asarray(cv2.GaussianBlur(face, (0, 0), blur * min(face.shape[:2]))) if blur else face


def area_under_roc(values: np.ndarray, positive: np.ndarray) -> float:
    """Return the probability that a positive has a greater value than a negative, ties counted half."""
    ordered = np.sort(values[~positive])
    below = np.searchsorted(ordered, values[positive], "left")
    not_above = np.searchsorted(ordered, values[positive], "right")
    return float((below + not_above).mean() / 2.0 / max(1, len(ordered)))


# Clips


def measure_clips(options: argparse.Namespace) -> dict[str, Any]:
    """Follow real people."""
    if options.clips is None or options.detector is None:
        raise SystemExit("the section clips needs --clips and --detector")
    table: dict[str, Any] = {}
    config = DetectorConfig(max_side=640, score_threshold=0.3, min_face_px=6.0)
    with open_detector(options.detector, config, threads=1) as detector:
        for path in sorted(options.clips.glob("*.mp4")):
            frames = list(read_frames(path))
            found = [detector.detect(picture) for _, picture in frames]
            for every in (1, 3, 5):
                table.setdefault(path.name, {})[f"every {every}"] = follow_clip(frames, found, every)
            print(f"{path.name} ({len(frames)} frames): frames by id", flush=True)
            for every, ids in table[path.name].items():
                print(f"    {every}: {list(ids.values())}", flush=True)
    return table


def read_frames(path: Path, most: int = 300) -> Iterator[tuple[float, np.ndarray]]:
    """Give times and pictures of a clip."""
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == most:
                return
            yield float(frame.time or 0.0), frame.to_ndarray(format="rgb24")


def follow_clip(
    frames: Sequence[tuple[float, np.ndarray]], found: Sequence[FaceDetections], every: int
) -> dict[str, int]:
    """Return in how many frames each id is shown."""
    tracker, shown = FaceTracker(), Counter[int]()
    for index, ((time_s, picture), detections) in enumerate(zip(frames, found, strict=True)):
        size = (picture.shape[1], picture.shape[0])
        faces = tracker.predict(time_s, size) if index % every else tracker.update(detections, time_s, size)
        shown.update(faces.ids.tolist())
    return {str(track): count for track, count in sorted(shown.items())}


if __name__ == "__main__":
    main()
