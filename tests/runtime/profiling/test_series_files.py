"""Files for the scripts of others."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from fsrfer.core import Precision
from fsrfer.runtime.profiling import Combination, LatencyClock, ProfileConfig, profile_bundle
from fsrfer.runtime.profiling.series_files import TimesRecorder, write_rates
from fsrfer.runtime.profiling.timing import TimedSeries


@pytest.fixture(scope="module")
def measured(make_bundle, tmp_path_factory):
    pytest.importorskip("onnxruntime")
    recorder = TimesRecorder()
    config = ProfileConfig(batches=(1, 2), streams=(1, 2), seconds=0.02, warmup_seconds=0.0, rounds=2)
    report = profile_bundle(make_bundle(tmp_path_factory.mktemp("bundle")), config, on_runs=recorder)
    return report, recorder


def test_every_run_is_in_the_file_of_times(measured, tmp_path):
    report, recorder = measured
    recorder.write(tmp_path / "times.json")
    runs = json.loads((tmp_path / "times.json").read_text())
    assert len(runs) == sum(row.latency.runs for row in report.rows)
    starts = [run["startEnqMs"] for run in runs]
    assert starts[0] == 0.0
    assert starts == sorted(starts)
    for row in report.rows:
        mine = [
            run["latencyMs"]
            for run in runs
            if (run["batch"], run["streams"], run["clock"]) == (row.batch, row.streams, row.clock.value)
        ]
        assert np.median(mine) == pytest.approx(row.latency.p50_ms)


def test_a_run_has_the_fields_of_trtexec(tmp_path):
    recorder = TimesRecorder()
    combination = Combination(Precision.INT8, 8, 2, 1, LatencyClock.MODEL)
    recorder(combination, [TimedSeries(np.array([100.0]), np.array([3.0]))])
    recorder(combination, [TimedSeries(np.array([110.0]), np.array([4.0]))])
    recorder.write(tmp_path / "times.json")
    first, second = json.loads((tmp_path / "times.json").read_text())
    assert first == {
        **dict.fromkeys(("startEnqMs", "startH2dMs", "endH2dMs", "startComputeMs"), 0.0),
        **dict.fromkeys(("endEnqMs", "endComputeMs", "startD2hMs", "endD2hMs"), 3.0),
        **dict.fromkeys(("h2dMs", "d2hMs"), 0.0),
        **dict.fromkeys(("computeMs", "latencyMs"), 3.0),
        "graph": "int8",
        "batch": 8,
        "threads": 2,
        "streams": 1,
        "clock": "model",
        "round": 0,
        "stream": 0,
    }
    assert (second["startEnqMs"], second["round"]) == (10.0, 1)


def test_rates_are_those_of_the_rows(measured, tmp_path):
    report, _ = measured
    write_rates(tmp_path / "rates.csv", report.rows)
    with (tmp_path / "rates.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(report.rows)
    for line, row in zip(lines, report.rows, strict=True):
        assert int(line["Concurrency"]) == row.streams
        assert float(line["Inferences/Second"]) == pytest.approx(row.faces_per_second, rel=0.01)
        assert float(line["p95 latency"]) == pytest.approx(1e3 * row.latency.p95_ms, abs=0.5)
        assert (line["Graph"], int(line["Batch Size"])) == ("fp32", row.batch)
