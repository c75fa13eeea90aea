"""Crowd clips as files: the video, and beside it what is on each frame."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from ...core.errors import DatasetError, InputSpecError
from ...core.files import atomic_path, write_text
from .crowd import CrowdClip, CrowdFrame


def write_clip(clip: CrowdClip, path: Path) -> None:
    """Write a clip as H.264 in MP4, atomically.

    Raises:
        InputSpecError: The frames have an odd side, for which the pixel format (yuv420p) has no chroma.
    """
    if clip.width % 2 or clip.height % 2:
        raise InputSpecError(
            "the clip cannot be encoded", expected="an even width and height", found=f"{clip.width}x{clip.height}"
        )
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(clip.fps), options={"crf": "16", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        for index in range(clip.frame_count):
            frame = av.VideoFrame.from_ndarray(clip.frame(index).image, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_ground_truth(clip: CrowdClip, path: Path) -> None:
    """Write what is on each frame, one line of JSON a frame, atomically.

    A line has ``frame`` and ``faces``, each with ``box``, ``track_id``, ``label`` and ``visibility``; ``fsrfer-run``
    takes the file as boxes that were found before.
    """
    lines = [json.dumps(_record(clip, index)) for index in range(clip.frame_count)]
    write_text(path, "\n".join(lines) + "\n")


def read_ground_truth(path: Path, labels: tuple[str, ...] = CrowdClip.labels) -> Iterator[CrowdFrame]:
    """Read what :func:`write_ground_truth` wrote; the frames come without their images (0 x 0 pixels).

    Args:
        path: The file.
        labels: Names that the frames' ``label_indices`` index.

    Raises:
        DatasetError: A line is not as it was written; the message names it.
    """
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        yield _read_line(path, number, line, labels)


def _read_line(path: Path, number: int, line: str, labels: tuple[str, ...]) -> CrowdFrame:
    try:
        faces = json.loads(line)["faces"]
        return CrowdFrame(
            image=np.zeros((0, 0, 3), np.uint8),
            boxes=np.array([face["box"] for face in faces], np.float32).reshape(-1, 4),
            track_ids=np.array([face["track_id"] for face in faces], np.int64),
            label_indices=np.array([labels.index(face["label"]) for face in faces], np.int64),
            visibility=np.array([face["visibility"] for face in faces], np.float32),
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise DatasetError(f"{path}, line {number} is no ground truth", found=repr(problem)) from problem


def _record(clip: CrowdClip, index: int) -> dict[str, Any]:
    frame = clip.frame(index)
    rows = zip(
        frame.boxes.astype(float).round(2).tolist(),
        frame.track_ids.tolist(),
        frame.label_indices.tolist(),
        frame.visibility.astype(float).round(3).tolist(),
        strict=True,
    )
    faces = [
        {"box": box, "track_id": track, "label": clip.labels[label], "visibility": share}
        for box, track, label, share in rows
    ]
    return {"frame": index, "time_s": round(index / clip.fps, 6), "faces": faces}
