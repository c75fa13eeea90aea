"""Annotated videos and pictures on disk."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from fsrfer.core.errors import UsageError
from fsrfer.runtime.frame import Clock
from fsrfer.runtime.sinks import AnnotatedPictureSink, AnnotatedVideoSink, annotate
from fsrfer.runtime.sinks.output_names import OutputNames


def read(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in container.decode(stream)]
        return stream.codec_context.name, stream.codec_context.pix_fmt, frames


def test_a_video_is_h264_that_everything_plays_and_keeps_the_times(tmp_path, make_result):
    times = [5.0, 5.04, 5.5, 5.52, 8.0]
    with AnnotatedVideoSink(tmp_path / "out.mp4") as sink:
        for index, time_s in enumerate(times):
            sink.write(make_result(index=index, time_s=time_s))
        assert not (tmp_path / "out.mp4").exists()
    codec, pixel_format, frames = read(tmp_path / "out.mp4")
    assert (codec, pixel_format) == ("h264", "yuv420p")
    np.testing.assert_allclose([time_s for time_s, _ in frames], np.subtract(times, 5.0), atol=1e-3)
    drawn = annotate(make_result())
    assert np.abs(frames[0][1][: drawn.shape[0], : drawn.shape[1]].astype(int) - drawn).mean() < 4
    assert list(tmp_path.iterdir()) == [tmp_path / "out.mp4"]


def test_times_that_stand_still_or_go_back_do_not_break_the_video(tmp_path, make_result):
    with AnnotatedVideoSink(tmp_path / "out.mp4") as sink:
        for time_s in (1.0, 1.0, 0.5, 2.0):
            sink.write(make_result(time_s=time_s))
    _, _, frames = read(tmp_path / "out.mp4")
    assert len(frames) == 4


def test_frames_that_change_their_size_are_fitted(tmp_path, make_result):
    with AnnotatedVideoSink(tmp_path / "out.mp4") as sink:
        for index, size in enumerate([(960, 540), (640, 480), (1280, 720), (963, 541)]):
            sink.write(make_result(size=size, time_s=index / 25))
    _, _, frames = read(tmp_path / "out.mp4")
    assert len({image.shape for _, image in frames}) == 1
    assert len(frames) == 4


def test_an_error_leaves_nothing_behind(tmp_path, make_result):
    def fail_halfway():
        with AnnotatedVideoSink(tmp_path / "out.mp4") as sink:
            sink.write(make_result())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert list(tmp_path.iterdir()) == []


def test_without_a_frame_there_is_no_video(tmp_path):
    with AnnotatedVideoSink(tmp_path / "out.mp4"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_each_source_has_its_own_video(tmp_path, make_result):
    with AnnotatedVideoSink(tmp_path / "out.mp4", is_single=False) as sink:
        for index in range(3):
            for source in ("a/clip.mp4", "b/clip.mp4", "rtsp://***@cam.local:554/s?channel=1"):
                sink.write(make_result(source=source, index=index, time_s=index / 25))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out-cam.local-554-s-channel-1.mp4",
        "out-clip-2.mp4",
        "out-clip.mp4",
    ]
    assert len(read(tmp_path / "out-clip-2.mp4")[2]) == 3


def test_pictures_are_written_as_they_come(tmp_path, make_result):
    with AnnotatedPictureSink(tmp_path / "out.png") as sink:
        sink.write(make_result())
        drawn = cv2.cvtColor(cv2.imread(str(tmp_path / "out.png")), cv2.COLOR_BGR2RGB)
    assert np.array_equal(drawn, annotate(make_result()))


def test_suffixes_that_cannot_be_written_are_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match=r"expected a path ending in \.mkv, \.mov, \.mp4"):
        AnnotatedVideoSink(tmp_path / "out.png")
    with pytest.raises(UsageError, match="cannot write annotated pictures"):
        AnnotatedPictureSink(tmp_path / "out.mp4")


def test_names_that_hold_nothing_usable_still_make_a_file_name(tmp_path):
    names = OutputNames(tmp_path / "out.mp4", is_single=False)
    assert names.path_for("...").name == "out-source.mp4"
    assert names.path_for("rtsp://***").name == "out-source-2.mp4"


def test_a_source_that_joins_a_single_one_has_a_file_of_its_own(tmp_path):
    names = OutputNames(tmp_path / "out.mp4", is_single=True)
    assert [names.path_for(source).name for source in ("gate", "hall", "gate")] == [
        "out.mp4",
        "out-hall.mp4",
        "out.mp4",
    ]


class TestSegments:
    def write(self, make_result, path, times_s, **options):
        with AnnotatedVideoSink(path, segment_s=10.0) as sink:
            for index, time_s in enumerate(times_s):
                sink.write(make_result(index=index, time_s=time_s, **options))
                yield sorted(file.name for file in path.parent.glob("[!.]*"))

    def test_each_is_complete_as_soon_as_it_is_over(self, tmp_path, make_result):
        seen = list(self.write(make_result, tmp_path / "seen.mp4", [0.0, 5.0, 9.9, 10.0, 19.0, 21.0]))
        first, second = "seen-00h00m00s.mp4", "seen-00h00m10s.mp4"
        assert seen == [[], [], [], [first], [first], [first, second]]
        counts = {file.name: len(read(file)[2]) for file in tmp_path.iterdir()}
        assert counts == {first: 3, second: 2, "seen-00h00m21s.mp4": 1}

    def test_those_of_live_sources_are_called_after_the_time_of_day(self, tmp_path, make_result):
        times_s = [1790000048.16, 1790000049.0, 1790000058.2]
        list(self.write(make_result, tmp_path / "seen.mkv", times_s, clock=Clock.WALL))
        assert sorted(file.name for file in tmp_path.iterdir()) == [
            "seen-20260921T141408Z.mkv",
            "seen-20260921T141418Z.mkv",
        ]

    def test_time_that_runs_backwards_begins_another(self, tmp_path, make_result):
        list(self.write(make_result, tmp_path / "seen.mp4", [95.0, 3.0]))
        assert sorted(file.name for file in tmp_path.iterdir()) == ["seen-00h00m03s.mp4", "seen-00h01m35s.mp4"]

    def test_an_error_leaves_those_that_are_over(self, tmp_path, make_result):
        steps = self.write(make_result, tmp_path / "seen.mp4", [0.0, 11.0])
        next(steps), next(steps)
        with pytest.raises(RuntimeError, match="camera"):
            steps.throw(RuntimeError("camera"))
        assert [file.name for file in tmp_path.iterdir()] == ["seen-00h00m00s.mp4"]

    def test_they_are_not_shorter_than_a_second(self, tmp_path):
        for seconds in (0.0, 0.5, float("nan")):
            with pytest.raises(UsageError, match="segments"):
                AnnotatedVideoSink(tmp_path / "seen.mp4", segment_s=seconds)
