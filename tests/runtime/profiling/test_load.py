"""Queries that do not wait for the server, with servers and clocks whose times are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core.predictions import ExpressionPredictions
from fsrfer.runtime.batching import FaceBatcher
from fsrfer.runtime.opening import open_bundle
from fsrfer.runtime.profiling.load import OpenLoop, poisson_arrivals
from fsrfer.runtime.readings import Readings


class SimulatedTime:
    """A clock that only moves when somebody waits or works."""

    def __init__(self):
        self.seconds = 100.0

    def now(self):
        return self.seconds

    def sleep(self, seconds):
        assert 0 < seconds < float("inf")
        self.seconds += seconds


class SimulatedClassifier:
    """A model that takes a fixed time for a run and some more for each face."""

    def __init__(self, clock, run_s, face_s, max_batch=64):
        self._clock, self._run_s, self._face_s = clock, run_s, face_s
        self.max_batch = max_batch

    def classify(self, crops):
        self._clock.seconds += self._run_s + self._face_s * len(crops)
        count = len(crops)
        return ExpressionPredictions(
            ("a",), np.ones((count, 1), np.float32), np.zeros(count, np.int64), np.ones(count, np.float32),
            np.zeros(count, np.bool_),
        )  # fmt: skip

    def read(self, crops):
        return Readings(self.classify(crops), (None,) * len(crops))


CROP = np.zeros((8, 8, 3), np.uint8)


def serve(arrivals, *, run_s=0.01, face_s=0.0, senders=1, max_wait_s=0.02, give_up_s=1e9, faces=1, max_batch=64):
    clock = SimulatedTime()
    batcher = FaceBatcher(SimulatedClassifier(clock, run_s, face_s, max_batch), max_wait_s=max_wait_s, max_frames=16)
    loop = OpenLoop(batcher, senders=senders, clock=clock)
    return loop.serve(np.asarray(arrivals, float), [[CROP] * faces for _ in arrivals], give_up_s), batcher


def test_a_slow_answer_is_charged_to_all_who_waited_for_it():
    # One sender: each query is served by itself. A client that waits for its answers would see 10 ms four times.
    served, _ = serve([0.0, 0.001, 0.002, 0.003])
    np.testing.assert_allclose(served.latencies_s, [0.010, 0.019, 0.028, 0.037])
    assert served.batch_faces == (1, 1, 1, 1)


def test_queries_of_several_senders_share_a_run():
    served, _ = serve([0.0, 0.001, 0.002, 0.003], senders=4)
    np.testing.assert_allclose(served.latencies_s, [0.013, 0.012, 0.011, 0.010])
    assert served.batch_faces == (4,)


def test_a_query_does_not_wait_for_others_longer_than_it_may():
    served, _ = serve([0.0, 1.0], senders=4, max_wait_s=0.02)
    np.testing.assert_allclose(served.latencies_s, [0.030, 0.030])


def test_a_server_that_cannot_keep_up_is_given_up_and_nothing_is_left_in_the_batcher():
    served, batcher = serve(np.arange(1000) * 0.001, run_s=0.01, give_up_s=0.1)
    assert served.is_given_up
    assert len(served.latencies_s) < 1000
    assert served.latencies_s.max() > 0.1
    assert batcher.pending_frames == 0


@settings(deadline=None)
@given(
    st.lists(st.floats(0.0, 0.1), min_size=1, max_size=60),
    st.integers(1, 5),
    st.floats(0.0001, 0.05),
    st.integers(1, 3),
    st.integers(1, 8),
)
def test_every_query_is_answered_once_and_never_before_its_work_is_done(gaps, senders, run_s, faces, max_batch):
    arrivals = np.cumsum(gaps)
    served, _ = serve(arrivals, run_s=run_s, senders=senders, faces=faces, max_batch=max_batch)
    assert not served.is_given_up
    assert len(served.latencies_s) == len(gaps)
    assert sum(served.batch_faces) == faces * len(gaps)
    assert served.latencies_s.min() >= run_s - 1e-9
    done = arrivals + served.latencies_s
    assert np.all(np.diff(done) >= -1e-9)  # in the order of arrival


def test_poisson_arrivals_have_their_rate_and_no_memory():
    arrivals = poisson_arrivals(200.0, 40_000, np.random.default_rng(1))
    gaps = np.diff(arrivals)
    assert arrivals[-1] == pytest.approx(200.0, rel=0.03)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.03)  # as of an exponential distribution
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.02


def test_a_real_classifier_answers_all(make_bundle, tmp_path):
    make_bundle(tmp_path / "bundle")
    with open_bundle(tmp_path / "bundle", threads=1) as classifier:
        batcher = FaceBatcher(classifier, max_wait_s=0.005, max_frames=16)
        arrivals = poisson_arrivals(500.0, 100, np.random.default_rng(0))
        served = OpenLoop(batcher, senders=4).serve(arrivals, [[CROP]] * 100, 60.0)
    assert len(served.latencies_s) == sum(served.batch_faces) == 100
    assert served.latencies_s.min() > 0
