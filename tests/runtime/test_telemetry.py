import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.runtime.telemetry import Histogram, Stage, StageTimes

BOUNDS = (1.0, 2.0, 4.0)


def filled(*values, bounds=BOUNDS):
    histogram = Histogram(bounds)
    for value in values:
        histogram.observe(value)
    return histogram.snapshot()


def test_a_bound_belongs_to_its_own_bucket():
    assert filled(0.5, 1.0, 1.5, 4.0, 9.0).counts == (2, 1, 1, 1)


def test_buckets_add_up_as_prometheus_wants_them():
    snapshot = filled(0.5, 1.5, 3.0, 9.0)
    assert snapshot.cumulative == (1, 2, 3, 4)
    assert (snapshot.count, snapshot.total, snapshot.mean) == (4, 14.0, 3.5)


def test_nothing_is_known_without_observations():
    snapshot = filled()
    assert (snapshot.count, snapshot.mean, snapshot.quantile(0.5)) == (0, None, None)


@given(st.lists(st.floats(0, 4), min_size=1), st.floats(0, 1))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(values, share):
    snapshot = filled(*values)
    ranked = sorted(values)
    true = ranked[max(min(round(share * len(ranked) + 0.5) - 1, len(ranked) - 1), 0)]
    bucket = sum(bound < true for bound in BOUNDS)
    lower = (0.0, *BOUNDS)[max(bucket - 1, 0)]
    assert lower <= snapshot.quantile(share) <= BOUNDS[min(bucket + 1, len(BOUNDS) - 1)]


def test_what_lies_above_the_last_bound_is_told_as_the_bound():
    assert filled(100.0, 200.0).quantile(0.9) == 4.0


def test_the_time_since_an_earlier_look():
    histogram = Histogram(BOUNDS)
    histogram.observe(0.5)
    earlier = histogram.snapshot()
    histogram.observe(3.0)
    assert histogram.snapshot().since(earlier).counts == (0, 0, 1, 0)


def test_no_observation_is_lost_between_threads():
    histogram = Histogram(BOUNDS)

    def observe():
        for _ in range(5000):
            histogram.observe(1.5)

    threads = [threading.Thread(target=observe) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert histogram.snapshot().counts == (0, 20_000, 0, 0)


def test_stages_are_measured_apart_and_a_failed_one_not_at_all():
    times = StageTimes()
    with times.measure(Stage.DETECT):
        pass
    with pytest.raises(ValueError, match="broken"), times.measure(Stage.CROP):
        raise ValueError("broken")
    times.observe(Stage.WAIT, 0.25)
    found = times.snapshot()
    assert {stage for stage, histogram in found.items() if histogram.count} == {Stage.DETECT, Stage.WAIT}
    assert found[Stage.WAIT].total == 0.25
