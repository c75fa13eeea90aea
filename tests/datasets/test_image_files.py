"""Image files: whole or not, and their pixels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.datasets.image_files import decode_rgb, is_image_file

IMAGE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8), (0, 0), 2)


def encode(suffix, image=IMAGE):
    ok, data = cv2.imencode(suffix, image)
    assert ok
    return data.tobytes()


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".ppm", ".tif"])
def test_lossless_files_come_back_as_rgb(suffix):
    np.testing.assert_array_equal(decode_rgb(encode(suffix)), IMAGE[..., ::-1])


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_files_come_back_nearly(suffix):
    assert np.abs(decode_rgb(encode(suffix)).astype(int) - IMAGE[..., ::-1]).mean() < 3


def test_grey_files_are_repeated():
    np.testing.assert_array_equal(decode_rgb(encode(".png", IMAGE[..., 0])), np.stack([IMAGE[..., 0]] * 3, axis=-1))


@pytest.mark.parametrize("shape", [(9, 9), (9, 9, 3)])
def test_16_bit_files_keep_their_upper_bits(shape):
    deep = np.random.default_rng(0).integers(0, 1 << 16, shape, dtype=np.uint16)
    upper = (deep >> 8).astype(np.uint8)
    expected = np.stack([upper] * 3, axis=-1) if deep.ndim == 2 else upper[..., ::-1]
    np.testing.assert_array_equal(decode_rgb(encode(".png", deep)), expected)


def test_transparency_is_ignored():
    transparent = np.dstack([IMAGE, np.full(IMAGE.shape[:2], 128, np.uint8)])
    np.testing.assert_array_equal(decode_rgb(encode(".png", transparent)), IMAGE[..., ::-1])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([".jpg", ".png", ".bmp", ".webp"]), st.floats(0, 1, exclude_max=True))
def test_a_file_that_was_cut_off_anywhere_is_refused(suffix, part):
    whole = encode(suffix)
    with pytest.raises(ValueError, match=r"cut off|is empty|cannot be decoded|damaged"):
        decode_rgb(whole[: int(len(whole) * part)])


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
def test_the_message_says_that_it_was_cut_off(suffix):
    with pytest.raises(ValueError, match="cut off"):
        decode_rgb(encode(suffix)[:-20])


def test_a_thumbnail_in_the_header_does_not_hide_a_missing_end():
    thumbnail, whole = encode(".jpg", IMAGE[:8, :8].copy()), encode(".jpg")
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    with_thumbnail = whole[:2] + segment + whole[2:]
    np.testing.assert_array_equal(decode_rgb(with_thumbnail), decode_rgb(whole))
    with pytest.raises(ValueError, match="JPEG that was cut off"):
        decode_rgb(with_thumbnail[:-40])


def test_bytes_after_the_end_of_a_jpeg_do_no_harm():
    whole = encode(".jpg")
    np.testing.assert_array_equal(decode_rgb(whole + b"\0" * 100), decode_rgb(whole))


def test_progressive_jpegs_are_whole_too():
    ok, data = cv2.imencode(".jpg", IMAGE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert ok
    assert decode_rgb(data.tobytes()).shape == IMAGE.shape


def test_a_damaged_png_is_refused():
    whole = bytearray(encode(".png"))
    whole[len(whole) // 2] ^= 0xFF
    with pytest.raises(ValueError, match="PNG with a damaged IDAT chunk"):
        decode_rgb(bytes(whole))


@given(st.binary(max_size=60))
def test_arbitrary_bytes_raise_and_never_crash(data):
    with pytest.raises(ValueError, match=r".+"):
        decode_rgb(data)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([".jpg", ".png"]), st.data())
def test_damage_either_raises_or_gives_an_image(suffix, data):
    damaged = bytearray(encode(suffix))
    for _ in range(3):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = decode_rgb(bytes(damaged))
    except ValueError:
        return
    assert image.dtype == np.uint8
    assert image.ndim == 3


@pytest.mark.parametrize(("name", "expected"), [("a.jpg", True), ("a.JPEG", True), ("a.txt", False), ("jpg", False)])
def test_suffixes(name, expected):
    assert is_image_file(Path(name)) is expected
