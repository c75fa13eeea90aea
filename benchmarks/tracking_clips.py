"""How long people in real clips keep their ids."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from fsrfer.runtime.detection import DetectorConfig, FaceDetections, open_detector
from fsrfer.runtime.tracking import (
    FaceTracker,
)


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
