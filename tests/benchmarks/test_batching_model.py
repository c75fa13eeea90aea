"""The simulation of Triton's batcher against theory, against its own rules, and against what traces showed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LENIENT = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

REQUESTS = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 6)), min_size=1, max_size=60)
"""Milliseconds since the request before, and faces."""


def offered(requests):
    moments = np.cumsum([after for after, _ in requests]) / 1e3
    return moments, np.array([faces for _, faces in requests])


def batchers(model, *, policy):
    limits = st.fixed_dictionaries(
        {"max_queue": st.none() | st.integers(1, 8), "timeout_s": st.none() | st.sampled_from((0.02, 0.1, 1.0))}
    )
    return st.builds(
        lambda most, delay_ms, instances, limited: model.Batcher(most, delay_ms / 1e3, instances, **limited),
        st.integers(6, 16),
        st.sampled_from((0, 1, 5, 20)),
        st.integers(1, 3),
        limits if policy else st.just({}),
    )


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_mean_wait_without_batches_is_that_of_an_m_d_1_queue(model, load):
    """Pollaczek and Khinchine: half the load over what is left of it, in runs."""
    waits = []
    for seed in range(10):
        moments = np.cumsum(np.random.default_rng(seed).exponential(1 / load, 20_000))
        result = model.simulate(
            moments, np.ones(len(moments), int), model.Batcher(1), model.ServiceTime.linear(1.0, 0.0, 1)
        )
        waits.append(np.mean(result.latency_s) - 1.0)
    error = np.std(waits, ddof=1) / len(waits) ** 0.5
    assert error < 0.05 * np.mean(waits)
    assert abs(np.mean(waits) - load / (2 * (1 - load))) < 4 * error


def test_two_instances_wait_less_than_half_of_one_at_the_same_load(model):
    moments = np.cumsum(np.random.default_rng(0).exponential(1 / 0.7, 20_000))
    ones = np.ones(len(moments), int)
    one = model.simulate(moments, ones, model.Batcher(1), model.ServiceTime.linear(1.0, 0.0, 1))
    two = model.simulate(moments, ones, model.Batcher(1, instances=2), model.ServiceTime.linear(2.0, 0.0, 1))
    assert two.busy_s == pytest.approx(2 * one.busy_s)
    # Cosmetatos: (1 + (m - 1)(sqrt(4 + 5 m) - 2)(1 - u) / (16 m u)) / 2 of M/M/2's wait, which is 2 u^2 / (1 - u^2).
    u = 0.7
    expected = (1 + (14**0.5 - 2) * (1 - u) / (32 * u)) / 2 * 2 * u**2 / (1 - u**2)
    assert np.mean(two.latency_s) - 2.0 == pytest.approx(expected, rel=0.08)


@LENIENT
@given(data=st.data(), requests=REQUESTS, policy=st.booleans())
def test_every_request_is_served_once_in_a_batch_that_fits_or_rejected(model, data, requests, policy):
    batcher = data.draw(batchers(model, policy=policy))
    moments, faces = offered(requests)
    service = model.ServiceTime.linear(0.003, 0.002, batcher.max_batch)
    result = model.simulate(moments, faces, batcher, service)
    served = ~np.isnan(result.begun_s)
    assert np.sum(served) + result.queue_full + result.expired == len(requests)
    assert sum(result.batch_requests) == np.sum(served)
    assert sum(result.batch_faces) == np.sum(faces[served])
    assert max(result.batch_faces, default=1) <= batcher.max_batch
    assert np.all(result.begun_s[served] >= moments[served])
    assert np.all(np.diff(result.begun_s[served]) >= 0)  # first come, first served
    if not policy:
        assert np.all(served)
    if batcher.timeout_s is not None:
        # A request cannot be begun long after its time: the thread finds out when it looks.
        assert np.all(result.begun_s[served] <= moments[served] + batcher.timeout_s + 1e-5)


@LENIENT
@given(data=st.data(), requests=REQUESTS, policy=st.booleans())
def test_instances_run_one_batch_at_a_time(model, data, requests, policy):
    batcher = data.draw(batchers(model, policy=policy))
    moments, faces = offered(requests)
    result = model.simulate(moments, faces, batcher, model.ServiceTime.linear(0.003, 0.002, batcher.max_batch))
    begun = np.unique(result.begun_s[~np.isnan(result.begun_s)])
    ended = result.begun_s + 0.003
    for moment in begun:
        running = np.unique(result.begun_s[(result.begun_s <= moment) & (ended > moment)])
        assert len(running) <= batcher.instances


@LENIENT
@given(data=st.data(), requests=REQUESTS)
def test_without_a_policy_nothing_waits_longer_than_the_delay_for_an_idle_instance(model, data, requests):
    batcher = data.draw(batchers(model, policy=False))
    moments, faces = offered(requests)
    result = model.simulate(moments, faces, batcher, model.ServiceTime.linear(0.0, 0.0, batcher.max_batch))
    assert np.all(result.begun_s - moments <= batcher.queue_delay_s + 1e-9)


@LENIENT
@given(requests=REQUESTS, delays=st.tuples(st.integers(1, 300), st.integers(1, 300)))
def test_longer_delays_never_make_more_batches_where_runs_take_no_time(model, requests, delays):
    """Batches are then the fewest intervals of the delay's length that cover all arrivals."""
    moments, faces = offered(requests)
    shorter, longer = (
        model.simulate(moments, faces, model.Batcher(1000, delay / 1e3 + 5e-4), model.ServiceTime((1.0,), (0.0,)))
        for delay in sorted(delays)
    )
    assert len(longer.batch_faces) <= len(shorter.batch_faces)


@LENIENT
@given(requests=REQUESTS, instances=st.integers(1, 3))
def test_without_batches_an_instance_more_never_makes_anybody_wait_longer(model, requests, instances):
    moments, _ = offered(requests)
    ones, service = np.ones(len(moments), int), model.ServiceTime.linear(0.05, 0.0, 1)
    fewer, more = (
        model.simulate(moments, ones, model.Batcher(1, instances=count), service)
        for count in (instances, instances + 1)
    )
    assert np.all(more.latency_s <= fewer.latency_s + 1e-9)


def begun(model, moments_ms, faces, **batcher):
    """Milliseconds at which requests are begun where a run takes 10 ms."""
    batcher = {"max_batch": 8, **batcher}
    result = model.simulate(
        np.array(moments_ms) / 1e3, np.array(faces), model.Batcher(**batcher), model.ServiceTime((1.0,), (0.010,))
    )
    return [None if np.isnan(moment) else round(1e3 * moment, 3) for moment in result.begun_s], result


def test_a_full_batch_does_not_wait(model):
    assert begun(model, [0, 1, 2], [3, 3, 2], queue_delay_s=0.005)[0] == [2, 2, 2]


def test_requests_are_not_taken_apart_and_none_overtakes(model):
    # 3 + 6 do not fit: the first goes alone as soon as that is known, and the third may not take the room.
    assert begun(model, [0, 1, 2], [3, 6, 2], queue_delay_s=0.005)[0] == [1, 11, 11]


def test_the_delay_counts_from_the_arrival_of_the_oldest(model):
    assert begun(model, [0, 3, 7], [1, 1, 1], queue_delay_s=0.005)[0] == [5, 5, 15]


def test_without_a_delay_a_batch_grows_until_it_runs(model):
    moments, result = begun(model, [0, 1, 2, 9], [1, 1, 1, 1])
    assert moments == [0, 10, 10, 10]
    assert result.batch_requests == [1, 3]


def test_with_a_delay_a_batch_that_was_made_ahead_does_not_grow(model):
    # The batch of the second is made at 7 ms, for an instance that is busy until 11; the others go into the next one.
    moments, result = begun(model, [0, 6, 8, 9], [1, 1, 1, 1], queue_delay_s=0.001)
    assert moments == [1, 11, 21, 21]
    assert result.batch_requests == [1, 1, 2]


def test_with_a_policy_what_comes_during_a_run_waits_for_the_next_arrival(model):
    policy = {"queue_delay_s": 0.005, "max_queue": 100}
    assert begun(model, [0, 8, 60], [1, 1, 1], **policy)[0] == [5, 60, 60]
    assert begun(model, [0, 8, 60], [1, 1, 1], queue_delay_s=0.005)[0] == [5, 15, 65]


def test_with_a_policy_the_thread_looks_by_itself_after_half_a_second(model):
    assert begun(model, [0, 8], [1, 1], queue_delay_s=0.005, max_queue=100)[0] == [5, 505]


def test_a_full_queue_rejects_at_once_and_a_timeout_when_the_turn_comes(model):
    moments, result = begun(model, [0, 1, 2, 3], [8, 8, 8, 8], max_queue=2)
    assert moments == [0, 500, 510, None]
    assert (result.expired, result.queue_full) == (0, 1)
    moments, result = begun(model, [0, 1, 2, 13], [8, 8, 8, 8], timeout_s=0.005)
    assert moments == [0, None, None, 13]
    assert (result.expired, result.queue_full) == (2, 0)


def test_figures(model):
    _, result = begun(model, [0, 1, 2, 9], [1, 2, 1, 1])
    figures = result.figures(0.1, 1)
    assert figures["mean_batch_faces"] == 2.5
    assert figures["mean_batch_requests"] == 2.0
    assert figures["faces_per_s"] == 50.0
    assert figures["utilisation"] == pytest.approx(0.2)
    assert figures["p50_ms"] == pytest.approx(np.median([10, 19, 18, 11]))
    assert figures["rejected_share"] == 0.0


@pytest.mark.parametrize(
    ("moments", "faces"), [([1.0, 0.0], [1, 1]), ([0.0], [0]), ([0.0], [9])], ids=["backwards", "none", "too many"]
)
def test_impossible_requests_are_refused(model, moments, faces):
    with pytest.raises(ValueError, match="requests have to come in order"):
        model.simulate(np.array(moments), np.array(faces), model.Batcher(8), model.ServiceTime.linear(1.0, 1.0, 8))


@pytest.mark.parametrize("changes", [{"max_batch": 0}, {"instances": 0}, {"queue_delay_s": -1.0}, {"max_queue": 0}])
def test_impossible_batchers_are_refused(model, changes):
    with pytest.raises(ValueError, match="impossible batcher"):
        model.Batcher(**changes)


class TestServiceTime:
    def test_means_between_and_beyond_measured_batches(self, model):
        service = model.ServiceTime((2.0, 4.0), (1.0, 2.0))
        np.testing.assert_allclose(service.means(6), [1, 1, 1, 1.5, 2, 2.5, 3])

    def test_factors_have_the_mean_1_and_the_spread_given(self, model):
        service = model.ServiceTime((1.0,), (1.0,), (0.0, 0.5, 1.0), (0.5, 1.0, 3.5))
        drawn = service.factors(200_000, np.random.default_rng(0))
        assert np.mean(drawn) == pytest.approx(1.0, abs=0.01)
        assert np.median(drawn) == pytest.approx(1.0 / 1.5, abs=0.01)
        assert drawn.min() >= 0.5 / 1.5
        assert drawn.max() <= 3.5 / 1.5
