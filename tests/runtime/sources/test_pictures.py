"""Pictures: orientation, formats, damage."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core.errors import SourceError
from fsrfer.runtime.frame import Clock
from fsrfer.runtime.sources import open_source, parse_source
from fsrfer.runtime.sources.completeness import is_complete
from fsrfer.runtime.sources.pictures import read_picture

SUFFIXES = [".jpg", ".png", ".webp", ".bmp", ".ppm", ".tiff"]


def scene() -> np.ndarray:
    """RGB picture, wider than high, whose top left quarter is red."""
    image = np.random.default_rng(0).integers(90, 110, (40, 60, 3), dtype=np.uint8)
    image[:20, :30] = (220, 20, 20)
    return image


def encoded(suffix: str, options=()) -> bytes:
    return cv2.imencode(suffix, cv2.cvtColor(scene(), cv2.COLOR_RGB2BGR), list(options))[1].tobytes()


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Insert EXIF data with an orientation (EXIF 2.3, tag 0x0112)."""
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + bytes([0, orientation, 0, 0])
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + b"\x00\x01" + entry + b"\x00\x00\x00\x00"
    payload = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload + jpeg[2:]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_is_read_as_rgb(tmp_path, suffix):
    path = tmp_path / f"scene{suffix}"
    path.write_bytes(encoded(suffix))
    image = read_picture(path)
    assert image.shape == (40, 60, 3)
    assert image.dtype == np.uint8
    assert image[5, 5, 0] > 180 > 60 > image[5, 5, 2]


def test_grey_pictures_get_three_channels(tmp_path):
    path = tmp_path / "gray.png"
    path.write_bytes(cv2.imencode(".png", np.full((8, 9), 77, np.uint8))[1].tobytes())
    assert np.array_equal(read_picture(path), np.full((8, 9, 3), 77, np.uint8))


def test_the_orientation_of_exif_is_respected(tmp_path):
    path = tmp_path / "turned.jpg"
    path.write_bytes(with_orientation(encoded(".jpg"), 6))  # 6: turn clockwise by 90 degrees to see it upright
    image = read_picture(path)
    assert image.shape == (60, 40, 3)
    assert image[5, 35, 0] > 180 > 150 > image[5, 5, 0]


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(deadline=None, max_examples=25)
@given(share=st.floats(0, 0.99))
def test_a_cut_off_picture_is_an_error(tmp_path_factory, suffix, share):
    data = encoded(suffix)
    path = tmp_path_factory.getbasetemp() / f"cut{suffix}"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(SourceError, match=r"cut off|as a picture"):
        read_picture(path)


def test_progressive_jpegs_and_thumbnails_do_not_look_cut_off():
    progressive = encoded(".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    thumbnail = encoded(".jpg")
    payload = b"Exif\x00\x00" + thumbnail
    nested = progressive[:2] + b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload + progressive[2:]
    assert is_complete(progressive)
    assert is_complete(nested)
    assert not is_complete(nested[:-2])


def test_what_is_not_a_picture_is_an_error(tmp_path):
    path = tmp_path / "words.png"
    path.write_text("no picture", encoding="utf-8")
    with pytest.raises(SourceError, match=r"cannot read .*words.png as a picture"):
        read_picture(path)


def test_a_folder_gives_one_frame_a_picture(tmp_path):
    for name in ("b.png", "a.jpg"):
        (tmp_path / name).write_bytes(encoded(name[1:]))
    source = open_source(parse_source(str(tmp_path)))
    frames = list(source.frames(threading.Event()))
    assert [(frame.source, frame.index) for frame in frames] == [
        (str(tmp_path / "a.jpg"), 0),
        (str(tmp_path / "b.png"), 1),
    ]
    assert {(frame.time_s, frame.clock) for frame in frames} == {(0.0, Clock.STREAM)}
