"""GStreamer pipelines: PyPI's OpenCV has no GStreamer, others do."""

from __future__ import annotations

import itertools
import logging
import threading
from contextlib import closing

import cv2
import cv2.videoio_registry
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core.errors import SourceError
from fsrfer.runtime.sources import ReconnectPolicy, SourceSettings, open_source, parse_source
from fsrfer.runtime.sources.gstreamer import redact_pipeline
from fsrfer.runtime.sources.source import RefusedError

HAS_GSTREAMER = cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER)
QUICK = ReconnectPolicy(first_delay_s=0.05, max_delay_s=0.2, initial_attempts=2)


def take(text, count):
    with closing(open_source(parse_source(text), QUICK).frames(threading.Event())) as frames:
        return list(itertools.islice(frames, count))


def test_a_pipeline_gives_rgb_or_says_what_is_missing():
    text = "gst:videotestsrc pattern=red is-live=true ! video/x-raw,width=64,height=48,framerate=25/1"
    if not HAS_GSTREAMER:
        with pytest.raises(RefusedError, match=r"expected an OpenCV that was built with GStreamer.*docs/sources.md"):
            take(text, 1)
        return
    frames = take(text, 5)
    assert {frame.image.shape for frame in frames} == {(48, 64, 3)}
    assert frames[0].image[24, 32, 0] > 200 > 60 > frames[0].image[24, 32, 2]


def test_a_pipeline_that_fails_shows_no_password(caplog, capfd):
    caplog.set_level(logging.DEBUG)
    text = "gst:rtspsrc location=rtsp://joe:geheim@127.0.0.1:1/s user-pw=geheim ! decodebin"
    with pytest.raises(SourceError) as caught:
        take(text, 1)
    output = capfd.readouterr()
    assert "geheim" not in str(caught.value) + caplog.text + output.out + output.err


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("gst:v4l2src device=/dev/video0 ! videoconvert", "gst:v4l2src ! videoconvert"),
        ("gst:a user-pw=x!y ! b", "gst:a ! b"),
        ('gst:a user-pw="x!y z" ! b', "gst:a ! b"),
        ("gst:a user-pw='x!y z' ! b", "gst:a ! b"),
        (r"gst:a user-pw=x\!y ! b", "gst:a ! b"),
        ('gst:a user-pw="x!y z ! b', "gst:a"),
        ("gst:location=geheim ! video/x-raw,width=4", "gst:*** ! ***"),
        ("gst:a!b", "gst:***"),
        ("gst:", "gst:"),
    ],
)
def test_properties_are_not_shown(text, shown):
    assert redact_pipeline(text) == shown


@given(st.text(st.characters(min_codepoint=32, exclude_characters='"\\', exclude_categories=["Cs"]), max_size=20))
def test_quoted_values_are_never_shown(value):
    assert redact_pipeline(f'gst:rtspsrc user-pw="{value}" ! decodebin') == "gst:rtspsrc ! decodebin"


def test_settings_reach_the_pipeline():
    spec = parse_source("gst:videotestsrc")
    assert spec.settings == SourceSettings()
    assert open_source(spec).counters["skipped"] == 0
