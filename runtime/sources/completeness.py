"""Whether a picture file reaches its end, told from its structure without decoding it."""

from __future__ import annotations

import re

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# In the entropy-coded data of a JPEG, 0xFF is followed by a stuffed zero or by one of the eight restart markers.
_JPEG_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
_JPEG_END = 0xD9


def is_complete(data: bytes) -> bool:
    """Tell whether a picture is whole; True for formats whose decoders notice by themselves.

    Args:
        data: Content of a picture file.
    """
    if data.startswith(b"\xff\xd8"):
        return _jpeg_reaches_end(data)
    if data.startswith(_PNG_SIGNATURE):
        return _png_reaches_end(data)
    if data.startswith(b"RIFF"):
        return len(data) >= 8 + int.from_bytes(data[4:8], "little")
    return True


def _jpeg_reaches_end(data: bytes) -> bool:
    # ITU-T T.81, annex B. Searching for the end marker alone would find the one of an embedded thumbnail.
    position = 2
    while found := _JPEG_MARKER.search(data, position):
        marker, position = found.group(1)[0], found.end()
        if marker == _JPEG_END:
            return True
        if position + 2 > len(data):
            return False
        position += int.from_bytes(data[position : position + 2], "big")
    return False


def _png_reaches_end(data: bytes) -> bool:
    # PNG specification, 5.3: length, type, data, check sum.
    position = len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        position += 12 + length
        if kind == b"IEND":
            return position <= len(data)
    return False
