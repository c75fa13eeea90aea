"""The best look at every face."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core.errors import InputSpecError
from fsrfer.runtime.tracking import BestShots


def qualities(*values) -> np.ndarray:
    return np.array(values, np.float32)


def crops(*levels) -> list[np.ndarray]:
    return [np.full((8, 8, 3), level, np.uint8) for level in levels]


def test_the_best_look_is_kept(make_tracked):
    shots = BestShots()
    for frame, (first, second) in enumerate([(0.2, 0.9), (0.7, 0.5), (0.4, 0.6)]):
        shots.update(make_tracked([3, 8]), frame / 10, frame, qualities(first, second))
    shot = shots.shot_of(3)
    assert (shot.track_id, shot.frame_index, shot.time_s) == (3, 1, pytest.approx(0.1))
    assert shot.quality == pytest.approx(0.7)
    assert shot.box == (0.0, 0.0, 16.0, 16.0)
    assert shots.shot_of(8).frame_index == 0
    assert shots.shot_of(8).box == (20.0, 20.0, 36.0, 36.0)
    assert shots.shot_of(99) is None


def test_no_picture_is_kept_unless_asked_for(make_tracked):
    shots = BestShots()
    shots.update(make_tracked([1]), 0.0, 0, qualities(0.5), crops(7))
    assert shots.shot_of(1).crop is None


def test_kept_pictures_are_copies_of_the_best(make_tracked):
    shots = BestShots(keep_crops=True)
    for frame, (level, quality) in enumerate([(10, 0.2), (20, 0.8), (30, 0.5)]):
        pictures = crops(level)
        shots.update(make_tracked([1]), frame / 10, frame, qualities(quality), pictures)
        pictures[0][:] = 255
    assert (shots.shot_of(1).crop == 20).all()


def test_only_found_faces_and_real_qualities_count(make_tracked):
    shots = BestShots()
    shots.update(make_tracked([1, 2], detected=[False, True]), 0.0, 0, qualities(0.9, np.nan))
    assert shots.shot_of(1) is None
    assert shots.shot_of(2) is None
    shots.update(make_tracked([1, 2]), 0.1, 1, qualities(0.1, 0.2))
    assert shots.shot_of(1).frame_index == shots.shot_of(2).frame_index == 1


def test_the_shots_of_ended_tracks_are_handed_out_once(make_tracked):
    shots = BestShots(keep_crops=True, forget_after_s=1.0)
    shots.update(make_tracked([1, 2]), 0.0, 0, qualities(0.5, np.nan), crops(1, 2))
    assert shots.update(make_tracked([3]), 1.0, 10, qualities(0.5), crops(3)) == []
    (ended,) = shots.update(make_tracked([3]), 1.1, 11, qualities(0.5), crops(3))  # nobody had a look at track 2
    assert (ended.track_id, int(ended.crop[0, 0, 0])) == (1, 1)
    assert shots.shot_of(1) is None
    assert len(shots) == 1
    (ended,) = shots.update(make_tracked([4]), 0.0, 12, qualities(0.5), crops(4))  # time ran backwards
    assert ended.track_id == 3


def test_memory_is_bounded(make_tracked):
    shots = BestShots(keep_crops=True, forget_after_s=2.0)
    handed_out = 0
    for step in range(200):
        handed_out += len(shots.update(make_tracked([step]), step / 10, step, qualities(0.5), crops(step % 250)))
    assert len(shots) <= 21
    assert handed_out == 200 - len(shots)


def test_what_does_not_fit_is_refused(make_tracked):
    with pytest.raises(InputSpecError, match="qualities"):
        BestShots().update(make_tracked([1]), 0.0, 0, qualities(0.5, 0.5))
    with pytest.raises(InputSpecError, match="time"):
        BestShots().update(make_tracked([1]), float("nan"), 0, qualities(0.5))
    with pytest.raises(InputSpecError, match="crops"):
        BestShots(keep_crops=True).update(make_tracked([1]), 0.0, 0, qualities(0.5))
    with pytest.raises(InputSpecError, match="crops"):
        BestShots(keep_crops=True).update(make_tracked([1]), 0.0, 0, qualities(0.5), crops(1, 2))
    for seconds in (0.0, float("nan"), float("inf")):
        with pytest.raises(InputSpecError, match="memory"):
            BestShots(forget_after_s=seconds)
