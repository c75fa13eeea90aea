"""Times of runs, from traces and profiles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

PROFILE = Path(__file__).parents[2] / "benchmarks" / "results" / "profile-ferplus-edge.json"


@pytest.fixture(scope="module")
def times(benchmark_module):
    return benchmark_module("service_times")


@pytest.fixture(scope="module")
def trace(benchmark_module):
    return benchmark_module("triton_trace")


def test_a_line_with_noise_is_found_again(times):
    rng = np.random.default_rng(0)
    faces = rng.integers(1, 65, 20_000)
    seconds = (0.002 + 0.001 * faces) * rng.lognormal(-0.02, 0.2, len(faces))
    service = times.from_runs(faces, seconds, gap_s=0.1)
    np.testing.assert_allclose(service.means(64)[1:], 0.002 + 0.001 * np.arange(1, 65), rtol=0.05)
    drawn = service.factors(50_000, rng)
    assert np.std(np.log(drawn)) == pytest.approx(0.2, rel=0.05)
    assert service.gap_s == 0.1


def test_larger_batches_are_never_faster(times):
    faces = np.repeat([1, 8, 32], 10)
    service = times.from_runs(faces, np.repeat([0.01, 0.005, 0.02], 10))
    assert list(service.mean_s) == pytest.approx([0.01, 0.01, 0.02])


def test_too_few_runs_are_refused(times):
    with pytest.raises(ValueError, match="fewer than 8 runs"):
        times.from_runs(np.arange(1, 8), np.ones(7))


def test_a_profile_is_taken(times):
    rows = {
        row["batch"]: row["latency"]
        for row in json.loads(PROFILE.read_text())["rows"]
        if (row["precision"], row["threads"], row["clock"]) == ("int8", 1, "model")
    }
    service = times.from_profile(PROFILE, "int8", 1)
    for batch, latency in rows.items():
        assert 1e3 * service.means(32)[batch] == pytest.approx(latency["mean_ms"])
    drawn = service.factors(100_000, np.random.default_rng(0)) * rows[8]["mean_ms"]
    assert np.median(drawn) == pytest.approx(rows[8]["p50_ms"], rel=0.05)
    with pytest.raises(ValueError, match="has no int8 with 77 threads"):
        times.from_profile(PROFILE, "int8", 77)


def stamps(number, request, queued, begun, ended):
    names = {"QUEUE_START": queued, "COMPUTE_START": begun, "COMPUTE_END": ended}
    yield {"id": number, "model_name": "m", "request_id": request}
    for name, milliseconds in names.items():
        if milliseconds is not None:
            yield {"id": number, "timestamps": [{"name": name, "ns": milliseconds * 1_000_000}]}


def test_requests_of_a_trace_are_put_into_runs(trace, tmp_path):
    events = [
        *stamps(1, "7", 0, 5, 15),
        *stamps(2, "8", 2, 5, 15),
        *stamps(3, "9", 4, 16, 20),  # came before the first run began, and was left over
        *stamps(4, "10", 30, 35, 40),
        *stamps(5, "11", 31, None, None),  # rejected
        *stamps(6, "warm-up", 1, 2, 3),
    ]
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(events))
    read = trace.read_trace(path)
    assert sorted(read) == [7, 8, 9, 10]
    runs = trace.runs_of(read, 7, np.array([1, 2, 3, 4, 5]), delay_s=0.0)
    assert runs.faces.tolist() == [3, 3, 4]
    assert runs.of_request.tolist() == [0, 0, 1, 2, -1]
    np.testing.assert_allclose(runs.seconds, [0.010, 0.004, 0.005])
    np.testing.assert_allclose(runs.gaps_s, [0.001])
