import numpy as np

from fsrfer.core.crop import crop_faces, crop_upright_faces
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.face_crops import cut_faces

IMAGE = np.random.default_rng(0).integers(0, 255, (80, 120, 3), dtype=np.uint8)
BOXES = np.array([[20, 20, 60, 60], [70, 30, 100, 60]], np.float32)
SCORES = np.ones(2, np.float32)
LEVEL = [[30, 35], [50, 35], [40, 45], [33, 52], [47, 52]]
TILTED = [[78, 38], [90, 50], [80, 50], [75, 52], [85, 58]]


def test_without_landmarks_crops_are_upright_squares_of_the_frame():
    crops = cut_faces(IMAGE, FaceDetections(BOXES, SCORES), 0.1)
    assert all(np.array_equal(a, b) for a, b in zip(crops, crop_faces(IMAGE, BOXES, 0.1), strict=True))
    assert all(np.shares_memory(crop, IMAGE) for crop in crops)


def test_a_tilted_face_is_turned_and_a_level_one_is_not():
    landmarks = np.array([LEVEL, TILTED], np.float32)
    level, tilted = cut_faces(IMAGE, FaceDetections(BOXES, SCORES, landmarks), 0.1)
    straight = crop_faces(IMAGE, BOXES, 0.1)
    assert np.array_equal(level, straight[0])
    assert tilted.shape == straight[1].shape
    assert not np.array_equal(tilted, straight[1])
    assert np.array_equal(tilted, crop_upright_faces(IMAGE, BOXES, landmarks, 0.1)[1])
