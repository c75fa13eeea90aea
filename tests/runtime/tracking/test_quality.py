"""How much a crop can tell."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fsrfer.core.errors import InputSpecError
from fsrfer.datasets.procedural import ProceduralFaces
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.tracking import crop_quality, sharpness
from fsrfer.runtime.tracking.quality import size_quality


@pytest.fixture(scope="module")
def faces() -> list[np.ndarray]:
    drawn = ProceduralFaces(split="test", count=12, size=48)
    return [np.asarray(drawn[index].image) for index in range(12)]


def shrunk(face: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA))


def blurred(face: np.ndarray, sigma: float) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(face, (0, 0), sigma))


def test_blur_costs_sharpness_at_every_size(faces):
    for side in (12, 20, 32, 48):
        levels = [
            np.median(
                sharpness([shrunk(blurred(face, sigma), side) if sigma else shrunk(face, side) for face in faces])
            )
            for sigma in (0.0, 2.0, 4.0, 8.0)
        ]
        assert all(worse < 0.8 * better for better, worse in itertools.pairwise(levels))


def test_a_larger_face_is_sharper(faces):
    levels = [np.median(sharpness([shrunk(face, side) for face in faces])) for side in (8, 12, 20, 32)]
    assert all(larger > smaller for smaller, larger in itertools.pairwise(levels))


def test_contrast_and_brightness_do_not_matter(faces):
    dull = [(60 + face.astype(np.float32) * 0.4).astype(np.uint8) for face in faces]
    np.testing.assert_allclose(sharpness(dull), sharpness(faces), rtol=0.1)


def test_grey_and_colour_are_judged_alike(faces):
    grey = [cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) if face.ndim == 3 else face for face in faces]
    colour = [cv2.cvtColor(face, cv2.COLOR_GRAY2RGB) for face in grey]
    np.testing.assert_allclose(sharpness(colour), sharpness(grey), rtol=1e-3)


def test_a_flat_crop_is_not_sharp():
    assert sharpness([np.full((20, 20, 3), 128, np.uint8)]).tolist() == [0.0]
    assert sharpness([]).shape == (0,)


@settings(deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 60), st.integers(1, 60))))
def test_any_picture_has_a_sharpness(picture):
    (value,) = sharpness([picture])
    assert np.isfinite(value)
    assert value >= 0


def test_size_counts_less_and_less():
    quality = size_quality(np.array([0, 8, 16, 32, 64, 4096], np.float32))
    assert quality.dtype == np.float32
    assert quality[3] == pytest.approx(0.5)
    assert np.all(np.diff(quality) > 0)
    assert quality[-1] < 1.0


def detections(sides, scores) -> FaceDetections:
    boxes = np.array([[0, 0, side, side] for side in sides], np.float32).reshape(-1, 4)
    return FaceDetections(boxes, np.array(scores, np.float32))


def test_quality_falls_with_size_score_and_blur(faces):
    face = faces[0]
    crops = [shrunk(face, 40), shrunk(face, 12), shrunk(face, 40), shrunk(blurred(face, 4.0), 40)]
    best, small, doubtful, unsharp = crop_quality(crops, detections([40, 12, 40, 40], [0.9, 0.9, 0.5, 0.9]))
    assert 0 < max(small, doubtful, unsharp) < best <= 1


def test_what_is_no_number_is_worth_nothing(faces):
    quality = crop_quality(faces[:2], detections([20, 20], [np.nan, 0.9]))
    assert quality[0] == 0.0
    assert quality[1] > 0.0
    assert crop_quality(faces[:1], detections([np.inf], [0.9])).tolist() == [0.0]


@pytest.mark.parametrize(
    "crop",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(crop):
    with pytest.raises(InputSpecError, match="sharpness"):
        sharpness([crop])


def test_crops_of_other_faces_are_refused(faces):
    with pytest.raises(InputSpecError, match="crops"):
        crop_quality(faces[:2], detections([20], [0.9]))
