"""Crowd clips as files: the video, and beside it what is on each frame."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import av
import numpy as np

from ...core.errors import BackendUnavailableError, DatasetError, InputSpecError
from ...core.files import atomic_path, write_text
from .crowd import CrowdClip, CrowdFrame

_LOGGER = logging.getLogger(__name__)

# In order of preference: PyAV may be built on an FFmpeg without libx264, whose licence is the GPL.
_CODEC_OPTIONS: MappingProxyType[str, dict[str, str]] = MappingProxyType(
    {"libx264": {"crf": "16", "preset": "veryfast"}, "mpeg4": {"qscale": "2"}}
)


def write_clip(clip: CrowdClip, path: Path, *, codec: str | None = None) -> None:
    """Write a clip as MP4, atomically; the file's ``comment`` says which encoder made it.

    Args:
        clip: What to write.
        path: The file.
        codec: ``libx264`` (H.264) or ``mpeg4`` (MPEG-4 part 2); by default the first of them that FFmpeg has.

    Raises:
        InputSpecError: The frames have an odd side, for which the pixel format (yuv420p) has no chroma.
        BackendUnavailableError: This FFmpeg does not have the encoder.
    """
    chosen = _available_codec(codec)
    if clip.width % 2 or clip.height % 2:
        raise InputSpecError(
            "the clip cannot be encoded", expected="an even width and height", found=f"{clip.width}x{clip.height}"
        )
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        container.metadata["comment"] = f"encoder {chosen}"
        added = container.add_stream(chosen, rate=Fraction(clip.fps), options=_CODEC_OPTIONS[chosen])
        stream = cast("av.VideoStream", added)
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        for index in range(clip.frame_count):
            frame = av.VideoFrame.from_ndarray(clip.frame(index).image, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _available_codec(wanted: str | None) -> str:
    candidates = tuple(_CODEC_OPTIONS) if wanted is None else (wanted,)
    available = [codec for codec in candidates if codec in _CODEC_OPTIONS and codec in av.codecs_available]
    if not available:
        raise BackendUnavailableError(
            "the clip cannot be encoded",
            expected=f"an FFmpeg with {' or '.join(_CODEC_OPTIONS)}",
            found="neither" if wanted is None else wanted,
            fix="pip install --force-reinstall av",
        )
    if wanted is None and available[0] != candidates[0]:
        _LOGGER.warning("this FFmpeg has no %s: the clip is %s", candidates[0], available[0])
    return available[0]


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
