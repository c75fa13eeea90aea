"""Crowd clips: the truth about them is true."""

from __future__ import annotations

import itertools

import av
import numpy as np
import pytest

from fsrfer.core.errors import DatasetError, InputSpecError
from fsrfer.datasets.procedural import CrowdClip, read_ground_truth, write_clip, write_ground_truth


@pytest.fixture(scope="module")
def clip() -> CrowdClip:
    return CrowdClip(seed=2, seconds=3.0)


@pytest.fixture(scope="module")
def frames(clip):
    return [clip.frame(index) for index in range(clip.frame_count)]


def test_a_frame_follows_from_seed_and_index_alone(clip):
    again = CrowdClip(seed=2, seconds=3.0)
    np.testing.assert_array_equal(again.frame(11).image, clip.frame(11).image)
    assert not np.array_equal(CrowdClip(seed=3, seconds=3.0).frame(11).image, clip.frame(11).image)


def test_boxes_lie_in_the_frame_and_are_small_faces(clip, frames):
    for frame in frames:
        boxes = frame.boxes
        assert len(boxes) > 10
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2] <= clip.width).all()
        assert (boxes[:, 3] <= clip.height).all()
        heights = boxes[:, 3] - boxes[:, 1]
        assert heights.min() > 5
        assert heights.max() < 60


def test_a_track_moves_smoothly_and_keeps_its_name(frames):
    for before, after in itertools.pairwise(frames):
        assert len(set(after.track_ids.tolist())) == len(after.track_ids)
        old = dict(zip(before.track_ids.tolist(), before.boxes, strict=True))
        for track, box in zip(after.track_ids.tolist(), after.boxes, strict=True):
            if track in old:
                assert np.abs((box[:2] + box[2:]) / 2 - (old[track][:2] + old[track][2:]) / 2).max() < 8


def test_expressions_are_held_and_change(frames):
    held = {}
    changes = 0
    for frame in frames:
        for track, label in zip(frame.track_ids.tolist(), frame.label_indices.tolist(), strict=True):
            changes += track in held and held[track] != label
            held[track] = label
    assert 0 < changes < 2 * len(held)


def test_faces_are_where_the_boxes_say(clip, frames):
    """The same hall with one person only shows what the others' boxes cover; boxes that are off would show hall."""
    frame = frames[0]
    nearly_empty = CrowdClip(seed=2, seconds=3.0, people=1).frame(0).image.astype(int)
    different = np.abs(frame.image.astype(int) - nearly_empty).max(axis=2) > 20
    corners = [[round(float(value)) for value in box] for box in frame.boxes]
    covered = [different[y0:y1, x0:x1].mean() > 0.6 for x0, y0, x1, y1 in corners]
    assert covered.count(False) <= 2


def test_people_in_front_hide_those_behind():
    crowded = CrowdClip(seed=1, people=60, seconds=1.0).frame(0)
    assert crowded.visibility.min() < 0.9
    assert crowded.visibility.max() == 1.0


def test_the_clip_comes_back_from_its_file(clip, frames, tmp_path):
    path = tmp_path / "crowd.mp4"
    write_clip(clip, path)
    with av.open(str(path)) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert float(container.streams.video[0].average_rate) == clip.fps
    assert len(decoded) == clip.frame_count
    for image, frame in zip(decoded, frames, strict=True):
        assert np.abs(image.astype(int) - frame.image).mean() < 6


def test_the_truth_comes_back_from_its_file(clip, frames, tmp_path):
    path = tmp_path / "crowd.jsonl"
    write_ground_truth(clip, path)
    read = list(read_ground_truth(path))
    assert len(read) == clip.frame_count
    for told, frame in zip(read, frames, strict=True):
        np.testing.assert_allclose(told.boxes, frame.boxes, atol=0.01)
        np.testing.assert_array_equal(told.track_ids, frame.track_ids)
        np.testing.assert_array_equal(told.label_indices, frame.label_indices)
        np.testing.assert_allclose(told.visibility, frame.visibility, atol=0.001)


def test_a_damaged_truth_is_named(tmp_path):
    path = tmp_path / "crowd.jsonl"
    path.write_text('{"frame": 0, "faces": []}\n{"frame": 1}\n')
    with pytest.raises(DatasetError, match="line 2"):
        list(read_ground_truth(path))


@pytest.mark.parametrize(
    "options", [{"people": 0}, {"seconds": 0}, {"head_px": (3, 9)}, {"head_px": (20, 10)}, {"height": 60}]
)
def test_impossible_crowds_are_refused(options):
    with pytest.raises(InputSpecError, match="impossible crowd"):
        CrowdClip(**options)


def test_a_frame_that_is_not_there(clip):
    with pytest.raises(IndexError):
        clip.frame(clip.frame_count)
