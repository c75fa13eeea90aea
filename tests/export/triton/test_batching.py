"""Batches derived from a profile."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core.errors import UsageError
from fsrfer.core.files import write_json
from fsrfer.core.options import Backend, Precision
from fsrfer.core.schema import to_mapping
from fsrfer.export.triton import TritonBackend, TritonOptions
from fsrfer.export.triton.batching import plan_batching
from fsrfer.export.triton.measured_runs import fit_service_time
from fsrfer.export.triton.served_model import served_model
from fsrfer.runtime.opening import find_tensorrt_engine
from fsrfer.runtime.profiling import ProfileConfig, profile_bundle
from fsrfer.runtime.profiling.engine_profile import profile_engine


@pytest.fixture(scope="module")
def measured(make_bundle, tmp_path_factory):
    """A bundle and its profile."""
    bundle = make_bundle(tmp_path_factory.mktemp("profiled") / "bundle")
    config = ProfileConfig(batches=(1, 4), threads=(1, 2), seconds=0.06, warmup_seconds=0.0, rounds=1)
    return bundle, profile_bundle(bundle, config)


def with_times(report, times_ms):
    """A copy of a profile with other medians: by batch."""
    rows = tuple(
        dataclasses.replace(row, latency=dataclasses.replace(row.latency, p50_ms=times_ms[row.batch]))
        for row in report.rows
    )
    return dataclasses.replace(report, rows=rows)


def plan(measured, tmp_path, times_ms, **options):
    bundle, report = measured
    path = tmp_path / "profile.json"
    write_json(path, to_mapping(with_times(report, times_ms)))
    options = TritonOptions(**{"threads": 1, "queue_limits": True, **options})
    return plan_batching(served_model(bundle, options), options, path)


def test_the_rule(measured, tmp_path):
    # s(b) = 2 ms + b * 1 ms; the budget is 40 ms: 2 s(B) <= 40 gives B = 18.
    found = plan(measured, tmp_path, {1: 3.0, 4: 6.0}, latency_budget_ms=40.0)
    assert found.max_batch == 18
    assert found.queue_delay_us == 0  # nothing is left of the budget
    assert found.timeout_us == pytest.approx(20_000, abs=1)
    assert found.max_queue == 36
    assert found.threads == 1
    assert "2.00 ms + b * 1.000 ms with 1 threads" in found.origin


def test_nobody_waits_but_where_runs_are_dear_and_two_fit_the_budget(measured, tmp_path):
    # s(b) = 4 ms + b * 0.25 ms: a full run of 8 takes 6 ms, two of one face 8.5 ms.
    dear = {1: 4.25, 4: 5.0}
    found = plan(measured, tmp_path, dear, latency_budget_ms=21.0, max_batch=8)
    assert (found.max_batch, found.queue_delay_us) == (8, pytest.approx(8500, abs=1))
    found = plan(measured, tmp_path, dear, latency_budget_ms=20.0, max_batch=8)
    assert found.queue_delay_us == 0  # they do not fit
    found = plan(measured, tmp_path, dear, latency_budget_ms=100.0, max_batch=17)
    assert found.queue_delay_us == 0  # a full batch is dearer by its faces than by being a run
    found = plan(measured, tmp_path, {1: 1.0, 4: 4.0}, latency_budget_ms=100.0)
    assert found.queue_delay_us == 0  # joining saves nothing
    found = plan(measured, tmp_path, dear, latency_budget_ms=20.0, max_batch=8, queue_delay_us=77)
    assert found.queue_delay_us == 77


def test_a_budget_without_anything_that_it_is_for_is_refused(bundle):
    options = TritonOptions(latency_budget_ms=200.0)
    with pytest.raises(UsageError, match=r"budget alone; expected --profile.*or --queue-limits; found .*ms 200"):
        plan_batching(served_model(bundle, options), options, None)
    limited = TritonOptions(latency_budget_ms=200.0, queue_limits=True)
    assert plan_batching(served_model(bundle, limited), limited, None).timeout_us == 200_000


def test_a_budget_that_cannot_be_kept_is_refused(measured, tmp_path):
    with pytest.raises(UsageError, match=r"cannot be kept.*6\.0 or more"):
        plan(measured, tmp_path, {1: 3.0, 4: 6.0}, latency_budget_ms=5.0)


def test_threads_are_those_that_were_measured(measured, tmp_path):
    with pytest.raises(UsageError, match=r"how the time of a run grows.*measured threads \[1, 2\]"):
        plan(measured, tmp_path, {1: 3.0, 4: 6.0}, threads=None)
    with pytest.raises(UsageError, match="--threads 8"):
        plan(measured, tmp_path, {1: 3.0, 4: 6.0}, threads=8)


def test_the_profile_of_another_graph_is_refused(measured, make_bundle, tmp_path):
    other = make_bundle(tmp_path / "other", seed=1)
    with pytest.raises(UsageError, match=r"profile of another graph.*Next: fsrfer-profile"):
        plan((other, measured[1]), tmp_path, {1: 3.0, 4: 6.0})


def test_what_triton_compiles_by_itself_has_no_profile(bundle, tmp_path):
    options = TritonOptions(backend=TritonBackend.ONNXRUNTIME, precision=Precision.FP16)
    with pytest.raises(UsageError, match=r"what the onnxruntime backend compiles.*--queue-delay-us"):
        plan_batching(served_model(bundle, options), options, tmp_path / "profile.json")


ENGINE = TritonOptions(
    backend=TritonBackend.TENSORRT, precision=Precision.FP16, latency_budget_ms=40.0, queue_limits=True
)


@pytest.fixture
def engine_profile(make_bundle, emulated_orin, tmp_path):
    """A bundle with an engine for an emulated GPU, and the engine's profile with medians of one's own."""
    bundle = emulated_orin.put_engine(make_bundle(tmp_path / "orin", conditioned=True))
    config = ProfileConfig(batches=(1, 4), seconds=0.02, warmup_seconds=0.0, rounds=1)
    engine = find_tensorrt_engine(bundle, Backend.TENSORRT, Precision.FP16)
    return bundle, with_times(profile_engine(engine, bundle.manifest, config), {1: 4.25, 4: 5.0})


def write(profile, tmp_path):
    write_json(tmp_path / "engine.json", to_mapping(profile))
    return tmp_path / "engine.json"


def test_an_engine_is_planned_by_its_own_profile(engine_profile, tmp_path):
    bundle, profile = engine_profile
    found = plan_batching(served_model(bundle, ENGINE), ENGINE, write(profile, tmp_path))
    assert (found.max_batch, found.threads) == (8, None)  # the engine's largest
    assert found.queue_delay_us == pytest.approx(8500, abs=1)
    assert found.timeout_us == pytest.approx(34_000, abs=1)
    assert "4.00 ms + b * 0.250 ms on the GPU" in found.origin


def test_the_profile_of_another_engine_is_refused(engine_profile, tmp_path):
    bundle, profile = engine_profile
    model = served_model(bundle, ENGINE)
    other = dataclasses.replace(profile, engine_sha256="0" * 64)
    with pytest.raises(UsageError, match=r"another engine.*found fp16 000000000000.*fsrfer-profile engine"):
        plan_batching(model, ENGINE, write(other, tmp_path))
    short = dataclasses.replace(profile, rows=profile.rows[:1])
    with pytest.raises(UsageError, match=r"grows with its batch; expected two batches or more; found 1"):
        plan_batching(model, ENGINE, write(short, tmp_path))


def test_the_profile_of_a_graph_says_nothing_about_an_engine(engine_profile, measured, tmp_path):
    with pytest.raises(UsageError, match="malformed"):
        plan_batching(served_model(engine_profile[0], ENGINE), ENGINE, write(measured[1], tmp_path))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"bundle": 3}', "\x00"])
def test_what_is_no_profile_is_refused(bundle, tmp_path, content):
    path = tmp_path / "profile.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="profile"):
        plan_batching(served_model(bundle, TritonOptions()), TritonOptions(), path)


def test_without_a_profile_nobody_waits(bundle):
    found = plan_batching(served_model(bundle, TritonOptions()), TritonOptions(), None)
    assert (found.queue_delay_us, found.max_batch, found.max_queue, found.timeout_us) == (0, 64, None, None)
    assert "not measured" in found.origin
    limited = TritonOptions(queue_limits=True)
    found = plan_batching(served_model(bundle, limited), limited, None)
    assert (found.queue_delay_us, found.max_batch, found.max_queue, found.timeout_us) == (0, 64, 512, 500_000)


@given(st.floats(0.0, 50.0), st.floats(0.01, 20.0))
def test_the_fit_finds_what_was_put_in(fixed_ms, face_ms):
    batches = (1, 8, 32)
    found = fit_service_time(batches, [fixed_ms + face_ms * batch for batch in batches])
    assert found[0] == pytest.approx(fixed_ms, rel=1e-6, abs=1e-6)
    assert found[1] == pytest.approx(face_ms, rel=1e-6, abs=1e-9)


@given(st.lists(st.floats(0.01, 1000.0), min_size=3, max_size=3))
def test_no_measurement_gives_an_impossible_fit(times_ms):
    fixed_ms, face_ms = fit_service_time((1, 8, 32), times_ms)
    assert fixed_ms >= 0.0
    assert face_ms > 0.0
