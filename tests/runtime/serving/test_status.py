import json
from dataclasses import replace

import jsonschema
import pytest

from fsrfer.core.labels import CANONICAL_LABELS
from fsrfer.runtime.frame import Clock
from fsrfer.runtime.serving import LiveHub, ModelInfo, status_schema
from fsrfer.runtime.serving.status import readiness_of, status_record
from fsrfer.runtime.sources import SourceState

MODEL = ModelInfo("int8", "onnxruntime", "3f9a" * 16, CANONICAL_LABELS)
NAMES = ("rtsp://***@hall.local/stream", "/srv/clips/hall.mp4", "camera 0")


def checked(record):
    """A record as a client gets it, after it passed the schema."""
    record = json.loads(json.dumps(record, allow_nan=False))
    jsonschema.Draft202012Validator(status_schema()).validate(record)
    return record


@pytest.fixture
def hub():
    return LiveHub()


@pytest.fixture
def feed(hub, make_feed):
    return make_feed(hub, NAMES)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(status_schema())


def test_before_anything(hub):
    record = checked(status_record(hub, None, None))
    assert (record["is_ready"], record["sources"], record["labels"], record["model"]) == (False, [], [], None)
    assert record["reason"].startswith("starting")


def test_sources_that_are_being_opened(hub, feed):
    record = checked(status_record(hub, feed.report(), MODEL))
    assert [source["state"] for source in record["sources"]] == ["opening"] * 3
    assert record["sources"][0]["latest"] is None
    assert record["sources"][0]["silent_s"] is None
    assert (record["is_ready"], record["reason"]) == (False, "no result yet")


def test_everything_is_told(hub, feed):
    hub.sample(feed.report())
    for _ in range(4):
        feed.step()
    feed.drop(NAMES[1], count=3)
    feed.reconnect(NAMES[0])
    feed.fail(NAMES[2], "cable pulled")
    hub.sample(feed.report())
    record = checked(status_record(hub, feed.report(), MODEL))
    hall, clip, camera = record["sources"]
    assert (hall["id"], clip["id"], camera["id"]) == ("hall.local-stream", "hall", "camera-0")
    assert (hall["frames"], hall["reconnects"], hall["is_live"]) == (4, 1, True)
    assert hall["frames_per_s"] > 0
    assert hall["result_age"]["count"] == 4
    assert hall["latest"]["faces"] == hall["faces"] // 4
    assert 0 <= hall["latest"]["age_s"] < 60
    assert clip["drops"] == {"replaced": 3}
    assert (camera["state"], camera["error"], camera["silent_s"]) == ("failed", "cable pulled", None)
    assert {stage["stage"] for stage in record["stages"]} >= {"detect", "classify"}
    assert record["sink_drops"] == {"mqtt": 3}
    assert record["labels"][1] == {"name": "happiness", "color": "#f0e442"}
    assert (record["is_ready"], record["pictures"]) == (True, "plain")


def test_a_recording_has_no_age(hub, feed, crowd_results):
    for result in crowd_results(NAMES[1], frames=2, clock=Clock.STREAM):
        hub.write(result)
    clip = checked(status_record(hub, feed.report(), MODEL))["sources"][1]
    assert clip["latest"]["age_s"] is None
    assert clip["latest"]["clock"] == "stream"


def test_with_aggregates_only_nothing_counts_faces(make_feed):
    hub = LiveHub(aggregate_only=True)
    feed = make_feed(hub, NAMES)
    for _ in range(3):
        feed.step()
    hub.sample(feed.report())
    record = checked(status_record(hub, feed.report(), MODEL))
    assert record["pictures"] == "none"
    assert (record["faces"], record["faces_per_s"]) == (None, None)
    assert all(source["faces"] is None and source["latest"] is None for source in record["sources"])
    assert record["frames"] == 9


def test_blurred_pictures_are_said_to_be(make_feed):
    assert status_record(LiveHub(blur_faces=True), None, None)["pictures"] == "blurred"


def test_the_schema_can_fail(hub, feed):
    record = status_record(hub, feed.report(), MODEL)
    record["sources"][0]["state"] = "lost"
    with pytest.raises(jsonschema.ValidationError):
        checked(record)


class TestReadiness:
    def test_a_pipeline_is_ready_once_it_has_given_a_result(self, feed):
        assert not readiness_of(None).is_ready
        assert not readiness_of(replace(feed.report(), elapsed_s=0.0)).is_ready
        assert readiness_of(feed.report()).reason == "no result yet"
        feed.step()
        assert readiness_of(feed.report()).is_ready

    def test_one_failed_source_of_several_leaves_it_ready(self, feed):
        feed.step()
        feed.fail(NAMES[0], "cable pulled")
        assert readiness_of(feed.report()).is_ready

    def test_all_failed(self, feed):
        feed.step()
        for name in NAMES:
            feed.fail(name, f"cable of {name} pulled")
        found = readiness_of(feed.report())
        assert not found.is_ready
        assert "cable of camera 0 pulled" in found.reason

    def test_sources_that_ended_are_no_failure(self, feed):
        feed.step()
        report = feed.report()
        ended = tuple(replace(source, state=SourceState.ENDED) for source in report.sources)
        assert readiness_of(replace(report, sources=ended)).is_ready
