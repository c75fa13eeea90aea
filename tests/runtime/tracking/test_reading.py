"""Which faces are read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core.errors import InputSpecError, UsageError
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.tracking import ReadingConfig, ReadingPolicy, TrackedFaces

CONFIG = ReadingConfig(max_faces=4, max_age_s=1.0, uncertain_age_s=0.5, better_age_s=0.2, better_by=1.5)


@pytest.fixture
def chosen(make_tracked):
    """Chooses among tracks by their ids, all of quality 0.5 unless said otherwise, and returns the chosen ids."""

    def choose(policy: ReadingPolicy, ids, time_s: float, quality=None, detected=None) -> list[int]:
        faces = make_tracked(ids, detected)
        values = np.full(len(ids), 0.5, np.float32) if quality is None else np.array(quality, np.float32)
        return faces.ids[policy.choose(faces, time_s, values)].tolist()

    return choose


def test_new_faces_are_read_at_once_and_then_rest(chosen):
    policy = ReadingPolicy(CONFIG)
    assert chosen(policy, [1, 2], 0.0) == [1, 2]
    assert chosen(policy, [1, 2, 3], 0.1) == [3]
    assert chosen(policy, [1, 2, 3], 0.2) == []


def test_old_readings_are_renewed(chosen):
    policy = ReadingPolicy(CONFIG)
    chosen(policy, [1, 2], 0.0)
    assert chosen(policy, [1, 2], 0.99) == []
    assert chosen(policy, [1, 2], 1.0) == [1, 2]


def test_rounding_of_unix_times_costs_no_frame(chosen):
    policy = ReadingPolicy(ReadingConfig(max_age_s=0.3))
    start_s = 1_764_000_000.0
    read = [index for index in range(30) if chosen(policy, [1], start_s + index / 10)]
    assert read == list(range(0, 30, 3))


def test_uncertain_ones_are_renewed_sooner(chosen):
    policy = ReadingPolicy(CONFIG)
    chosen(policy, [1, 2, 3], 0.0)
    policy.note_confidence(np.array([1, 2, 3, 99], np.int64), np.array([0.3, 0.9, np.nan, 0.1], np.float32))
    assert chosen(policy, [1, 2, 3], 0.4) == []
    assert chosen(policy, [1, 2, 3], 0.5) == [1, 3]


def test_a_clearly_better_look_is_taken_soon(chosen):
    policy = ReadingPolicy(CONFIG)
    chosen(policy, [1, 2], 0.0, [0.2, 0.2])
    assert chosen(policy, [1, 2], 0.1, [0.9, 0.2]) == []
    assert chosen(policy, [1, 2], 0.2, [0.31, 0.29]) == [1]
    assert chosen(policy, [1, 2], 0.5, [0.31, 0.2]) == []  # no better than what was read


def test_a_look_at_nothing_is_improved_by_any(chosen):
    policy = ReadingPolicy(CONFIG)
    assert chosen(policy, [1], 0.0, [np.nan]) == [1]
    assert chosen(policy, [1], 0.3, [0.01]) == [1]


def test_the_most_urgent_come_first_and_no_more_than_allowed(chosen):
    policy = ReadingPolicy(CONFIG)
    assert chosen(policy, [1, 2, 3, 4, 5, 6], 0.0, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]) == [3, 4, 5, 6]
    assert chosen(policy, [1, 2, 3, 7, 8, 9], 0.1, [0.1, 0.2, 0.3, 0.7, 0.8, 0.9]) == [
        1,
        2,
        8,
        9,
    ]  # 1 and 2 wait longer


def test_faces_that_were_not_found_in_the_frame_wait(chosen):
    policy = ReadingPolicy(CONFIG)
    assert chosen(policy, [1, 2], 0.0, detected=[True, False]) == [1]
    assert chosen(policy, [1, 2], 0.1, detected=[True, True]) == [2]
    reads_all = ReadingPolicy(ReadingConfig(reads_predicted=True))
    assert chosen(reads_all, [1, 2], 0.0, detected=[True, False]) == [1, 2]


def test_time_that_runs_backwards_makes_all_new(chosen):
    policy = ReadingPolicy(CONFIG)
    chosen(policy, [1, 2], 100.0)
    assert chosen(policy, [1, 2], 99.9) == [1, 2]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(0, 12), st.floats(0.0, 6.0), st.integers(0, 2**32 - 1))
def test_nobody_starves(max_faces, residents, newcomers, seed):
    """However many enter in every frame, a face is read again soon after it is due."""
    rng = np.random.default_rng(seed)
    policy = ReadingPolicy(ReadingConfig(max_faces=max_faces, max_age_s=0.5, uncertain_age_s=0.2, better_age_s=0.1))
    present: dict[int, float] = dict.fromkeys(range(1, residents + 1), np.inf)
    next_id, last_read = residents + 1, {}
    for frame in range(80):
        now = frame / 10
        present = {track: leaves for track, leaves in present.items() if leaves > now}
        for _ in range(rng.poisson(newcomers)):
            present[next_id] = now + rng.uniform(0.1, 1.0)
            next_id += 1
        ids = np.array(sorted(present), np.int64)
        boxes = np.tile(np.array([0, 0, 9, 9], np.float32), (len(ids), 1))
        tracked = TrackedFaces(
            FaceDetections(boxes, np.ones(len(ids), np.float32)),
            ids,
            np.zeros(len(ids), np.float32),
            np.ones(len(ids), np.bool_),
        )
        chosen = policy.choose(tracked, now, rng.uniform(0, 1, len(ids)).astype(np.float32))
        assert chosen.sum() <= max_faces
        for track in ids[chosen].tolist():
            last_read[track] = now
        policy.note_confidence(ids, rng.uniform(0, 1, len(ids)).astype(np.float32))
        # Once a resident is due, only those go before him who were due already: newcomers leave within a second, and
        # each other resident goes once.
        bound = 0.5 + 1.0 + 0.1 * (1 + np.ceil(residents / max_faces))
        for track in range(1, residents + 1):
            assert now - last_read.get(track, 0.0) <= bound + 1e-9


def test_memory_is_bounded(chosen):
    policy = ReadingPolicy(ReadingConfig(forget_after_s=2.0))
    for step in range(300):
        chosen(policy, [2 * step, 2 * step + 1], step / 10)
    assert len(policy) <= 2 * 21


def test_what_does_not_fit_is_refused(make_tracked):
    policy = ReadingPolicy()
    with pytest.raises(InputSpecError, match="qualities"):
        policy.choose(make_tracked([1, 2]), 0.0, np.ones(3, np.float32))
    with pytest.raises(InputSpecError, match="time"):
        policy.choose(make_tracked([1]), float("nan"), np.ones(1, np.float32))
    with pytest.raises(InputSpecError, match="tracks"):
        policy.note_confidence(np.array([1, 2], np.int64), np.ones(1, np.float32))


@pytest.mark.parametrize(
    "options",
    [
        {"max_faces": 0},
        {"max_age_s": -1.0},
        {"uncertain_age_s": float("nan")},
        {"better_age_s": float("inf")},
        {"better_by": 0.9},
        {"uncertain_below": 1.1},
        {"forget_after_s": 0.0},
    ],
)
def test_an_impossible_configuration_is_refused(options):
    with pytest.raises(UsageError, match="read"):
        ReadingConfig(**options)
