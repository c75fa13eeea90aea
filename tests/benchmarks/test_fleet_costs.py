"""The arithmetic of fleets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


@pytest.fixture(scope="module")
def costs(benchmark_module):
    return benchmark_module("fleet_costs")


def test_measured_figures_are_those_that_are_kept(costs):
    known = costs.CameraCosts()
    streams = json.loads((RESULTS / "camera_streams.json").read_text())
    cameras = len(streams["cameras"])
    assert known.faces_per_s == pytest.approx(streams["readings_per_s"] / cameras, rel=0.01)
    whole = known.other_cores + known.faces_per_s * known.face_core_s
    assert whole == pytest.approx(streams["processor"]["cores_used"] / cameras, rel=0.01)
    (row,) = (
        row["latency"]
        for row in json.loads((RESULTS / "profile-ferplus-edge.json").read_text())["rows"]
        if (row["precision"], row["batch"], row["threads"], row["clock"]) == ("int8", 1, 1, "model")
    )
    assert 1e3 * known.face_core_s == pytest.approx(row["p50_ms"], rel=0.01)


def test_work_is_the_same_wherever_it_is_done(costs):
    needs = [costs.CROWD.needs(placement, 1000) for placement in costs.Placement]
    cores = [one["edge_cores"] + one["server_cores"] for one in needs]
    assert cores == pytest.approx([cores[0]] * 3)
    assert needs[0]["servers"] == needs[0]["uplink_mbit_per_s"] == 0.0


def test_crops_cost_less_than_video(costs):
    split, central = (costs.CROWD.needs(place, 1) for place in (costs.Placement.SPLIT, costs.Placement.CENTRAL))
    assert split["uplink_mbit_per_s"] == pytest.approx(8 * 48 * (48 * 48 + 136) / 1e6)
    assert split["uplink_mbit_per_s"] < central["uplink_mbit_per_s"] == 4.0
