"""Identities that trackers keep on scripted scenes."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tracking_rivals import Found, assign_optimally, trackers
from tracking_scenes import load_scenes

from fsrfer.runtime.detection.nms import intersection_over_union
from fsrfer.runtime.tracking import (
    FaceTracker,
)

EVERY = (1, 2, 3, 5)
MIN_IOU = 0.5


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
