"""The script as it is started, and its meeting with the real server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fleet_simulation.py"


def run(*words):
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, words)], capture_output=True, text=True, check=False, timeout=300
    )


def test_a_sweep_is_printed_kept_and_drawn(tmp_path):
    kept, picture = tmp_path / "sweep.json", tmp_path / "sweep.png"
    done = run("--seconds", 5, "--service-ms", 2.0, 0.02, "--max-queue", 64, "--output", kept, "--plot", picture)
    assert done.returncode == 0, done.stderr
    result = json.loads(kept.read_text())
    loads, delays = ({row[name] for row in result["sweep"]} for name in ("load", "delay_ms"))
    assert len(result["sweep"]) == len(loads) * len(delays)
    assert "| load | delay_ms | mean_batch_faces |" in done.stderr
    assert "| 100,000 | central |" in done.stderr
    height, width, _ = cv2.imread(str(picture)).shape
    assert width > height > 100


def test_what_a_server_adds_to_a_run_is_what_was_measured(benchmark_module):
    simulation, times = (benchmark_module(name) for name in ("fleet_simulation", "service_times"))
    service = times.from_profile(simulation.PROFILE, "int8", 1)
    points = json.loads((simulation.PROFILE.parent / "fleet_validation.json").read_text())["points"]
    added_ms = [
        point["run_ms_a_face"]["rehearsed"] * batch - 1e3 * np.interp(batch, range(65), service.means(64))
        for point in points
        for batch in [point["measured"]["mean_batch_faces"]]
    ]
    assert min(added_ms) <= simulation.RUN_OVERHEAD_MS <= max(added_ms)
    longer = service.with_run_overhead(simulation.RUN_OVERHEAD_MS / 1e3)
    assert 1e3 * (longer.means(64) - service.means(64)) == pytest.approx([simulation.RUN_OVERHEAD_MS] * 65)


@pytest.mark.slow
@pytest.mark.parametrize("policy", [(), ("--max-queue", 512)], ids=["no policy", "policy"])
def test_the_real_server_is_measured_and_simulated(triton_server, tmp_path, policy):
    """That both agree is no test: machines are shared. That requests and batches are accounted for is."""
    kept = tmp_path / "validation.json"
    assert triton_server.is_prepared()
    done = run("--validate", "--seconds", 3, "--max-batch", 32, *policy, "--output", kept)
    assert done.returncode in (0, 3), done.stderr
    result = json.loads(kept.read_text())
    assert (done.returncode == 0) == result["agrees"]
    assert result["server"]["triton"] == "2.51.0"
    assert set(result["server"]) > {"onnxruntime", "tritonclient"}
    assert result["run_overhead_ms"] > 0.0
    assert [point["share_of_capacity"] for point in result["points"]] == [0.3, 0.6, 0.8]
    for point in result["points"]:
        assert point["failures"] == {}
        fed = {f"{name}_over_measured" for name in ("simulated", "replayed", "profiled", "profiled_with_run_overhead")}
        assert fed <= set(point)
        for figures in (point["measured"], point["simulated"]):
            assert 1.0 <= figures["mean_batch_requests"] <= figures["mean_batch_faces"] <= 32.0
            assert 0.0 < figures["p50_ms"] <= figures["p99_ms"]
            assert figures["rejected_share"] == 0.0
