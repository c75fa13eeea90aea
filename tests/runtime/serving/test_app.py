"""The endpoints, over real connections."""

import json
import re
import threading
from importlib import resources

import cv2
import httpx
import jsonschema
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fsrfer.core.errors import SourceError
from fsrfer.runtime.groups import GroupConfig
from fsrfer.runtime.serving import LiveHub, LiveServer, ServingOptions, status_schema
from fsrfer.runtime.sinks.records import output_schema

NAMES = ("rtsp://***@hall.local/stream", "camera 0")


def test_the_process_is_alive_before_anything_else(serve):
    with LiveServer(LiveHub(), lambda: None, ServingOptions(port=0)) as server:
        assert httpx.get(server.address + "healthz").json() == {"status": "alive"}
        answer = httpx.get(server.address + "readyz")
        assert (answer.status_code, answer.json()["is_ready"]) == (503, False)
        assert "being loaded" in answer.json()["reason"]
        assert httpx.get(server.address + "metrics").status_code == 200
        assert httpx.get(server.address + "api/v1/status").json()["sources"] == []


def test_a_pipeline_that_does_not_go_on_is_not_alive(serve):
    _, feed, client = serve(NAMES)
    assert client.get("/healthz").status_code == 200
    feed.stuck_s = 31.0
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"status": "hangs", "stuck_s": 31.0})


def test_it_is_ready_until_all_sources_failed(serve):
    _, feed, client = serve(NAMES)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["sources"]) == (200, dict.fromkeys(NAMES, "up"))
    feed.fail(NAMES[0], "cable pulled")
    assert client.get("/readyz").status_code == 200
    feed.fail(NAMES[1], "no such device")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "cable pulled" in answer.json()["reason"]
    assert "no such device" in answer.json()["reason"]


def test_status_history_and_metrics_agree(serve):
    _, _, client = serve(NAMES)
    status = client.get("/api/v1/status").json()
    jsonschema.Draft202012Validator(status_schema()).validate(status)
    assert client.get("/api/v1/status.schema.json").json() == status_schema()
    assert status["frames"] == 6
    families = text_string_to_metric_families(client.get("/metrics").text)
    captured = {
        sample.labels["source"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "fsrfer_frames_captured_total"
    }
    assert captured == {source["name"]: source["frames"] for source in status["sources"]}


def test_the_history_grows_by_the_second(serve):
    _, _, client = serve(NAMES)
    while len((record := client.get("/api/v1/history").json())["time_s"]) < 2:
        pass
    assert {len(column) for column in record.values()} == {len(record["time_s"])}
    assert record["time_s"] == sorted(record["time_s"])


def test_groups_are_given_as_every_sink_gives_them(serve, make_feed):
    hub = LiveHub()
    feed = make_feed(hub, NAMES, groups=GroupConfig(window_s=1.0, min_people=0))
    for second in range(5):
        feed.step(second)
    _, _, client = serve(hub=hub, feed=feed)
    record = client.get("/api/v1/groups").json()
    validator = jsonschema.Draft202012Validator(output_schema())
    for window in record["windows"]:
        validator.validate(window)
    assert {window["source_id"] for window in record["windows"]} == {"hall.local-stream", "camera-0"}
    assert record["labels"][0]["name"] == "neutral"
    one = client.get("/api/v1/groups", params={"source": "camera-0"}).json()["windows"]
    assert {window["source"] for window in one} == {"camera 0"}
    assert len(one) == len(record["windows"]) / 2


def test_a_picture_by_the_id_of_its_source(serve):
    _, _, client = serve(NAMES)
    answer = client.get("/api/v1/sources/hall.local-stream/frame.jpg")
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Cache-Control"] == "no-store"
    picture = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (720, 1280, 3)
    same = client.get("/api/v1/sources/hall.local-stream/frame.jpg", headers={"If-None-Match": answer.headers["ETag"]})
    assert (same.status_code, same.content) == (304, b"")
    small = client.get("/api/v1/sources/hall.local-stream/frame.jpg", params={"size": "small"})
    assert len(small.content) < len(answer.content)


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/nothing", 404, "no such address"),
        ("/api/v1/status/", 404, "no such address"),
        ("/assets/nothing.js", 404, "no such file"),
        ("/api/v1/sources/cellar/frame.jpg", 404, "no such source"),
        ("/api/v1/sources/cellar/stream.mjpeg", 404, "no such source"),
        ("/api/v1/groups?source=cellar", 404, "no such source"),
        ("/api/v1/events?source=cellar", 404, "no such source"),
        ("/api/v1/events?kind=gossip", 400, "kind is one of result, window"),
        ("/api/v1/sources/camera-0/frame.jpg?size=huge", 400, "size is one of small, large"),
    ],
)
def test_what_is_not_there(serve, path, status, message):
    answer = serve(NAMES)[2].get(path)
    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_a_source_that_showed_nothing_has_no_picture(make_feed, serve):
    hub = LiveHub()
    feed = make_feed(hub, NAMES)
    feed.silence(NAMES[1])
    _, _, client = serve(hub=hub, feed=feed)
    answer = client.get("/api/v1/sources/camera-0/frame.jpg")
    assert (answer.status_code, answer.json()["error"]) == (404, "this source has shown nothing yet")


@pytest.mark.parametrize("name", ["frame.jpg", "stream.mjpeg"])
def test_with_aggregates_only_there_are_no_pictures(serve, make_feed, name):
    _, _, client = serve(NAMES, hub=LiveHub(aggregate_only=True))
    answer = client.get(f"/api/v1/sources/camera-0/{name}")
    assert answer.status_code == 404
    assert "only aggregates" in answer.json()["error"]


def test_with_aggregates_only_nothing_counts_faces(serve):
    _, _, client = serve(NAMES, hub=LiveHub(aggregate_only=True))
    assert client.get("/api/v1/history").json()["faces_per_s"] is None
    assert "fsrfer_faces" not in client.get("/metrics").text
    assert "fsrfer_batch_faces" not in client.get("/metrics").text


def test_a_report_that_fails_is_an_error_of_that_answer_alone(make_feed, caplog):
    feed = make_feed(LiveHub(), NAMES)
    broken = threading.Event()

    def report():
        if broken.is_set():
            raise SourceError("the report is broken")
        return feed.report()

    with LiveServer(feed.hub, report, ServingOptions(port=0)) as server:
        broken.set()
        answer = httpx.get(server.address + "api/v1/status")
        assert (answer.status_code, answer.json()) == (500, {"error": "a defect of fsrfer; its log says more"})
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        broken.clear()
        assert httpx.get(server.address + "api/v1/status").status_code == 200
    assert "the report is broken" in caplog.text


class TestPage:
    """The files of the page."""

    FILES = ("index.html", "sign-in.html", "app.js", "charts.js", "client.js", "format.js", "sources.js", "style.css")

    @pytest.mark.parametrize(
        ("path", "media_type"),
        [
            ("/", "text/html"),
            ("/assets/app.js", "javascript"),
            ("/assets/style.css", "text/css"),
            ("/assets/icon.svg", "svg"),
        ],
    )
    def test_is_served_and_kept_by_browsers_as_long_as_it_is_the_same(self, serve, path, media_type):
        _, _, client = serve()
        answer = client.get(path)
        assert media_type in answer.headers["Content-Type"]
        again = client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304

    @pytest.mark.parametrize("name", FILES)
    def test_needs_nothing_from_elsewhere(self, name):
        text = resources.files("fsrfer.runtime.serving").joinpath("page", name).read_text(encoding="utf-8")
        addresses = set(re.findall(r"https?://[^\"'\s)]+", text)) - {"http://www.w3.org/2000/svg"}
        assert not addresses
        assert not re.search(r"\son\w+=|<script(?![^>]*\bsrc=)|style=", text)

    @pytest.mark.parametrize("name", FILES)
    def test_speaks_of_expressions(self, name):
        text = resources.files("fsrfer.runtime.serving").joinpath("page", name).read_text(encoding="utf-8")
        assert "emotion" not in text.lower()


def test_credentials_are_nowhere(serve):
    _, _, client = serve(NAMES)
    for path in ("/api/v1/status", "/metrics", "/readyz"):
        assert "rtsp://***@hall.local/stream" in client.get(path).text
    assert json.dumps(client.get("/api/v1/status").json()).count("@") == 1
