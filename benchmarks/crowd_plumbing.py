"""The drawn crowd through the whole pipeline, against its ground truth: faces found, identities, labels.

fsrfer-train fit --recipe demo --output demo-bundle && fsrfer-export onnx demo-bundle
python benchmarks/crowd_plumbing.py demo-bundle --detector yunet:FILE.onnx --output FILE.json

Clips are drawn, encoded and read as any file is. The model is that of the demo, which was trained on such drawings: the
figures tell what the plumbing loses or gains, not how well people are read. Labels are those of the faces that were
found, also by the time since a person's expression changed: smoothing buys steadiness with delay. Whoever is more than
half hidden, or smaller than the smallest band, need not be found and is no false alarm.
"""

import argparse
import sys
import tempfile
from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from record import record

from fsrfer.datasets.procedural import CrowdClip, CrowdFrame, write_clip, write_ground_truth
from fsrfer.runtime import PipelineOptions, StreamPipeline, open_bundle
from fsrfer.runtime.detection import DetectorConfig, open_detector
from fsrfer.runtime.detection.nms import intersection_over_union
from fsrfer.runtime.recorded_boxes import RecordedBoxes
from fsrfer.runtime.results import FrameResult
from fsrfer.runtime.scene import FollowOptions
from fsrfer.runtime.sources import open_source, parse_sources

BANDS = ((8, 12), (12, 16), (16, 24), (24, 48))
"""Longer side of a true box in pixels, lower bound included."""

SINCE_CHANGE_S = (0.25, 0.5, 1.0)
"""Parts of the time since a person's expression changed; drawn people change it at once, every 2.4 s."""

LEAST_OVERLAP = 0.4
LEAST_VISIBLE = 0.5


@dataclass
class Score:
    """What one way of running came to, over all clips.

    Attributes:
        visible: True faces by band.
        found: Those that a result has.
        right: Those of these with the right label.
        extra: Faces of results that are none.
        switches: How often a person's track number changed.
        readings: Faces that the model read.
        settled: For each part of the time since a person's expression changed, whether the label was right.
    """

    visible: Counter = field(default_factory=Counter)
    found: Counter = field(default_factory=Counter)
    right: Counter = field(default_factory=Counter)
    extra: int = 0
    switches: int = 0
    readings: int = 0
    settled: dict = field(default_factory=lambda: defaultdict(list))
    _numbers: dict = field(default_factory=lambda: defaultdict(lambda: None))
    _shown: dict = field(default_factory=dict)

    def add(self, seed: int, clip: CrowdClip, result: FrameResult) -> None:
        """Compare a result with the truth of its frame."""
        truth = clip.frame(result.frame.index)
        sides = (truth.boxes[:, 2:] - truth.boxes[:, :2]).max(axis=1, initial=0.0)
        counts = (truth.visibility >= LEAST_VISIBLE) & (sides >= BANDS[0][0])
        pairs = matched(result.boxes, truth.boxes)
        self.extra += len(result) - len(pairs)
        self.visible.update(band_of(side) for side in sides[counts])
        since_change = self._since_change(seed, truth, result.frame.time_s)
        for face, person in pairs:
            if not counts[person]:
                continue
            band = band_of(sides[person])
            is_right = bool(result.predictions.label_index[face] == truth.label_indices[person])
            self.found[band] += 1
            self.right[band] += int(is_right)
            self.settled[since_change[person]].append(is_right)
            if result.tracks is not None:
                key, number = (seed, int(truth.track_ids[person])), int(result.tracks.ids[face])
                self.switches += self._numbers[key] not in (None, number)
                self._numbers[key] = number

    def _since_change(self, seed: int, truth: CrowdFrame, time_s: float) -> list[str]:
        parts = []
        for number, label in zip(truth.track_ids.tolist(), truth.label_indices.tolist(), strict=True):
            before, changed_s = self._shown.get((seed, number), (label, None))
            changed_s = time_s if label != before else changed_s
            self._shown[seed, number] = (label, changed_s)
            parts.append(part_of(None if changed_s is None else time_s - changed_s))
        return parts

    def row(self) -> dict:
        """Return the figures."""
        bands = [band for band in BANDS if self.visible[band]]
        found, visible = sum(self.found.values()), sum(self.visible.values())
        return {
            "recall": {
                f"{low}-{high}": round(self.found[low, high] / self.visible[low, high], 4) for low, high in bands
            },
            "precision": round(found / max(found + self.extra, 1), 4),
            "label_accuracy": {
                f"{low}-{high}": round(self.right[low, high] / max(self.found[low, high], 1), 4) for low, high in bands
            },
            "label_accuracy_of_all_found": round(sum(self.right.values()) / max(found, 1), 4),
            "label_accuracy_by_time_since_change": {
                part: round(float(np.mean(self.settled[part])), 4) for part in PARTS if self.settled[part]
            },
            "faces": visible,
            "readings": self.readings,
            "track_switches": self.switches,
        }


PARTS = (*(f"below {end} s" for end in SINCE_CHANGE_S), f"from {SINCE_CHANGE_S[-1]} s", "not changed yet")


def part_of(since_s: float | None) -> str:
    """Return which part of the time since a change a moment belongs to."""
    if since_s is None:
        return PARTS[-1]
    return PARTS[int(np.searchsorted(SINCE_CHANGE_S, since_s, side="right"))]


def band_of(side: float) -> tuple[int, int]:
    """Return the band of a face; larger ones belong to the last."""
    return next((band for band in BANDS if side < band[1]), BANDS[-1])


def matched(found: np.ndarray, true: np.ndarray) -> list[tuple[int, int]]:
    """Pair boxes that overlap, the best pairs first, each box once."""
    overlap = intersection_over_union(found, true)
    pairs = []
    while overlap.size and overlap.max() >= LEAST_OVERLAP:
        face, person = np.unravel_index(overlap.argmax(), overlap.shape)
        pairs.append((int(face), int(person)))
        overlap[face, :], overlap[:, person] = 0.0, 0.0
    return pairs


def main() -> None:
    """Run, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="a bundle trained with the recipe demo")
    parser.add_argument("--detector", required=True, help="a detector of real faces, as fsrfer-run takes it")
    parser.add_argument("--clips", type=int, default=3, help="number of clips, seeds 0, 1, ...")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    ways = {
        "true boxes, every face read by itself": (None, 1, False),
        "true boxes, followed and smoothed": (None, 1, True),
        "detector, every face read by itself": (options.detector, 1, False),
        "detector, followed and smoothed": (options.detector, 1, True),
        "detector on every third frame, followed and smoothed": (options.detector, 3, True),
    }
    scores = {name: Score() for name in ways}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        classifier = stack.enter_context(open_bundle(options.bundle))
        detector = stack.enter_context(open_detector(options.detector, DetectorConfig(), threads=1))
        for seed in range(options.clips):
            clip, path = CrowdClip(seed=seed), Path(name) / f"crowd-{seed}.mp4"
            write_clip(clip, path)
            write_ground_truth(clip, path.with_suffix(".jsonl"))
            known = RecordedBoxes(path.with_suffix(".jsonl"))
            for way, (spec, every, is_followed) in ways.items():
                limits = PipelineOptions(detect_every=every, follow=FollowOptions() if is_followed else None)
                sources = [open_source(one) for one in parse_sources([str(path)])]
                pipeline = StreamPipeline(sources, classifier, known if spec is None else detector, limits)
                for result in pipeline.results():
                    scores[way].add(seed, clip, result)
                scores[way].readings += pipeline.report().readings
            print(f"clip {seed + 1} of {options.clips}", file=sys.stderr, flush=True)
    record({"ways": {way: score.row() for way, score in scores.items()}}, options.output)


if __name__ == "__main__":
    main()
