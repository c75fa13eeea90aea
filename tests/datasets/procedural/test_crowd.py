"""Crowd clips: the truth about them is true."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fsrfer.core.errors import InputSpecError
from fsrfer.datasets.procedural import CrowdClip


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


def test_ids_are_unique_and_those_of_the_clip(frames):
    everybody = set(range(22))
    for frame in frames:
        assert len(set(frame.track_ids.tolist())) == len(frame.track_ids)
        assert set(frame.track_ids.tolist()) <= everybody
    assert set.union(*(set(frame.track_ids.tolist()) for frame in frames)) == everybody


def test_a_person_moves_and_grows_smoothly():
    clip = CrowdClip(seed=4, seconds=3.0, people=12)
    moved = 0.0
    for before, after in itertools.pairwise(clip.frame(index) for index in range(clip.frame_count)):
        old = dict(zip(before.track_ids.tolist(), before.boxes, strict=True))
        for track, box in zip(after.track_ids.tolist(), after.boxes, strict=True):
            if track not in old:
                continue
            width = old[track][2] - old[track][0]
            step = np.abs((box[:2] + box[2:]) / 2 - (old[track][:2] + old[track][2:]) / 2).max()
            moved = max(moved, float(step))
            assert step < 0.3 * width
            # A dropped jaw changes the height at once; the width follows the distance alone.
            assert box[2] - box[0] == pytest.approx(width, rel=0.06, abs=0.5)
    assert moved > 1.0


def test_nobody_changes_all_at_once(frames):
    """People keep an expression for some seconds, and each changes at a time of their own."""
    changes = [
        int(np.sum(before.label_indices != after.label_indices))
        for before, after in itertools.pairwise(frames)
        if np.array_equal(before.track_ids, after.track_ids)
    ]
    assert max(changes) <= 6
    assert sum(count > 0 for count in changes) > 5


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


@pytest.mark.parametrize(
    "options",
    [
        {"people": 0},
        {"seconds": 0},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"face_px": (3, 9)},
        {"face_px": (20, 10)},
        {"height": 60},
        {"seed": -1},
    ],
)
def test_impossible_crowds_are_refused(options):
    with pytest.raises(InputSpecError, match="impossible crowd"):
        CrowdClip(**options)


def test_a_frame_that_is_not_there(clip):
    with pytest.raises(IndexError):
        clip.frame(clip.frame_count)
