import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.runtime.serving.events import EventFeed, EventKind
from fsrfer.runtime.serving.streams import last_event_number


def publish(feed, count):
    for _ in range(count):
        feed.publish(EventKind.RESULT, "hall", lambda: {"frame": 1})


def test_nothing_is_kept_while_nobody_watches():
    feed = EventFeed()
    publish(feed, 3)
    feed.skip()
    assert (feed.newest, feed.is_watched) == (4, False)
    assert feed.after(feed.newest) == ([], 0)


def test_events_come_in_order_and_a_few_at_once():
    feed = EventFeed()
    with feed.watch():
        publish(feed, 20)
        first, lost = feed.after(0)
        assert ([event.number for event in first], lost) == ([1, 2, 3, 4, 5, 6, 7, 8], 0)
        second, _ = feed.after(8)
        assert second[0].number == 9
        assert json.loads(second[0].data) == {"frame": 1}


def test_the_text_of_an_event_is_made_once_however_many_take_it():
    feed, made = EventFeed(), []
    with feed.watch(), feed.watch():
        feed.publish(EventKind.WINDOW, "hall", lambda: made.append(1) or {})
        for _ in range(3):
            (event,), _ = feed.after(0)
            assert event.data == "{}"
    assert made == [1]


@given(taken=st.integers(0, 700), published=st.integers(0, 700))
def test_a_slow_client_learns_how_many_events_it_lost(taken, published):
    feed = EventFeed()
    with feed.watch():
        publish(feed, published)
        number, received, lost = min(taken, published), 0, 0
        start = number
        while True:
            events, missed = feed.after(number)
            lost += missed
            received += len(events)
            number = events[-1].number if events else number + missed
            if not events:
                break
    assert received + lost == published - start
    assert received <= 256
    assert number == published


def test_what_happened_between_two_connections_counts_as_lost():
    feed = EventFeed()
    with feed.watch():
        publish(feed, 5)
    feed.skip()
    with feed.watch():
        assert feed.after(3) == ([], 3)
        assert feed.after(6) == ([], 0)


@pytest.mark.parametrize("header", [None, "", "x", "-", "other-3", "{run}-", "{run}-x", "{run}--1", "{run}-٣"])
def test_a_foreign_event_number_counts_as_none(header):
    feed = EventFeed()
    publish(feed, 7)
    assert last_event_number(feed, header and header.format(run=feed.run_id)) == 7


def test_a_client_goes_on_where_it_was():
    feed = EventFeed()
    publish(feed, 7)
    assert last_event_number(feed, f"{feed.run_id}-4") == 4
    assert last_event_number(feed, f"{feed.run_id}-99") == 7
