"""Who comes, changes and goes."""

from __future__ import annotations

import pytest

from fsrfer.runtime.sinks import frame_record
from fsrfer.runtime.sinks.track_events import GONE_S, TrackEvents
from fsrfer.runtime.tracking import TrackerConfig

BOX = (10, 10, 30, 34)


@pytest.fixture
def follow(make_result):
    """Follower of one source: ``follow(time_s, ids, label=, ...)`` gives what happened."""
    events = TrackEvents()

    def see(time_s, ids, **options):
        result = make_result([BOX] * len(ids), ids=ids, time_s=time_s, **options)
        return list(events.follow(result, frame_record(result)["faces"]))

    see.finish = lambda: list(events.finish())
    return see


def happened(events):
    return [(event["event"], event["track_id"]) for event in events]


def test_a_track_is_new_once_changes_and_ends(follow):
    assert happened(follow(0.0, [1])) == [("new", 1)]
    assert follow(0.5, [1]) == []
    (update,) = follow(1.0, [1], label=4)
    assert (update["event"], update["label"], update["previous_label"]) == ("update", "anger", "happiness")
    assert follow(1.5, [], label=4) == []
    (end,) = follow(1.0 + GONE_S, [])
    assert (end["event"], end["track_id"], end["start_s"], end["time_s"]) == ("end", 1, 0.0, 1.0)
    assert end["previous_label"] is None
    assert follow.finish() == []


def test_a_track_that_comes_back_soon_goes_on(follow):
    follow(0.0, [1])
    assert follow(1.0, []) == []
    assert follow(1.9, [1]) == []
    assert happened(follow.finish()) == [("end", 1)]


def test_a_track_that_comes_back_late_is_new_again(follow):
    follow(0.0, [1])
    assert happened(follow(10.0, [1])) == [("end", 1), ("new", 1)]


def test_the_mean_is_over_all_frames(follow):
    for index, label in enumerate([1, 1, 1, 4]):
        follow(index / 10, [1], label=label)
    (end,) = follow.finish()
    means = end["mean_probabilities"]
    assert means["happiness"] == pytest.approx((3 * 0.9 + 0.1 / 7) / 4, abs=1e-4)
    assert means["anger"] == pytest.approx((0.9 + 3 * 0.1 / 7) / 4, abs=1e-4)
    assert sum(means.values()) == pytest.approx(1, abs=1e-4)


def test_frames_without_numbers_do_not_count_towards_the_mean(follow):
    follow(0.0, [1], unreadable=[0])
    (update,) = follow(0.1, [1])
    assert (update["previous_label"], update["label"]) == ("unknown", "happiness")
    assert update["mean_probabilities"]["happiness"] == pytest.approx(0.9, abs=1e-4)
    (new,) = follow(0.2, [2], unreadable=[0])
    assert new["mean_probabilities"] == {}


def test_time_that_runs_backwards_ends_all_tracks(follow):
    follow(100.0, [1, 2])
    assert happened(follow(0.0, [3])) == [("end", 1), ("end", 2), ("new", 3)]


def test_sources_do_not_mix(follow):
    follow(0.0, [1], source="a")
    assert happened(follow(50.0, [1], source="b")) == [("new", 1)]
    assert sorted((event["source"], event["track_id"]) for event in follow.finish()) == [("a", 1), ("b", 1)]


def test_where_nobody_is_followed_nothing_happens(make_result):
    result = make_result()
    assert list(TrackEvents().follow(result, frame_record(result)["faces"])) == []


def test_a_track_that_the_tracker_may_still_find_has_not_ended():
    assert TrackerConfig().max_lost_s < GONE_S


def test_every_record_says_where_the_face_was_seen_best_so_far(follow):
    (new,) = follow(0.0, [1], index=5, quality=0.4)
    assert new["best_shot"] == {"frame": 5, "time_s": 0.0, "box": list(BOX), "quality": 0.4}
    follow(0.1, [1], index=6, quality=0.6)
    follow(0.2, [1], index=7, quality=0.9, is_detected=False)  # nobody looked there
    (update,) = follow(0.3, [1], index=8, quality=0.5, label=4)
    assert update["best_shot"]["frame"] == 6
    (end,) = follow(0.3 + GONE_S, [], index=9)
    assert (end["best_shot"]["frame"], end["best_shot"]["quality"]) == (6, 0.6)


def test_a_face_that_detection_never_saw_has_no_best_shot(follow):
    (new,) = follow(0.0, [1], is_detected=False)
    assert new["best_shot"] is None
    (end,) = follow.finish()
    assert end["best_shot"] is None
