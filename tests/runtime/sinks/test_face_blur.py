"""Faces made unrecognisable."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.runtime.sinks import AnnotatedPictureSink, AnnotatedVideoSink
from fsrfer.runtime.sinks.face_blur import FaceBlur, blur_boxes

NOISE = 85  # mean difference of neighbours in random pixels


def noisy(result, seed=0):
    image = result.frame.image
    image[:] = np.random.default_rng(seed).integers(0, 256, image.shape, dtype=np.uint8)
    return result


def detail(image) -> float:
    return float(np.abs(np.diff(image.astype(int), axis=1)).mean())


def test_nothing_fine_is_left_of_a_face_and_the_rest_stays(make_result):
    result = noisy(make_result([(200, 100, 240, 148)], size=(480, 270)))
    before = result.frame.image.copy()
    image = FaceBlur().blurred(result).frame.image
    assert detail(image[100:148, 206:234]) < 10 < NOISE
    assert np.array_equal(image[:, :180], before[:, :180])
    assert np.array_equal(image[180:], before[180:])
    assert np.array_equal(result.frame.image, before)


def test_two_faces_of_the_same_mean_look_alike(make_result):
    images = []
    for seed in range(2):
        result = noisy(make_result([(40, 20, 88, 68)]), seed)
        images.append(FaceBlur().blurred(result).frame.image[26:62, 46:82].astype(int))
    assert np.abs(images[0] - images[1]).mean() < 15  # that of two noises is 85


def test_a_face_crop_is_blurred_as_a_whole(make_result):
    image = FaceBlur().blurred(noisy(make_result(None, size=(48, 48)))).frame.image
    assert detail(image[8:40, 8:40]) < 15


def test_a_face_that_is_lost_for_a_moment_does_not_flash_up(make_result):
    blur, box = FaceBlur(), [(40, 20, 80, 60)]
    region = np.s_[26:54, 46:74]
    blur.blurred(noisy(make_result(box, time_s=10.0)))
    lost = blur.blurred(noisy(make_result([], time_s=10.4)))
    assert detail(lost.frame.image[region]) < 15
    gone = blur.blurred(noisy(make_result([], time_s=11.0)))
    assert detail(gone.frame.image[region]) > 70


def test_neither_time_that_runs_backwards_nor_another_source_hides_anything(make_result):
    blur = FaceBlur()
    blur.blurred(make_result([(40, 20, 80, 60)], time_s=10.0))
    for other in (make_result([], time_s=10.1, source="another"), make_result([], time_s=2.0)):
        assert detail(blur.blurred(noisy(other)).frame.image[26:54, 46:74]) > 70


SIDE = st.floats(-1e4, 1e4, width=32) | st.sampled_from([float("inf"), float("-inf"), float("nan")])


@settings(deadline=None)
@given(boxes=st.lists(st.tuples(SIDE, SIDE, SIDE, SIDE), max_size=5))
def test_any_boxes_can_be_blurred(boxes):
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    blur_boxes(image, np.array(boxes, np.float32).reshape(-1, 4))
    if not np.isfinite(np.array(boxes)).all():
        assert detail(image[10:30, 15:45]) < 15


@pytest.mark.parametrize("blur_faces", [True, False])
def test_sinks_blur_where_they_are_asked_to(tmp_path, make_result, blur_faces):
    result = noisy(make_result([(400, 200, 500, 300)], size=(960, 540)))
    with AnnotatedPictureSink(tmp_path / "seen.png", blur_faces=blur_faces) as pictures:
        pictures.write(result)
    with AnnotatedVideoSink(tmp_path / "seen.mp4", blur_faces=blur_faces) as videos:
        videos.write(result)
    with av.open(str(tmp_path / "seen.mp4")) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
    for image in (cv2.imread(str(tmp_path / "seen.png")), frame):
        assert (detail(image[220:280, 420:480]) < 10) == blur_faces
        assert detail(image[400:500, 100:300]) > 20
