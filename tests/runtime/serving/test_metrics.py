import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from fsrfer.core.labels import CANONICAL_LABELS
from fsrfer.runtime.serving import LiveHub, ModelInfo
from fsrfer.runtime.serving.metrics import MetricsPage
from fsrfer.runtime.sources import DropReason
from fsrfer.runtime.telemetry import Stage

MODEL = ModelInfo("int8", "onnxruntime", "3f9a", CANONICAL_LABELS)
NAMES = ("rtsp://***@hall.local/stream", 'a "quoted" \\ name\n')


@pytest.fixture
def feed(make_feed):
    feed = make_feed(LiveHub(), NAMES)
    for _ in range(5):
        feed.step()
    feed.drop(NAMES[0], DropReason.REPLACED, 7)
    feed.drop(NAMES[0], DropReason.STALE, 2)
    feed.reconnect(NAMES[1])
    return feed


def samples(text):
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def render(report, model=MODEL, *, with_faces=True, accept=""):
    body, media_type = MetricsPage(report, model, with_faces=with_faces).render(accept)
    return body.decode(), media_type


def test_the_metrics_are_those_of_the_report(feed):
    report = feed.report()
    text, media_type = render(feed.report)
    found = samples(text)
    assert media_type.startswith("text/plain")
    assert found["fsrfer_frames_captured_total", NAMES[0]] == 5 + 9
    assert found["fsrfer_frames_dropped_total", "replaced", NAMES[0]] == 7
    assert found["fsrfer_frames_dropped_total", NAMES[0], "stale"] == 2
    assert found["fsrfer_source_left_out_total", "damaged", NAMES[0]] == 4
    assert found["fsrfer_faces_total", NAMES[1]] == report.faces_by_source[NAMES[1]]
    assert found["fsrfer_faces_read_total",] == report.readings
    assert found["fsrfer_readings_invalid_total",] == 0
    assert found["fsrfer_readings_lost_total", "unavailable"] == 4
    assert found["fsrfer_readings_lost_total", "deadline"] == 1
    assert found["fsrfer_source_up", NAMES[0]] == 1
    assert found["fsrfer_source_reconnects_total", NAMES[1]] == 1
    assert found["fsrfer_queue_depth",] == 2
    assert found["fsrfer_detect_every",] == 1
    assert found["fsrfer_sink_dropped_total", "mqtt"] == 3
    assert found["fsrfer_model_info", "3f9a", "int8", "onnxruntime"] == 1
    assert found["process_resident_memory_bytes",] > 1e6


def test_histograms_are_cumulative_in_seconds(feed):
    detect = feed.report().stages[Stage.DETECT]
    found = samples(render(feed.report)[0])
    assert found["fsrfer_stage_latency_seconds_bucket", "+Inf", "detect"] == detect.count == 10
    assert found["fsrfer_stage_latency_seconds_count", "detect"] == 10
    assert found["fsrfer_stage_latency_seconds_sum", "detect"] == pytest.approx(detect.total)
    buckets = [found["fsrfer_stage_latency_seconds_bucket", str(bound), "detect"] for bound in detect.bounds]
    assert buckets == list(detect.cumulative[:-1])
    assert found["fsrfer_result_age_seconds_count", NAMES[0]] == 5
    assert found["fsrfer_batch_faces_count",] == 10


def test_a_failed_source_is_not_up(feed):
    feed.fail(NAMES[0], "cable pulled")
    found = samples(render(feed.report)[0])
    assert (found["fsrfer_source_up", NAMES[0]], found["fsrfer_source_up", NAMES[1]]) == (0, 1)


def test_openmetrics_is_given_where_it_is_asked_for(feed):
    text, media_type = render(feed.report, accept="application/openmetrics-text; version=1.0.0")
    assert media_type.startswith("application/openmetrics-text")
    assert "fsrfer_frames_captured" in {family.name for family in parse_openmetrics(text)}


def test_with_aggregates_only_nothing_counts_faces(feed):
    text, _ = render(feed.report, with_faces=False)
    assert "faces" not in text.replace("fsrfer_frames", "")
    assert "fsrfer_frames_captured_total" in text


def test_before_the_pipeline_stands_the_process_is_known():
    found = samples(render(lambda: None, None)[0])
    assert not [name for name, *_ in found if name.startswith("fsrfer")]
    assert found["process_open_fds",] > 0


def test_every_name_says_its_unit(feed):
    for family in text_string_to_metric_families(render(feed.report)[0]):
        if family.type == "histogram":
            assert family.name.endswith(("_seconds", "_faces"))
        for sample in family.samples:
            assert (family.type == "counter") <= sample.name.endswith("_total")
        assert family.documentation or family.type == "unknown"
