"""Sinks on a thread of their own: slow, stuck, broken ones, and full disks."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from pathlib import Path

import av
import pytest

from fsrfer.core.errors import UsageError
from fsrfer.runtime.frame import Clock
from fsrfer.runtime.sinks import (
    AnnotatedVideoSink,
    BackgroundOptions,
    BackgroundSink,
    JsonLinesFileSink,
    JsonLinesSink,
    SinkError,
)


class Recorder:
    """A sink that keeps what it was given, works only while its gate is open, and fails where it is told to."""

    def __init__(self, *, fails_at=None, error=None, fails_leaving=False):
        self.gate = threading.Event()
        self.gate.set()
        self.frames: list[int] = []
        self.left_by: list[type | None] = []
        self.threads: set[int] = set()
        self.entered = False
        self.working = threading.Event()
        self._fails_at = fails_at
        self._fails_leaving = fails_leaving
        self._error = error or OSError(28, "No space left on device")

    def write(self, result):
        self.working.set()
        assert self.gate.wait(60)
        self.threads.add(threading.get_ident())
        if result.frame.index == self._fails_at:
            raise self._error
        self.frames.append(result.frame.index)

    def __enter__(self):
        self.entered = True
        return self

    def __exit__(self, kind, error, trace):
        self.threads.add(threading.get_ident())
        self.left_by.append(kind)
        if self._fails_leaving:
            raise self._error


class WindowRecorder(Recorder):
    def __init__(self):
        super().__init__()
        self.windows: list[float] = []

    def write_window(self, window):
        self.windows.append(window.start_s)


def live(make_result, index):
    return make_result(index=index, clock=Clock.WALL)


def said_in(caplog) -> list[str]:
    return [record.message for record in caplog.records if record.name.startswith("fsrfer")]


def test_everything_arrives_in_order_on_another_thread(make_result):
    inner = Recorder()
    with BackgroundSink(inner, "lines") as sink:
        assert inner.entered
        for index in range(100):
            sink.write(make_result(index=index))
    assert inner.frames == list(range(100))
    assert inner.left_by == [None]
    assert threading.get_ident() not in inner.threads
    assert (sink.name, sink.dropped, sink.failure) == ("lines", 0, None)


def test_live_results_give_way_oldest_first(make_result):
    inner = Recorder()
    inner.gate.clear()
    with BackgroundSink(inner, "video", BackgroundOptions(queue_results=3)) as sink:
        sink.write(live(make_result, 0))
        assert inner.working.wait(20)
        for index in range(1, 11):
            sink.write(live(make_result, index))
        assert sink.dropped == 7
        inner.gate.set()
    assert inner.frames == [0, 8, 9, 10]
    assert sink.failure is None


def test_recordings_wait_and_lose_nothing(make_result):
    inner = Recorder()
    inner.gate.clear()
    done = threading.Event()
    with BackgroundSink(inner, "video", BackgroundOptions(queue_results=3)) as sink:

        def write():
            for index in range(20):
                sink.write(make_result(index=index))
            done.set()

        thread = threading.Thread(target=write)
        thread.start()
        assert inner.working.wait(20)
        assert not done.wait(0.2)
        inner.gate.set()
        assert done.wait(20)
        thread.join()
    assert inner.frames == list(range(20))
    assert sink.dropped == 0


def test_live_results_never_push_out_those_of_recordings(make_result):
    inner = Recorder()
    inner.gate.clear()
    with BackgroundSink(inner, "video", BackgroundOptions(queue_results=3)) as sink:
        sink.write(make_result(index=0))
        assert inner.working.wait(20)
        sink.write(make_result(index=1))
        sink.write(live(make_result, 100))
        sink.write(make_result(index=2))
        sink.write(live(make_result, 101))  # takes the place of the other live one
        sink.write(live(make_result, 102))
        assert sink.dropped == 2
        inner.gate.set()
    assert inner.frames == [0, 1, 2, 102]


def test_windows_go_where_they_are_wanted_and_in_order(make_result, make_window):
    inner, plain = WindowRecorder(), Recorder()
    with BackgroundSink(inner, "lines") as sink, BackgroundSink(plain, "video") as other:
        for number in range(3):
            for one in (sink, other):
                one.write(make_result(index=number))
                one.write_window(make_window(number))
    assert inner.windows == [0.0, 10.0, 20.0]
    assert plain.frames == [0, 1, 2]


def test_a_sink_that_fails_is_off_and_the_rest_goes_on(make_result, caplog, eventually):
    broken, well = Recorder(fails_at=3), Recorder()
    with BackgroundSink(broken, "disk") as sink, BackgroundSink(well, "lines") as other:
        for index in range(10):
            for one in (sink, other):
                one.write(make_result(index=index))
        eventually(lambda: sink.failure)
    assert broken.frames == [0, 1, 2]
    assert broken.left_by == [OSError]  # it throws away what is unfinished, at once
    assert well.frames == list(range(10))
    assert isinstance(sink.failure, OSError)
    assert len(broken.frames) + sink.dropped == 10
    assert said_in(caplog) == [
        "disk failed and is off from now on; the rest goes on: [Errno 28] No space left on device"
    ]
    assert not caplog.records[0].exc_info


def test_a_defect_keeps_its_traceback_in_the_log(make_result, caplog):
    with BackgroundSink(Recorder(fails_at=0, error=ZeroDivisionError("oh")), "odd") as sink:
        sink.write(make_result(index=0))
    assert isinstance(sink.failure, ZeroDivisionError)
    assert caplog.records[0].exc_info[1] is sink.failure
    assert len(said_in(caplog)) == 1


def test_a_sink_that_fails_at_the_end_says_so_and_does_not_raise(make_result, caplog):
    with BackgroundSink(Recorder(fails_leaving=True), "video") as sink:
        sink.write(make_result())
    assert isinstance(sink.failure, OSError)
    assert len(said_in(caplog)) == 1


def test_what_entering_raises_is_raised_there(tmp_path):
    sink = BackgroundSink(JsonLinesFileSink(tmp_path / "nowhere" / "seen.jsonl"), "jsonl")
    with pytest.raises(UsageError), sink:
        pass


def test_leaving_because_of_an_error_throws_away_what_waits(make_result):
    inner = Recorder()
    inner.gate.clear()

    def fail():
        with BackgroundSink(inner, "video") as sink:
            sink.write(make_result(index=0))
            assert inner.working.wait(20)
            sink.write(make_result(index=1))
            threading.Timer(0.2, inner.gate.set).start()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert inner.frames == [0]
    assert inner.left_by != [None]
    assert len(inner.left_by) == 1


@pytest.mark.parametrize("is_recording", [True, False])
def test_a_stuck_sink_is_given_up(make_result, caplog, is_recording):
    inner = Recorder()
    inner.gate.clear()
    options = BackgroundOptions(queue_results=2, write_s=0.2, complete_s=0.2)
    clock = Clock.STREAM if is_recording else Clock.WALL
    started_s = time.monotonic()
    with BackgroundSink(inner, "network drive", options) as sink:
        for index in range(10):
            sink.write(make_result(index=index, clock=clock))
    assert time.monotonic() - started_s < 20
    assert isinstance(sink.failure, SinkError)
    assert "network drive is stuck" in str(sink.failure)
    assert sink.dropped == 9
    assert len(said_in(caplog)) == 1
    inner.gate.set()
    sink._thread.join(20)
    assert inner.left_by != [None]  # when it comes to itself again, it throws away what is unfinished


def test_impossible_limits_are_wrong_usage():
    with pytest.raises(UsageError, match="impossible limits"):
        BackgroundOptions(queue_results=0)


def test_no_frame_is_kept_alive_beyond_the_queue(make_result, eventually):
    class Gone(Recorder):
        def write(self, result):
            super().write(result)
            del result

    inner = Gone()
    inner.gate.clear()
    kept: list[weakref.ref] = []

    def write(sink, index):
        result = live(make_result, index)
        kept.append(weakref.ref(result.frame.image))
        sink.write(result)

    def alive() -> int:
        gc.collect()
        return sum(image() is not None for image in kept)

    with BackgroundSink(inner, "video", BackgroundOptions(queue_results=3)) as sink:
        write(sink, 0)
        assert inner.working.wait(20)
        for index in range(1, 51):
            write(sink, index)
        assert alive() <= 3 + 1  # those that wait, and the one in hand
        inner.gate.set()
        eventually(lambda: alive() == 0)


def test_a_failure_keeps_no_frame_alive(make_result, eventually):
    with BackgroundSink(Recorder(fails_at=0), "video") as sink:
        result = make_result(index=0)
        image = weakref.ref(result.frame.image)
        sink.write(result)
        del result
        eventually(lambda: sink.failure)
        eventually(lambda: gc.collect() >= 0 and image() is None)


def test_lines_on_a_full_disk_are_survived_and_said_once(make_result, caplog):
    with Path("/dev/full").open("w") as full:
        with BackgroundSink(JsonLinesSink(full, flush_each=True), "lines") as sink:
            for index in range(20):
                sink.write(make_result(index=index))
        assert isinstance(sink.failure, OSError)
        assert len(said_in(caplog)) == 1
        with pytest.raises(OSError, match="No space"):
            full.close()  # whoever opened a buffered stream closes it, and what it still holds fails again


PREPARE = """
    import logging, sys
    from pathlib import Path
    import numpy as np
    from fsrfer.core.predictions import ExpressionPredictions
    from fsrfer.runtime.detection import FaceDetections
    from fsrfer.runtime.frame import Clock, Frame
    from fsrfer.runtime.results import FrameResult
    from fsrfer.runtime.sinks import *

    def result(index):
        image = np.random.default_rng(index).integers(0, 255, (270, 480, 3), dtype=np.uint8)
        predictions = ExpressionPredictions(
            ("calm", "glad"), np.array([[0.5, 0.5]], np.float32), np.zeros(1, np.int64), np.full(1, 24, np.float32),
            np.zeros(1, bool),
        )
        detections = FaceDetections(np.array([[9, 9, 33, 33]], np.float32), np.ones(1, np.float32))
        return FrameResult(Frame("cam", index, index / 25, Clock.STREAM, image), predictions, detections)

    logging.basicConfig(stream=sys.stderr, format="%(message)s")
"""


def run_with_file_limit(limit: int, code: str) -> subprocess.CompletedProcess[str]:
    """Run code where no file may grow beyond a limit, which is what a full disk looks like to a program."""
    begin = f"""
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
    """
    return subprocess.run(
        [sys.executable, "-c", "".join(map(textwrap.dedent, (begin, PREPARE, code)))],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_video_on_a_full_disk_is_survived_said_once_and_removed(tmp_path):
    code = f"""
        video = BackgroundSink(AnnotatedVideoSink(Path({str(tmp_path)!r}) / "seen.mp4"), "video")
        with video, JsonLinesSink(sys.stdout) as lines:
            for index in range(40):
                for sink in (video, lines):
                    sink.write(result(index))
        assert isinstance(video.failure, OSError), video.failure
    """
    done = run_with_file_limit(300_000, code)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 40
    (line,) = done.stderr.splitlines()
    assert "video failed and is off from now on; the rest goes on: [Errno 27] File too large" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_video_is_whole_or_absent_wherever_the_disk_ends(tmp_path):
    code = f"""
        video = BackgroundSink(AnnotatedVideoSink(Path({str(tmp_path)!r}) / "seen.mp4"), "video")
        with video:
            for index in range(5):
                video.write(result(index))
        print("failed" if video.failure else "written")
    """
    done = run_with_file_limit(1 << 30, code)
    assert done.stdout.split() == ["written"], done.stderr
    size = (tmp_path / "seen.mp4").stat().st_size
    outcomes = set()
    for limit in (size - 100_000, size - 2000, size - 500, size - 10, size - 1, size, size + 5000):
        (tmp_path / "seen.mp4").unlink(missing_ok=True)
        done = run_with_file_limit(limit, code)
        (outcome,) = done.stdout.split()
        outcomes.add(outcome)
        assert (tmp_path / "seen.mp4").exists() == (outcome == "written"), done.stderr
        if outcome == "written":
            with av.open(str(tmp_path / "seen.mp4")) as container:
                assert sum(1 for _ in container.decode(video=0)) == 5
        assert len(list(tmp_path.iterdir())) == (outcome == "written")
    assert outcomes == {"failed", "written"}


def test_lines_in_a_file_on_a_full_disk_stay_whole(tmp_path):
    path = tmp_path / "seen.jsonl"
    code = f"""
        lines = BackgroundSink(JsonLinesFileSink(Path({str(path)!r})), "lines")
        with lines:
            for index in range(40):
                lines.write(result(index))
        assert isinstance(lines.failure, OSError), lines.failure
    """
    done = run_with_file_limit(3001, code)
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert "lines failed and is off from now on" in line
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [record["frame"] for record in records] == list(range(len(records)))
    assert len(records) > 5
    assert path.read_text().endswith("\n")


def test_a_video_in_the_background_is_complete_when_the_sink_is_left(tmp_path, make_result):
    with BackgroundSink(AnnotatedVideoSink(tmp_path / "seen.mp4"), "video") as sink:
        for index in range(10):
            sink.write(make_result(index=index, time_s=index / 25))
    assert sink.failure is None
    with av.open(str(tmp_path / "seen.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 10
