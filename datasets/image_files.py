"""Image files: is the file whole, and its pixels as 8-bit RGB."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

IMAGE_SUFFIXES: tuple[str, ...] = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Suffixes that are read, in lower case."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))


def is_image_file(path: Path) -> bool:
    """Tell whether the file's suffix is one that is read."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def decode_rgb(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode an image file.

    Grey images are repeated in all channels, 16-bit ones keep their upper 8 bits, transparency is ignored, and the
    orientation that a camera noted is applied.

    Args:
        data: Content of the file.

    Returns:
        uint8 (height, width, 3) in RGB order.

    Raises:
        ValueError: The file is cut off, damaged, or not an image; the message says which.
    """
    problem = _structural_problem(data)
    if problem is not None:
        raise ValueError(problem)
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ValueError(f"cannot be decoded: {error.err}") from error
    if bgr is None:
        raise ValueError("cannot be decoded as an image")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _structural_problem(data: bytes) -> str | None:
    # Some releases of OpenCV decode a file that was cut off and fill the rest with grey, so the ends are looked at.
    if not data:
        return "is empty"
    if data.startswith(b"\xff\xd8"):
        return None if _jpeg_has_end(data) else "is a JPEG that was cut off"
    if data.startswith(_PNG_SIGNATURE):
        return _png_problem(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _shorter_than(data, 8 + int.from_bytes(data[4:8], "little"), "WebP")
    if data.startswith(b"BM"):
        return _shorter_than(data, int.from_bytes(data[2:6], "little"), "BMP")
    return None


def _shorter_than(data: bytes, declared: int, kind: str) -> str | None:
    return f"is a {kind} file that was cut off" if len(data) < declared else None


def _jpeg_has_end(data: bytes) -> bool:
    # Thumbnails inside the header have an end marker of their own: skip the header's segments before looking for one.
    # After the start of the scan every 0xFF of the data is stuffed, so FF D9 can only be the end (ITU-T T.81, B.1).
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
        elif marker in _JPEG_WITHOUT_LENGTH:
            position += 2
        elif marker == 0xDA:
            return data.find(b"\xff\xd9", position) >= 0
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return False


def _png_problem(data: bytes) -> str | None:
    # Chunks: length, type, content, CRC-32 of type and content (PNG specification, 5.3).
    position = len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 12 + length
        if end > len(data):
            break
        kind = data[position + 4 : position + 8]
        if zlib.crc32(data[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return f"is a PNG with a damaged {kind.decode('latin-1')} chunk"
        if kind == b"IEND":
            return None
        position = end
    return "is a PNG that was cut off"
