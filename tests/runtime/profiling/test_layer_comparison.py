"""FP32 and INT8 side by side."""

from __future__ import annotations

import pytest

from fsrfer.core import Precision
from fsrfer.runtime.profiling.layer_comparison import compare_layers
from fsrfer.runtime.profiling.layer_report import (
    ArithmeticPeak,
    Bound,
    LayerKind,
    LayerReport,
    LayerRole,
    LayerRun,
    LayerTime,
)
from fsrfer.runtime.profiling.statistics import Stability


def layer(name: str, milliseconds: float, role=LayerRole.BACKBONE, kind=LayerKind.CONVOLUTION) -> LayerTime:
    return LayerTime(
        name=name,
        role=role,
        kind=kind,
        node=name,
        executed=name,
        operator="Conv",
        number_format="float32",
        median_ms=milliseconds,
        interval_ms=None,
        share=0.5,
        macs=1,
        moved_bytes=1,
        gops=1.0,
        intensity=1.0,
        roof_ms=1.0,
        bound=Bound.COMPUTE,
    )


def run(precision: Precision, whole_ms: float, *layers: LayerTime, threads: int = 1) -> LayerRun:
    return LayerRun(
        precision=precision,
        batch=1,
        threads=threads,
        runs=3,
        untraced_ms=whole_ms,
        window_medians_ms=(whole_ms,),
        stability=Stability.TOO_SHORT,
        traced_ms=whole_ms,
        layers=layers,
        gops=1.0,
        peak_share=0.5,
        account=(),
    )


FP32 = run(
    Precision.FP32,
    30.0,
    layer("stem", 2.0),
    layer("stage", 24.0),
    layer("change of layout", 1.0, LayerRole.LAYOUT, LayerKind.LAYOUT),
    layer("change of layout", 2.0, LayerRole.LAYOUT, LayerKind.LAYOUT),
)
INT8 = run(
    Precision.INT8,
    12.0,
    layer("stem", 4.0),
    layer("stage", 6.0),
    layer("q", 0.5, LayerRole.QUANTIZE, LayerKind.QUANTIZE),
)
PEAKS = (ArithmeticPeak("float32", 1, 100.0, (1, 1, 1)), ArithmeticPeak("int8", 1, 400.0, (1, 1, 1)))


def test_layers_meet_by_name_and_what_is_apart_is_summed():
    (found,) = compare_layers(LayerReport((FP32, INT8), PEAKS, ()))
    assert (found.speedup, found.peak_ratio) == (2.5, 4.0)
    pairs = {pair.name: pair for pair in found.pairs}
    assert list(pairs) == ["stem", "stage", "layout", "quantise"]
    assert (pairs["stem"].speedup, pairs["stage"].speedup) == (0.5, 4.0)
    assert (pairs["layout"].fp32_ms, pairs["layout"].int8_ms, pairs["layout"].speedup) == (3.0, 0.0, None)
    assert pairs["quantise"].excess_ms == 0.5


def test_what_keeps_int8_back_comes_first():
    (found,) = compare_layers(LayerReport((FP32, INT8), PEAKS, ()))
    assert [pair.name for pair in found.most_excess(5)] == ["stem", "quantise"]
    assert found.most_excess(1)[0].excess_ms == pytest.approx(4.0 - 2.0 / 4.0)


@pytest.mark.parametrize(
    ("runs", "peaks"),
    [((FP32,), PEAKS), ((FP32, INT8), PEAKS[:1]), ((FP32, run(Precision.INT8, 1.0, threads=2)), PEAKS)],
)
def test_what_was_measured_once_is_not_compared(runs, peaks):
    assert compare_layers(LayerReport(runs, peaks, ())) == ()
