import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core.errors import UsageError
from fsrfer.runtime.detection_cadence import ArrivalRate, Arrivals, DetectionCadence


def searched(cadence, source, frames):
    return [cadence.is_due(source) for _ in range(frames)]


def test_every_frame_is_searched_by_default():
    assert all(searched(DetectionCadence(), "hall", 5))


def test_every_third_frame_is_searched():
    assert searched(DetectionCadence(3), "hall", 7) == [True, False, False, True, False, False, True]


def test_sources_are_searched_in_turn():
    cadence = DetectionCadence(4)
    sources = ["a", "b", "c", "d"]
    for source in sources:
        assert cadence.is_due(source)  # the first frame of each
    rounds = [[cadence.is_due(source) for source in sources] for _ in range(8)]
    assert all(sum(together) == 1 for together in rounds)


def test_a_source_that_came_back_begins_anew():
    cadence = DetectionCadence(5)
    assert searched(cadence, "hall", 2) == [True, False]
    cadence.forget("hall")
    cadence.forget("hall")
    assert cadence.is_due("hall")


def adapted(cadence, arrivals_per_s, detect_s, other_s=0.002, rounds=20, lanes=1):
    for _ in range(rounds):
        cadence.observe(detect_s, other_s)
        cadence.adapt(arrivals_per_s, lanes)
    return cadence.every


@pytest.mark.parametrize(
    ("arrivals_per_s", "detect_s", "every"),
    [(25, 0.01, 1), (25, 0.05, 2), (25, 0.09, 3), (25, 1.0, 5), (0, 1.0, 1), (400, 0.001, 1), (500, 0.001, 5)],
)
def test_the_distance_follows_from_the_load(arrivals_per_s, detect_s, every):
    assert adapted(DetectionCadence(None), arrivals_per_s, detect_s) == every


@pytest.mark.parametrize(("detect_s", "every"), [(0.05, 1), (0.09, 2), (0.18, 3)])
def test_two_lanes_search_twice_as_often(detect_s, every):
    assert adapted(DetectionCadence(None), 25, detect_s, lanes=2) == every


def test_lost_frames_make_detection_rarer_whatever_the_times_say():
    cadence = DetectionCadence(None)
    for lost, every in ((0.04, 1), (0.06, 2), (0.2, 3), (0.03, 3), (0.02, 3), (0.005, 2), (0.0, 1)):
        cadence.observe(0.001, 0.001)
        cadence.adapt(25, 1, lost)
        assert cadence.every == every


def test_a_fixed_distance_stays():
    assert adapted(DetectionCadence(2), 100, 1.0) == 2


def test_detection_becomes_frequent_again_when_the_load_goes():
    cadence = DetectionCadence(None)
    assert adapted(cadence, 100, 0.05) == 5
    assert adapted(cadence, 10, 0.05) == 1


def test_a_load_between_the_bounds_does_not_swing():
    cadence = DetectionCadence(None)
    adapted(cadence, 25, 0.05)
    seen = set()
    for _ in range(50):
        cadence.observe(0.05, 0.002)
        cadence.adapt(25)
        seen.add(cadence.every)
    assert len(seen) == 1


def test_nothing_is_concluded_before_anything_was_measured():
    cadence = DetectionCadence(None)
    cadence.adapt(1000)
    assert cadence.every == 1


@given(
    st.lists(st.tuples(st.floats(0, 2), st.floats(0, 1), st.floats(0, 1000)), max_size=30),
    st.integers(1, 8),
)
def test_the_distance_stays_within_its_bounds(measured, max_every):
    cadence = DetectionCadence(None, max_every=max_every)
    for detect_s, other_s, arrivals in measured:
        cadence.observe(detect_s, other_s)
        cadence.adapt(arrivals)
        assert 1 <= cadence.every <= max_every
        gaps = searched(cadence, "hall", 3 * max_every + 1)
        assert any(gaps)


@pytest.mark.parametrize("options", [{"every": 0}, {"every": None, "max_every": 0}])
def test_impossible_distances_are_refused(options):
    with pytest.raises(UsageError, match="distance between detections"):
        DetectionCadence(**options)


def test_a_rate_of_arrival_counts_all_sources():
    rate = ArrivalRate(interval_s=1.0)
    assert rate.is_due(100.0)
    assert rate.look({"a": 10, "b": 5}, 100.0) is None
    assert not rate.is_due(100.5)
    assert rate.is_due(102.0)
    assert rate.look({"a": 60, "b": 25}, 102.0) == Arrivals(2.0, 35.0)


def test_sources_that_come_and_go_do_not_count_as_arrivals():
    rate = ArrivalRate()
    rate.look({"a": 100}, 0.0)
    assert rate.look({"b": 7000}, 1.0).per_second == 0.0
    assert rate.look({"b": 7010}, 2.0).per_second == 10.0
    assert rate.look({"b": 3}, 3.0).per_second == 0.0  # counted from the start again
