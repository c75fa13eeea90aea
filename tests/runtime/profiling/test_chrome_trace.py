"""Traces against the rules of the Trace Event Format, from real runs and from made-up ones."""

from __future__ import annotations

import json
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.datasets.procedural import CrowdClip, write_clip, write_ground_truth
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.opening import open_bundle
from fsrfer.runtime.pipeline import PipelineOptions, StreamPipeline
from fsrfer.runtime.profiling.chrome_trace import TraceRecorder
from fsrfer.runtime.recorded_boxes import RecordedBoxes
from fsrfer.runtime.sources import open_source, parse_sources
from fsrfer.runtime.sources.replay import ReplaySource
from fsrfer.runtime.telemetry import Stage

FIELDS = {
    "X": {"name", "cat", "ph", "ts", "dur", "pid", "tid", "args"},
    "M": {"name", "ph", "ts", "pid", "tid", "args"},
    "C": {"name", "ph", "ts", "pid", "tid", "args"},
    "b": {"name", "cat", "ph", "ts", "pid", "tid", "id"},
    "e": {"name", "cat", "ph", "ts", "pid", "tid", "id"},
    "s": {"name", "cat", "ph", "ts", "pid", "tid", "id"},
    "t": {"name", "cat", "ph", "ts", "pid", "tid", "id"},
    "f": {"name", "cat", "ph", "ts", "pid", "tid", "id", "bp"},
}


def check(trace: dict) -> dict[str, list[dict]]:
    """Check a trace as its format wants it; return its events by phase."""
    by_phase = defaultdict(list)
    for event in trace["traceEvents"]:
        wanted = FIELDS[event["ph"]]
        assert wanted <= set(event) <= wanted | {"args"}, event
        assert event["ts"] >= 0
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        by_phase[event["ph"]].append(event)
    check_work(by_phase["X"])
    check_waits(by_phase["b"] + by_phase["e"], [*trace["traceEvents"]])
    check_flows(by_phase)
    named = {event["tid"] for event in by_phase["M"] if event["name"] == "thread_name"}
    assert {event["tid"] for event in by_phase["X"]} <= named
    return by_phase


def check_work(events):
    """Complete events of a thread follow each other or lie inside each other, and come in their order."""
    rows = defaultdict(list)
    for event in events:
        assert event["dur"] >= 0
        rows[event["tid"]].append(event)
    for row in rows.values():
        assert [event["ts"] for event in row] == sorted(event["ts"] for event in row)
        open_until: list[float] = []
        for event in row:
            end = event["ts"] + event["dur"]
            while open_until and open_until[-1] <= event["ts"] + 0.2:  # times are rounded to a tenth of a microsecond
                open_until.pop()
            assert not open_until or end <= open_until[-1] + 0.2, event
            open_until.append(end)


def check_waits(waits, events):
    """Begins and ends of one identity are nested, and never run backwards."""
    stacks, last = defaultdict(list), defaultdict(float)
    for event in (event for event in events if event["ph"] in "be"):
        key = event["cat"], event["id"]
        assert event["ts"] >= last[key] - 0.2
        last[key] = event["ts"]
        if event["ph"] == "b":
            stacks[key].append(event["name"])
        else:
            assert stacks[key].pop() == event["name"]
    assert waits
    assert not any(stacks.values())


def check_flows(by_phase):
    """Every step of a flow lies in a complete event of its thread; a flow has one begin and one end."""
    starts = {(event["tid"], event["ts"]) for event in by_phase["X"]}
    phases = defaultdict(list)
    for phase in "stf":
        for event in by_phase[phase]:
            assert (event["tid"], event["ts"]) in starts
            phases[event["id"]].append(phase)
    assert all(found.count("s") == found.count("f") == 1 for found in phases.values())


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "crowd.mp4"
    crowd = CrowdClip(width=160, height=96, seconds=1.0, people=4, face_px=(8, 20))
    write_clip(crowd, path)
    write_ground_truth(crowd, path.with_suffix(".jsonl"))
    return path


@pytest.fixture(scope="module")
def classifier(make_bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trace-bundle") / "bundle"
    make_bundle(folder)
    with open_bundle(folder, threads=1) as opened:
        yield opened


class NoSink:
    def write(self, result):
        pass


def test_the_trace_of_a_run_keeps_the_rules_and_names_its_threads(clip, classifier, tmp_path):
    recorder = TraceRecorder()
    sources = [open_source(spec) for spec in parse_sources([str(clip)])]
    boxes = RecordedBoxes(clip.with_suffix(".jsonl"))
    pipeline = StreamPipeline(sources, classifier, boxes, listener=recorder)
    pipeline.run([NoSink()], tick=lambda: recorder.sample(pipeline.report(), 0.0))
    count = recorder.write(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text())
    by_phase = check(trace)
    assert count == len(trace["traceEvents"])
    assert {event["name"] for event in by_phase["X"]} == {"decode", "track", "crop", "classify", "smooth", "sink"}
    assert {event["name"] for event in by_phase["b"]} == {"frame", "wait", "queue"}
    names = {event["args"]["name"] for event in by_phase["M"] if event["name"] == "thread_name"}
    assert names == {f"decode {clip}", "fsrfer-pipeline"}
    sinks = [event for event in by_phase["X"] if event["name"] == "sink"]
    assert [event["args"]["frames"] for event in sinks] == [[{"source": str(clip), "frame": i}] for i in range(12)]
    assert sum(event["args"]["faces"] for event in by_phase["X"] if event["name"] == "classify") > 0


def test_live_sources_show_what_they_drop(clip, classifier, tmp_path):
    recorder = TraceRecorder()
    cameras = [ReplaySource(clip, f"camera {index}", 40.0) for index in range(2)]
    options = PipelineOptions(max_frames=10, max_wait_s=0.0)
    pipeline = StreamPipeline(cameras, classifier, _OneFace(), options, listener=recorder)
    pipeline.run([NoSink()], tick=lambda: recorder.sample(pipeline.report(), 1e9))
    recorder.sample(pipeline.report(), 1e9)
    recorder.write(tmp_path / "trace.json")
    by_phase = check(json.loads((tmp_path / "trace.json").read_text()))
    (*_, dropped) = [event for event in by_phase["C"] if event["name"] == "frames dropped"]
    assert dropped["args"] == {source.name: source.dropped for source in pipeline.report().sources}
    assert "detect" in {event["name"] for event in by_phase["X"]}


class _OneFace:
    name = "one face"
    score_threshold = 0.3

    def detect_batch(self, images):
        from fsrfer.runtime.detection import FaceDetections

        return [FaceDetections(np.array([[4, 4, 20, 20]], np.float32), np.ones(1, np.float32)) for _ in images]


def test_neither_pictures_nor_passwords_get_into_it(classifier, tmp_path):
    from fsrfer.core.errors import SourceError

    class Broken:
        """A source with the name that a real one has whose address holds a password."""

        name = parse_sources(["rtsp://user:s3cret@camera.local/stream"])[0].name
        reconnects = 0

        def frames(self, stop):
            image = np.full((32, 32, 3), 77, np.uint8)
            yield Frame(self.name, 0, 0.0, Clock.WALL, image)
            raise SourceError("gone")

    recorder = TraceRecorder()
    pipeline = StreamPipeline([Broken()], classifier, _OneFace(), listener=recorder)
    pipeline.run([NoSink()])
    recorder.sample(pipeline.report(), 1e9)
    recorder.write(tmp_path / "trace.json")
    text = (tmp_path / "trace.json").read_text()
    assert "camera.local" in text
    assert "s3cret" not in text
    assert len(text) < 32 * 32 * 3 * 3  # no picture has room in it


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(list(Stage)), st.floats(0, 10), st.floats(0, 1), st.integers(0, 5)),
        min_size=1,
        max_size=40,
    )
)
def test_any_spans_make_a_file_whose_events_have_their_fields(tmp_path_factory, spans):
    recorder = TraceRecorder()
    for stage, begin_s, seconds, index in spans:
        one = Frame("camera", index, 0.0, Clock.WALL, np.zeros((1, 1, 3), np.uint8))
        recorder.note(stage, begin_s, begin_s + seconds, (one,), None)
    path = tmp_path_factory.getbasetemp() / "any.json"
    recorder.write(path)
    for event in json.loads(path.read_text())["traceEvents"]:
        assert FIELDS[event["ph"]] <= set(event)
        assert event["ts"] >= 0


def test_a_recorder_of_a_long_run_keeps_its_end_and_little_memory(tmp_path):
    recorder = TraceRecorder(most=50)
    for index in range(1000):
        one = Frame("camera", index, 0.0, Clock.WALL, np.zeros((1, 1, 3), np.uint8))
        recorder.note(Stage.SINK, float(index), index + 0.5, (one,), None)
    recorder.write(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text())
    shown = [event["args"]["frames"][0]["frame"] for event in trace["traceEvents"] if event["ph"] == "X"]
    assert shown == list(range(950, 1000))
    assert trace["otherData"]["spans_left_out"] == 950
