"""Live streams that are decoded too slowly."""

from __future__ import annotations

import itertools
import time
from contextlib import closing
from threading import Event

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.runtime.sources import SourceKind, SourceSettings, SourceSpec, open_source
from fsrfer.runtime.sources.catch_up import CatchUp

KEY_EVERY = 50


def decoded(seconds, *, frame_s, arrives=lambda stamp: stamp, stamp_of=lambda capture: capture):
    """Captures of the frames that a decoder shows which takes ``frame_s`` for each, and how late they are."""
    catch_up, now_s, shown = CatchUp(), 0.0, []
    for index in range(round(seconds * 25)):
        capture_s = index / 25
        now_s = max(now_s, arrives(capture_s))
        if not catch_up.leaves_out(stamp_of(capture_s), now_s, is_key=index % KEY_EVERY == 0):
            shown.append((index, now_s - capture_s))
            now_s += frame_s
    return [index for index, _ in shown], np.array([lag for _, lag in shown])


def test_a_decoder_that_keeps_up_decodes_all():
    indices, _ = decoded(600, frame_s=0.035)
    assert len(indices) == 600 * 25


@pytest.mark.parametrize("frame_s", [0.0408, 0.05, 0.08, 0.4])
def test_a_slow_decoder_lags_for_a_bounded_time_and_begins_at_key_frames(frame_s):
    indices, lags = decoded(1200, frame_s=frame_s)
    assert lags.max() < 6.0
    assert len(indices) < 1200 * 25
    begins = [after for before, after in itertools.pairwise(indices) if after != before + 1]
    assert begins
    assert all(index % KEY_EVERY == 0 for index in begins)


def test_a_stall_of_the_network_is_caught_up_with_by_decoding():
    indices, _ = decoded(60, frame_s=0.005, arrives=lambda stamp: 25.0 if 20 <= stamp < 25 else stamp)
    assert len(indices) == 60 * 25


def test_drift_of_the_clocks_is_no_lag():
    indices, _ = decoded(7200, frame_s=0.01, stamp_of=lambda capture: capture * (1 - 1.5e-4))
    assert len(indices) == 7200 * 25


@pytest.mark.parametrize("jump_s", [-1000.0, 1000.0])
def test_stamps_that_jump_cost_nothing(jump_s):
    indices, _ = decoded(60, frame_s=0.01, stamp_of=lambda capture: capture + (jump_s if capture > 30 else 0.0))
    assert len(indices) == 60 * 25


def test_stamps_that_run_slow_cost_little():
    indices, _ = decoded(1200, frame_s=0.01, stamp_of=lambda capture: 0.95 * capture)
    assert len(indices) > 0.9 * 1200 * 25


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 5), st.booleans()), max_size=80))
def test_after_some_time_of_reading_decoding_goes_on(steps):
    catch_up, now_s, jump_s = CatchUp(), 0.0, None
    for stamp_s, wait_s, is_key in steps:
        now_s += wait_s
        if catch_up.leaves_out(stamp_s, now_s, is_key=is_key):
            jump_s = now_s if jump_s is None else jump_s
            assert now_s - jump_s < (2.0 if is_key else 15.0)
        else:
            assert jump_s is None or is_key or now_s - jump_s >= 15.0
            jump_s = None


@pytest.mark.slow
def test_a_camera_is_caught_up_with(camera, caplog):
    settings = SourceSettings(start_timeout_s=30.0, read_timeout_s=30.0)
    source = open_source(SourceSpec(SourceKind.NETWORK, "gate", camera.address, settings=settings))
    with closing(source.frames(Event())) as frames:
        deadline = time.monotonic() + 60
        for _ in frames:
            time.sleep(0.1)  # two and a half times as long as there is
            if source.counters["behind"] > 20 or time.monotonic() > deadline:
                break
        assert source.counters["behind"] > 20
        frame = next(frames)
        assert time.time() - frame.time_s < 5.0
    assert source.reconnects == 0
    assert caplog.text.count("gate comes faster than it is decoded here") == 1
