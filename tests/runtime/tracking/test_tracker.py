"""Following faces: scripted scenes, breaks, and whatever a detector may say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core.crop import crop_faces
from fsrfer.core.errors import InputSpecError, UsageError
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.tracking import FaceTracker, TrackerConfig

SIZE = (640, 360)
NOBODY = FaceDetections.empty()


def followed(tracker: FaceTracker, detections, seconds: float = 1.0, start_s: float = 0.0):
    """Show the same detections for a while at 10 frames a second, and return the last result."""
    for time_s in np.arange(start_s, start_s + seconds, 0.1).tolist():
        faces = tracker.update(detections, time_s, SIZE)
    return faces


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize(
    ("name", "most_switches"),
    [("crossing", 2), ("occlusion", 0), ("dropped frames", 2), ("leave and enter", 0), ("weak scores", 4)],
)
def test_people_keep_their_ids(scenes, name, most_switches, every):
    scene = scenes.SCENES[name]()
    tracked = scenes.track(FaceTracker(), scene, every)
    assert scenes.identity_switches(scene, tracked) <= most_switches


def test_faces_of_8_px_at_5_frames_a_second_keep_their_ids(scenes):
    scene = scenes.tiny_at_low_rate()
    moves = [np.abs(b.boxes - a.boxes).max() for a, b in zip(scene.truths[:-1], scene.truths[1:], strict=True)]
    assert np.median(moves) > 7.0  # in every other frame somebody moves by a face's size
    tracked = scenes.track(FaceTracker(), scene)
    faces = sum(len(truth.ids) for truth in scene.truths)
    assert scenes.identity_switches(scene, tracked) < 0.01 * faces


def test_who_enters_where_another_left_is_somebody_else(scenes):
    scene = scenes.leave_and_enter()
    tracked = scenes.track(FaceTracker(), scene)
    seen = [set(faces.ids[faces.is_detected].tolist()) for faces in tracked]
    assert len(set().union(*seen)) == 8


def test_five_hundred_faces_are_followed_and_every_run_is_the_same(scenes):
    scene = scenes.crowd(seconds=1.5)
    first, second = scenes.track(FaceTracker(), scene, 2), scenes.track(FaceTracker(), scene, 2)
    assert scenes.identity_switches(scene, first) < 0.003 * sum(len(truth.ids) for truth in scene.truths)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.ids, b.ids)
        np.testing.assert_array_equal(a.detections.boxes, b.detections.boxes)


def test_the_drawn_crowd(scenes):
    scene = scenes.drawn_crowd(seconds=4.0)
    assert scenes.identity_switches(scene, scenes.track(FaceTracker(), scene)) <= 8


def test_found_faces_have_the_very_boxes_of_the_detector(make_detections):
    tracker = FaceTracker()
    followed(tracker, make_detections((100, 100, 20), (300, 200, 30)))
    moved = make_detections((104, 101, 21), (297, 199, 28), scores=[0.8, 0.95])
    faces = tracker.update(moved, 1.0, SIZE)
    assert faces.ids.tolist() == [2, 1]  # best score first
    assert faces.is_detected.all()
    np.testing.assert_array_equal(faces.detections.boxes, moved.boxes[[1, 0]])
    np.testing.assert_allclose(faces.age_s, 1.0)


def test_low_scores_keep_a_track_and_do_not_begin_one(make_detections):
    tracker = FaceTracker()
    followed(tracker, make_detections((100, 100, 20)))
    faces = tracker.update(make_detections((101, 100, 20), (400, 100, 20), scores=[0.4, 0.64]), 1.0, SIZE)
    assert faces.ids.tolist() == [1]
    assert faces.is_detected.tolist() == [True]
    assert faces.detections.scores.tolist() == [np.float32(0.4)]
    assert tracker.update(make_detections((400, 100, 20), scores=[0.65]), 1.1, SIZE).ids.tolist() == [2, 1]


def test_a_high_score_has_the_first_choice(make_detections):
    tracker = FaceTracker()
    followed(tracker, make_detections((100, 100, 20)))
    faces = tracker.update(make_detections((103, 100, 20), (100, 100, 20), scores=[0.9, 0.5]), 1.0, SIZE)
    assert faces.detections.boxes[faces.ids == 1].tolist() == [[93, 90, 113, 110]]


def test_a_frame_without_detection_shows_faces_where_they_move_to(make_detections):
    tracker = FaceTracker()
    for step in range(15):
        tracker.update(make_detections((100 + 4 * step, 100, 20)), step / 10, SIZE)
    for ahead in (1, 2, 3):
        faces = tracker.predict(1.4 + ahead / 10, SIZE)
        center = faces.detections.boxes[0].reshape(2, 2).mean(axis=0)
        np.testing.assert_allclose(center, [156 + 4 * ahead, 100], atol=2.5)
        assert faces.ids.tolist() == [1]
        assert not faces.is_detected.any()
    found = tracker.update(make_detections((176, 100, 20)), 1.9, SIZE)
    assert found.ids.tolist() == [1]


def test_landmarks_move_with_the_face():
    landmarks = np.array([[[4, 6], [12, 6], [8, 10], [5, 14], [11, 14]]], np.float32)
    tracker = FaceTracker()
    for step in range(10):
        x = np.float32(100 + 5 * step)
        box = np.array([[x, 50, x + 16, 70]], np.float32)
        corner = box[:, None, :2]
        tracker.update(FaceDetections(box, np.array([0.9], np.float32), landmarks + corner), step / 10, SIZE)
    faces = tracker.predict(1.0, SIZE).detections
    np.testing.assert_allclose(faces.landmarks - faces.boxes[:, None, :2], landmarks, atol=1.0)


def test_a_face_that_is_missed_lingers_for_a_moment(make_detections):
    tracker = FaceTracker(TrackerConfig(max_coast_s=0.4))
    face = make_detections((100, 100, 20))
    followed(tracker, face)
    shown = [len(tracker.update(NOBODY, 0.9 + step / 10, SIZE)) for step in range(1, 8)]
    assert shown == [1, 1, 1, 1, 0, 0, 0]
    assert len(tracker.predict(1.65, SIZE)) == 0
    assert tracker.live_ids.tolist() == [1]
    assert tracker.update(face, 1.7, SIZE).ids.tolist() == [1]


def test_a_single_false_alarm_does_not_linger(make_detections):
    tracker = FaceTracker()
    tracker.update(make_detections((100, 100, 20)), 0.0, SIZE)
    assert len(tracker.predict(0.1, SIZE)) == 1  # the frame was not searched: nothing speaks against it yet
    assert len(tracker.update(NOBODY, 0.2, SIZE)) == 0


def test_a_face_does_not_linger_where_another_one_is(make_detections):
    tracker = FaceTracker()
    followed(tracker, make_detections((100, 100, 20), (140, 100, 40)))
    faces = tracker.update(make_detections((104, 100, 40)), 1.0, SIZE)
    assert 1 not in faces.ids.tolist()


def test_a_lost_face_is_remembered_for_as_long_as_is_said(make_detections):
    for pause_s, same in ((1.9, True), (2.1, False)):
        tracker = FaceTracker(TrackerConfig(max_lost_s=2.0))
        face = make_detections((100, 100, 20))
        followed(tracker, face)
        for time_s in np.arange(1.0, 0.9 + pause_s, 0.1).tolist():
            tracker.update(NOBODY, time_s, SIZE)
        assert (tracker.update(face, 0.9 + pause_s, SIZE).ids.tolist() == [1]) is same


def test_a_face_that_left_the_frame_is_gone(make_detections):
    tracker = FaceTracker()
    for step in range(10):
        tracker.update(make_detections((100 - 10 * step, 100, 20)), step / 10, SIZE)
    for step in range(10, 18):
        tracker.update(NOBODY, step / 10, SIZE)
    assert tracker.live_ids.tolist() == []


@pytest.mark.parametrize(
    ("time_s", "size"),
    [(0.5, SIZE), (0.9 - 1e-6, SIZE), (20.0, SIZE), (1.0, (1280, 720))],
    ids=["far back", "a little back", "long gap", "another frame size"],
)
@pytest.mark.parametrize("by_prediction", [False, True])
def test_a_break_ends_all_tracks_and_ids_go_on(make_detections, time_s, size, by_prediction):
    tracker = FaceTracker()
    face = make_detections((100, 100, 20))
    followed(tracker, face)
    if by_prediction:
        assert len(tracker.predict(time_s, size)) == 0
    faces = tracker.update(face, time_s, size)
    assert faces.ids.tolist() == [2]
    assert faces.age_s.tolist() == [0.0]


def test_two_frames_of_one_moment_are_no_break(make_detections):
    tracker = FaceTracker()
    face = make_detections((100, 100, 20))
    assert [tracker.update(face, 5.0, SIZE).ids.tolist() for _ in range(5)] == [[1]] * 5


@pytest.mark.parametrize("time_s", [float("nan"), float("inf"), -float("inf")])
def test_a_frame_without_a_time_is_refused_and_harms_nothing(make_detections, time_s):
    tracker = FaceTracker()
    face = make_detections((100, 100, 20))
    followed(tracker, face)
    with pytest.raises(InputSpecError, match="without a time"):
        tracker.update(face, time_s, SIZE)
    with pytest.raises(InputSpecError, match="without a time"):
        tracker.predict(time_s, SIZE)
    assert tracker.update(face, 1.0, SIZE).ids.tolist() == [1]


def test_what_is_no_face_in_the_frame_is_left_out_and_counted(make_detections):
    inf, nan = np.float32(np.inf), np.float32(np.nan)
    boxes = np.array(
        [
            [90, 90, 110, 110],
            [0, 0, inf, inf],
            [50, 50, 60, 60],
            [10, 10, 10, 30],
            [-50, 0, -20, 9],
            [0, 0, 9, 3e7],
            [639.5, 0, 660, 20],
        ],
        np.float32,
    )
    scores = np.array([0.9, 0.9, nan, 0.9, 0.9, 0.9, 0.9], np.float32)
    tracker = FaceTracker()
    for step in range(3):
        faces = tracker.update(FaceDetections(boxes, scores), step / 10, SIZE)
        assert faces.ids.tolist() == [1]
    assert tracker.ignored == 18
    np.testing.assert_allclose(tracker.predict(0.3, SIZE).detections.boxes, boxes[:1], atol=0.5)


def broken_camera(rng: np.random.Generator):
    """Frames as a broken detector on a broken camera might give them: detections, time, whether it was searched."""
    time_s = 0.0
    for _ in range(rng.integers(1, 25)):
        count = int(rng.integers(0, 7))
        corners = np.sort(rng.uniform(-60, 700, (count, 2, 2)), axis=1)
        corners[rng.random(corners.shape) < 0.05] = rng.choice([np.inf, -np.inf, 1e30, -1e30, 0.0])
        scores = rng.choice([0.1, 0.5, 0.7, 0.99, np.nan], count)
        boxes = np.sort(corners, axis=1).reshape(-1, 4).astype(np.float32)
        time_s += rng.choice([0.0, 0.01, 0.1, 0.5, 2.0, 1e9, -0.1, -1e9], p=[0.1, 0.1, 0.3, 0.2, 0.1, 0.1, 0.05, 0.05])
        yield FaceDetections(boxes, scores.astype(np.float32)), float(time_s), bool(rng.random() < 0.7)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_whatever_comes_results_are_sound(seed):
    tracker = FaceTracker()
    begun: set[int] = set()
    limits = np.tile(np.array(SIZE, np.float32), 2)
    for detections, time_s, is_searched in broken_camera(np.random.default_rng(seed)):
        faces = tracker.update(detections, time_s, SIZE) if is_searched else tracker.predict(time_s, SIZE)
        boxes, ids, live = faces.detections.boxes, faces.ids.tolist(), set(tracker.live_ids.tolist())
        assert len(set(ids)) == len(ids)
        assert all(track > max(begun, default=0) for track in live - begun)  # ids only ever grow
        assert set(ids) <= live
        assert is_searched or not faces.is_detected.any()
        assert (faces.age_s >= 0).all()
        assert np.all(np.diff(faces.detections.scores) <= 0)
        assert np.isfinite(boxes).all()
        assert ((boxes[:, 2:] > 0) & (boxes[:, :2] < limits[:2]) & (boxes[:, 2:] > boxes[:, :2])).all()
        moved = boxes[~faces.is_detected]
        assert ((moved >= 0) & (moved <= limits)).all()
        assert len(crop_faces(np.zeros((SIZE[1], SIZE[0]), np.uint8), boxes, 0.1)) == len(faces)
        begun |= live


def test_memory_is_bounded_by_what_is_remembered():
    tracker = FaceTracker(TrackerConfig(max_lost_s=1.0))
    rng = np.random.default_rng(0)
    for step in range(400):
        corners = rng.uniform(0, 340, (5, 2)).astype(np.float32)
        boxes = np.concatenate([corners, corners + 12], axis=1)
        tracker.update(FaceDetections(boxes, np.full(5, 0.9, np.float32)), step / 10, SIZE)
    assert len(tracker.live_ids) <= 5 * 12


@pytest.mark.parametrize(
    "options",
    [
        {"high_score": -0.1},
        {"high_score": 1.5},
        {"high_score": float("nan")},
        {"max_lost_s": 0.0},
        {"max_lost_s": float("inf")},
        {"max_coast_s": -1.0},
        {"max_coast_s": float("nan")},
    ],
)
def test_an_impossible_configuration_is_refused(options):
    with pytest.raises(UsageError, match="tracking"):
        TrackerConfig(**options)
