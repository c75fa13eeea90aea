"""Peaks of the machine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.export.layers.peaks import (
    FLOAT32,
    GEMM_SHAPES,
    INT8,
    CopyBench,
    best_peak,
    copy_rate,
    gemm_feed,
    gemm_graph,
)
from fsrfer.runtime.onnxruntime_runner import OnnxRuntimeRunner
from fsrfer.runtime.profiling.layer_report import CopySpeed


@pytest.mark.parametrize(("number_format", "dtype"), [(FLOAT32, np.float32), (INT8, np.int32)])
def test_the_graph_is_a_product_of_its_shape(number_format, dtype):
    with OnnxRuntimeRunner(gemm_graph(number_format, 24, 16)) as runner:
        feed = gemm_feed(number_format, 8, 24)
        product = runner.infer(feed)["y"]
        unit = {"a": np.eye(8, 24, dtype=feed["a"].dtype)}
        right = runner.infer(unit)["y"]  # its first rows
    assert (product.shape, product.dtype) == ((8, 16), dtype)
    assert right.any()


def test_the_best_shape_in_its_best_round_is_the_peak():
    def rounds(shape: tuple[int, int, int], *gops: float) -> list[np.ndarray]:
        return [np.full(3, 2e-6 * np.prod(shape) / each) for each in gops]

    measured = [rounds(shape, 10.0 + index, 20.0 + index) for index, shape in enumerate(GEMM_SHAPES)]
    measured[0][0][0] = 1e-9  # one lucky run is no peak
    peak = best_peak(INT8, 2, measured)
    assert peak.gops == pytest.approx(20.0 + len(GEMM_SHAPES) - 1)
    assert peak.shape == GEMM_SHAPES[-1]
    assert (peak.number_format, peak.threads) == (INT8, 2)


@pytest.mark.parametrize("threads", [1, 2])
def test_copies_move_what_they_say(threads):
    bench = CopyBench(threads, 1 << 12)
    assert len(bench.works()) == threads
    speed = bench.measure(0.001)
    assert (speed.threads, speed.moved_bytes) == (threads, 1 << 12)
    assert speed.gb_per_second > 0


COPIES = (CopySpeed(1, 1000, 100.0), CopySpeed(1, 100_000, 10.0))


@given(st.integers(0, 10**9))
def test_rates_lie_between_those_that_were_measured(moved):
    assert 10.0 - 1e-9 <= copy_rate(COPIES, moved) <= 100.0 + 1e-9


def test_rates_are_those_that_were_measured_where_they_were():
    assert copy_rate(COPIES[::-1], 1000) == pytest.approx(100.0)
    assert copy_rate(COPIES, 10_000) == pytest.approx(np.sqrt(1000.0))
    assert copy_rate(COPIES, 10**9) == pytest.approx(10.0)
