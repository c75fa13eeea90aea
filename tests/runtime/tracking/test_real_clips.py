"""Real people before a real detector."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from fsrfer.runtime.detection import DetectorConfig, open_detector
from fsrfer.runtime.tracking import FaceTracker


@pytest.fixture(scope="module")
def read_clip(shared):
    """Reader of a clip: its frames as (time in seconds, picture), shrunk by a factor."""
    folder = shared / "media" / "clips"
    if not folder.is_dir():
        pytest.skip(f"no clips at {folder}")

    def read(name: str, shrink: int = 1):
        with av.open(str(folder / name)) as container:
            for frame in container.decode(video=0):
                picture = frame.to_ndarray(format="rgb24")
                size = (picture.shape[1] // shrink, picture.shape[0] // shrink)
                yield frame.time, np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))

    return read


@pytest.fixture(scope="module")
def yunet(shared):
    config = DetectorConfig(max_side=640, score_threshold=0.3, min_face_px=6.0)
    with open_detector(f"yunet:{shared / 'models' / 'yunet_n_dynamic.onnx'}", config, threads=1) as detector:
        yield detector


def follow(frames, detector, every: int) -> list:
    tracker, tracked = FaceTracker(), []
    for index, (time_s, picture) in enumerate(frames):
        size = (picture.shape[1], picture.shape[0])
        searched = index % every == 0
        faces = tracker.update(detector.detect(picture), time_s, size) if searched else tracker.predict(time_s, size)
        tracked.append(faces)
    return tracked


def frames_of_ids(tracked) -> dict[int, int]:
    ids, counts = np.unique(np.concatenate([faces.ids for faces in tracked]), return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


def test_the_default_detector_keeps_four_people_of_a_class_room_too(read_clip, retinaface):
    tracked = follow(read_clip("classroom.mp4"), retinaface.with_config(DetectorConfig(score_threshold=0.3)), 1)
    frames = frames_of_ids(tracked)
    assert len(frames) == 4
    assert min(frames.values()) >= 0.9 * len(tracked)


@pytest.mark.parametrize("shrink", [1, 2], ids=["faces of 15 to 22 px", "faces of 7 to 11 px"])
@pytest.mark.parametrize("every", [1, 3, 5])
def test_four_people_of_a_class_room_keep_one_id_each(read_clip, yunet, every, shrink):
    tracked = follow(read_clip("classroom.mp4", shrink), yunet, every)
    frames = frames_of_ids(tracked)
    assert len(frames) == 4
    assert min(frames.values()) >= 0.9 * len(tracked)


@pytest.mark.parametrize("every", [1, 3])
def test_people_who_walk_towards_the_camera_keep_their_ids(read_clip, yunet, every):
    tracked = follow(read_clip("face-demographics-walking-and-pause.mp4"), yunet, every)
    frames = frames_of_ids(tracked)
    assert len(frames) == 3
    assert min(frames.values()) == len(tracked)


def test_boxes_between_detections_lie_where_the_faces_are(read_clip, yunet):
    frames = list(read_clip("face-demographics-walking-and-pause.mp4"))
    predicted = follow(frames, yunet, 3)
    found = [yunet.detect(picture) for _, picture in frames]
    worst = []
    for faces, truth in zip(predicted, found, strict=True):
        moved = faces.detections.boxes[~faces.is_detected]
        centers, sides = moved.reshape(-1, 2, 2).mean(axis=1), truth.boxes.reshape(-1, 2, 2).mean(axis=1)
        distance = np.linalg.norm(centers[:, None] - sides, axis=2).min(axis=1, initial=np.inf)
        worst += (distance / np.maximum(faces.detections.sides[~faces.is_detected], 1)).tolist()
    assert len(worst) > 50
    assert np.median(worst) < 0.1
    assert max(worst) < 0.4


def test_nobody_is_followed_where_there_is_nobody(read_clip, yunet):
    tracked = follow(read_clip("no_face.mp4", 2), yunet, 3)
    assert sum(len(faces) for faces in tracked) == 0
