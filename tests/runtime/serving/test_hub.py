import gc
import threading
import weakref
from dataclasses import replace

import numpy as np
import pytest

from fsrfer.runtime.frame import Clock
from fsrfer.runtime.groups import GroupConfig, GroupWindow
from fsrfer.runtime.serving import LiveHub

NAME = "rtsp://***@hall.local/stream"


def window(source=NAME, start_s=0.0):
    return GroupWindow(source, start_s, start_s + 10, Clock.WALL, 90, 3, 2.5, ("a", "b"), np.ones(2) / 2, None, False)


def alive(images):
    gc.collect()
    return [image() is not None for image in images]


def test_only_the_latest_result_is_kept_and_its_image_is_no_copy(crowd_results):
    hub, images = LiveHub(), []
    for result in crowd_results(NAME, frames=4):
        images.append(weakref.ref(result.frame.image))
        hub.write(result)
        assert hub.latest(NAME).result.frame.image is result.frame.image
    del result
    assert hub.latest(NAME).sequence == 4
    assert alive(images) == [False, False, False, True]
    assert hub.latest("another") is None


def test_a_result_keeps_no_picture_in_the_events(crowd_results):
    hub, images = LiveHub(), []
    with hub.events.watch():
        for result in crowd_results(NAME, frames=3):
            images.append(weakref.ref(result.frame.image))
            hub.write(result)
        del result
        assert alive(images) == [False, False, True]
        events, _ = hub.events.after(0)
    assert len(events) == 3
    assert '"width": 640' in events[0].data
    assert '"source_id": "hall.local-stream"' in events[0].data


def test_the_pictures_of_a_folder_replace_each_other(crowd_results, make_feed):
    hub, images = LiveHub(), []
    for _ in range(2):  # before and after the hub knows which sources there are
        for number in range(5):
            (result,) = crowd_results("x", frames=1, people=2)
            images.append(weakref.ref(result.frame.image))
            hub.write(replace(result, frame=replace(result.frame, source=f"shots/{number}.jpg", is_still=True)))
        del result
        assert hub.latest("shots").result.frame.source == "shots/4.jpg"
        assert sum(alive(images)) == 1
        hub.sample(make_feed(hub, ["shots"]).report())
    assert hub.latest("shots").sequence == 10
    assert hub.record_of(window("shots/1.jpg"))["source_id"] == "shots"


def test_a_picture_that_is_a_source_keeps_its_name(crowd_results, make_feed):
    hub = LiveHub()
    hub.sample(make_feed(hub, ["shots/a.jpg", "shots/b.jpg"]).report())
    (result,) = crowd_results("x", frames=1, people=2)
    for name in ("a", "b"):
        hub.write(replace(result, frame=replace(result.frame, source=f"shots/{name}.jpg", is_still=True)))
    assert hub.latest("shots/a.jpg").result.frame.source == "shots/a.jpg"
    assert hub.latest("shots/b.jpg").sequence == 1


def test_sources_that_are_gone_are_forgotten(make_feed):
    hub = LiveHub()
    feed = make_feed(hub, ["a", "b"])
    feed.step()
    hub.write_window(window("a"))
    hub.write_window(window("b"))
    feed.names = ("b",)
    hub.sample(feed.report())
    assert hub.latest("a") is None
    assert hub.latest("b") is not None
    assert [known.source for known in hub.windows()] == ["b"]


def test_windows_reach_back_ten_minutes():
    hub = LiveHub()
    for number in range(100):
        hub.write_window(window(start_s=10.0 * number))
    assert [known.start_s for known in hub.windows()] == [10.0 * number for number in range(39, 100)]


def test_windows_of_a_second_stay_few():
    hub = LiveHub()
    for number in range(2000):
        hub.write_window(replace(window(), start_s=number * 0.1, end_s=(number + 1) * 0.1))
    assert len(hub.windows()) == 600


def test_with_aggregates_only_no_result_is_kept(crowd_results):
    hub = LiveHub(aggregate_only=True)
    with hub.events.watch():
        for result in crowd_results(NAME, frames=2):
            hub.write(result)
        hub.write_window(window())
        events, lost = hub.events.after(0)
    assert hub.latest(NAME) is None
    assert ([event.kind.value for event in events], lost) == (["window"], 0)


def test_boxes_linger_for_a_second_where_faces_are_hidden(crowd_results):
    hub = LiveHub(blur_faces=True)
    (result,) = crowd_results(NAME, frames=1)
    for time_s in (0.0, 0.6, 1.5):
        hub.write(replace(result, frame=replace(result.frame, time_s=time_s)))
    latest = hub.latest(NAME)
    assert [time_s for time_s, _ in latest.lingering] == [0.6, 1.5]
    assert len(latest.hidden_boxes) == 2 * len(result)


def test_boxes_that_linger_stay_few_where_time_stands_still(crowd_results):
    hub = LiveHub(blur_faces=True)
    (result,) = crowd_results(NAME, frames=1)
    for _ in range(200):
        hub.write(result)
    assert len(hub.latest(NAME).lingering) == 65


def test_labels_are_known_from_what_came(crowd_results, make_feed):
    hub = LiveHub()
    assert hub.latest_labels() == ()
    make_feed(hub).step()
    assert "happiness" in hub.latest_labels()
    hub.write_window(window())
    assert hub.latest_labels() == ("a", "b")


def test_it_takes_results_while_others_read(make_feed):
    hub = LiveHub()
    feed = make_feed(hub, [f"camera {number}" for number in range(4)], groups=GroupConfig(window_s=0.01))
    stop = threading.Event()

    def read():
        while not stop.is_set():
            hub.sample(feed.report())
            hub.windows()
            hub.latest_labels()

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(150):
        feed.step(number * 0.02)
    stop.set()
    reader.join(10)
    assert not reader.is_alive()
    assert hub.latest("camera 3").sequence == 150


@pytest.mark.parametrize("count", [1, 3])
def test_a_hub_is_a_sink_that_keeps_everything_when_it_is_left(crowd_results, count):
    with LiveHub() as hub:
        for result in crowd_results(NAME, frames=count):
            hub.write(result)
    assert hub.latest(NAME).sequence == count
