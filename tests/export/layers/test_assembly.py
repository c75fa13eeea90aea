"""From times to figures, on a machine whose peaks are round numbers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from fsrfer.core import Precision
from fsrfer.core.errors import EngineBuildError
from fsrfer.export.layers.assembly import GraphRuns, Machine, assemble
from fsrfer.export.layers.origins import SourceGraph
from fsrfer.runtime.profiling.layer_report import ArithmeticPeak, Bound, CopySpeed
from fsrfer.runtime.profiling.statistics import Stability
from fsrfer.runtime.profiling.trace import Trace, TracedNode

MACHINE = Machine((ArithmeticPeak("float32", 1, 1.0, (1, 1, 1)),), (CopySpeed(1, 1000, 1.0), CopySpeed(1, 10**9, 1.0)))
STEM_MACS = 8 * 3 * 9 * 24 * 24


@pytest.fixture(scope="module")
def run(networks, tmp_path_factory):
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    onnx.save(networks.residual_model(), path)
    nodes = (
        TracedNode("conv_stem", "Conv", 1000, 0, 2000),
        TracedNode("add_a_sum", "Add", 4000, 0, 4000),
    )
    trace = Trace(nodes, np.tile([1.0, 0.1], (7, 1)), np.full(7, 1.3))
    graph = GraphRuns(Precision.FP32, 1, trace, [np.full(3, 2.0), np.full(3, 2.1), np.full(3, 2.5)])
    return assemble(graph, 2, SourceGraph(path), MACHINE)


def test_a_convolution_is_held_against_the_peak(run):
    conv = run.layers[0]
    assert conv.macs == 2 * STEM_MACS
    assert conv.gops == pytest.approx(4 * STEM_MACS / 1e6)  # in one millisecond
    assert conv.roof_ms == pytest.approx(4 * STEM_MACS / 1e6)  # one billion a second
    assert conv.bound is Bound.COMPUTE
    assert conv.roof_share == pytest.approx(conv.roof_ms)


def test_an_addition_is_held_against_a_copy(run):
    addition = run.layers[1]
    assert (addition.macs, addition.gops, addition.intensity) == (0, None, None)
    assert addition.roof_ms == pytest.approx(0.008)  # 8000 bytes, one billion a second
    assert addition.bound is Bound.MEMORY


def test_the_account_says_where_the_time_goes(run):
    account = {part.what: part.lost_ms for part in run.account}
    ideal = 4 * STEM_MACS / 1e6
    assert account == pytest.approx(
        {"at the peak": ideal, "convolution": 1.0 - ideal, "elementwise": 0.1, "between layers": 0.2}
    )
    assert sum(part.share for part in run.account) == pytest.approx(1.0)


def test_the_whole_is_judged_by_runs_that_were_not_traced(run):
    assert run.untraced_ms == pytest.approx(2.1)
    assert run.gops == pytest.approx(4 * STEM_MACS / 1e6 / 2.1)
    assert run.peak_share == pytest.approx(run.gops)
    assert run.stability is Stability.DRIFTING


def test_a_missing_peak_is_told(networks, tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(networks.residual_model(), path)
    trace = Trace((TracedNode("conv_stem", "QLinearConv", 1, 1, 1),), np.ones((1, 1)), np.ones(1))
    with pytest.raises(EngineBuildError, match="no peak of int8"):
        assemble(GraphRuns(Precision.INT8, 1, trace, [np.ones(1)]), 1, SourceGraph(path), MACHINE)
