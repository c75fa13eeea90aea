import pytest

from fsrfer.runtime.serving import LiveHub
from fsrfer.runtime.serving.history import StatisticsHistory
from fsrfer.runtime.telemetry import Stage

NAMES = ("a", "b")


@pytest.fixture
def feed(make_feed):
    return make_feed(LiveHub(), NAMES)


def add(history, feed, second):
    history.add(feed.report(), monotonic_s=100.0 + second, time_s=5000.0 + second)


def test_rates_are_by_the_second(feed):
    history = StatisticsHistory(600)
    add(history, feed, 0)
    for _ in range(4):
        feed.step()
    feed.drop("b", count=6)
    add(history, feed, 2)
    (second,) = history.seconds
    assert (second.time_s, second.frames_per_s, second.drops_per_s) == (5002.0, 4.0, 3.0)
    assert second.faces_per_s == pytest.approx(feed.report().faces / 2)
    assert second.pending_frames == 2
    assert 0.01 < second.age_p50_s <= second.age_p95_s < 0.5
    assert history.totals() == (4.0, second.faces_per_s)
    rates = history.rates()
    assert (rates["a"].frames_per_s, rates["a"].drops_per_s) == (2.0, 0.0)
    assert (rates["b"].frames_per_s, rates["b"].drops_per_s) == (2.0, 3.0)


def test_nothing_is_known_before_the_second_report(feed):
    history = StatisticsHistory(600)
    assert (history.totals(), history.rates(), history.stages(), history.seconds) == ((0.0, 0.0), {}, {}, [])
    assert history.result_age_s("a") is None
    add(history, feed, 0)
    assert history.rates() == {}


def test_latencies_are_those_of_the_last_minute(feed):
    history = StatisticsHistory(600)
    feed.step()
    add(history, feed, 0)
    for second in range(1, 70):
        if second == 65:
            feed.step()
        add(history, feed, second)
    assert history.stages()[Stage.DETECT].count == 2
    assert history.result_age_s("a").count == 1


def test_it_forgets(feed):
    history = StatisticsHistory(5)
    for second in range(9):
        add(history, feed, second)
    assert [line.time_s for line in history.seconds] == [5004.0, 5005.0, 5006.0, 5007.0, 5008.0]


def test_a_source_that_goes_and_comes_back_makes_no_rate_negative(feed, make_feed):
    history = StatisticsHistory(600)
    for _ in range(5):
        feed.step()
    feed.drop("a", count=9)
    add(history, feed, 0)
    anew = make_feed(LiveHub(), ("a",))
    anew.step()
    add(history, anew, 1)
    (second,) = history.seconds
    assert (second.frames_per_s, second.drops_per_s, second.faces_per_s) == (0.0, 0.0, 0.0)
    assert history.rates()["a"].frames_per_s == 0.0
    assert history.result_age_s("a").count == 1
    assert history.stages()[Stage.DETECT].count == 1


def test_two_reports_at_one_moment_are_no_division_by_zero(feed):
    history = StatisticsHistory(600)
    add(history, feed, 0)
    feed.step()
    add(history, feed, 0)
    assert history.seconds[0].frames_per_s == 0.0
