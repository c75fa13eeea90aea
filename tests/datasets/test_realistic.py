"""Small faces as cameras deliver them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core import bicubic_resize
from fsrfer.core.errors import InputSpecError
from fsrfer.datasets.realistic import (
    KERNELS,
    REALISTIC_TRACK,
    DegradationRange,
    degrade,
    jitter,
    realistic_face,
)

HARMLESS = DegradationRange(
    shift=0, scale=0, rotation_deg=0, blur_px=0, motion_px=0, gamma=1, noise=0, jpeg_quality=(100, 100),
    kernels=("antialiased-bicubic",),
)  # fmt: skip


def face(shape=(48, 48), seed=0) -> np.ndarray:
    """Smooth structure, as a face has: waves of a few pixels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    waves = [np.sin(x * a + y * b + c) for a, b, c in rng.uniform(-0.4, 0.4, (6, 3))]
    gray = np.clip(128 + 30 * np.sum(waves, axis=0), 0, 255).astype(np.uint8)
    return gray if len(shape) == 2 else np.repeat(gray[..., None], 3, axis=2)


def difference(one, other) -> float:
    return float(np.abs(one.astype(np.float32) - other.astype(np.float32)).mean())


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.integers(0, 2**31), st.sampled_from([(40, 40), (44, 60), (40, 40, 3), (57, 41, 3)]))
def test_every_face_comes_out_at_its_size(size, seed, shape):
    small = realistic_face(face(shape), size, seed, "name")
    assert small.dtype == np.uint8
    assert small.shape == (size, size, *shape[2:])
    assert small.flags.c_contiguous


def test_seed_size_and_name_freeze_a_face():
    def made(size=16, seed=0, name="a"):
        return realistic_face(face(), size, seed, name)

    np.testing.assert_array_equal(made(), made())
    assert difference(made(), made(seed=1)) > 1
    assert difference(made(), made(name="b")) > 1
    assert difference(made(size=17)[:16, :16], made()) > 1


def test_without_any_range_only_the_kernel_is_left():
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(jitter(face(), HARMLESS, rng), face())
    # JPEG of quality 100 rounds its coefficients, and nothing more.
    assert difference(degrade(face(), 12, HARMLESS, rng), bicubic_resize(face(), 12)) < 1.0


@pytest.mark.parametrize(
    "changes",
    [
        {"blur_px": 3.0},
        {"motion_px": 8.0},
        {"gamma": 3.0},
        {"noise": 30.0},
        {"jpeg_quality": (1, 5)},
        {"kernels": ("nearest",)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_each_range_spoils_the_face_in_its_own_right(changes):
    ranges = replace(HARMLESS, **changes)
    clean = bicubic_resize(face(), 16)
    spoilt = [difference(degrade(face(), 16, ranges, np.random.default_rng(seed)), clean) for seed in range(12)]
    assert max(spoilt) > 2.0


def test_blur_is_measured_in_pixels_of_the_small_face():
    """The same blur leaves a face of 8 px less of its contrast than one of 24 px keeps."""
    ranges = replace(HARMLESS, blur_px=1.0)

    def contrast(size):
        kept = [
            degrade(face(seed=s), size, ranges, np.random.default_rng(s)).std()
            / bicubic_resize(face(seed=s), size).std()
            for s in range(20)
        ]
        return float(np.mean(kept))

    assert contrast(8) < contrast(24) < 1.0


def test_jitter_moves_the_crop_by_no_more_than_its_range():
    spot = np.zeros((48, 48), np.uint8)
    spot[22:26, 22:26] = 255
    ranges = replace(HARMLESS, shift=0.1)
    for seed in range(20):
        moved = jitter(spot, ranges, np.random.default_rng(seed))
        center = np.argwhere(moved > 100).mean(axis=0)
        assert np.abs(center - 23.5).max() <= 0.1 * 48 + 0.6


def test_jpeg_blocks_lie_anywhere_on_the_face():
    """With its grid fixed at the corner, flat columns would break only at multiples of 8."""
    ramp = np.tile(np.linspace(40, 210, 32).astype(np.uint8), (32, 1))
    ranges = replace(HARMLESS, jpeg_quality=(3, 3))
    breaks = set()
    for seed in range(12):
        coded = degrade(ramp, 32, ranges, np.random.default_rng(seed)).astype(int)
        steps = np.abs(np.diff(coded.mean(axis=0)))
        breaks.add(int(np.argmax(steps) + 1) % 8)
    assert len(breaks) > 2


def test_the_track_draws_from_every_kernel():
    assert set(REALISTIC_TRACK.kernels) == set(KERNELS)


@pytest.mark.parametrize(
    "changes",
    [{"kernels": ()}, {"kernels": ("sinc",)}, {"jpeg_quality": (90, 80)}, {"jpeg_quality": (0, 5)}, {"gamma": 0.5},
     {"noise": -1.0}],
)  # fmt: skip
def test_impossible_ranges_are_refused(changes):
    with pytest.raises(InputSpecError, match="impossible degradation"):
        replace(HARMLESS, **changes)


@pytest.mark.parametrize("size", [0, 49])
def test_faces_are_never_enlarged(size):
    with pytest.raises(InputSpecError, match="expected 1 to 48 px"):
        degrade(face(), size, HARMLESS, np.random.default_rng(0))
