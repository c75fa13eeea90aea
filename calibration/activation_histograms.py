"""How the values of a graph's activations are distributed over calibration data."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..core.errors import CalibrationError
from ..runtime.onnxruntime_runner import OnnxRuntimeRunner, SessionOptions
from .onnx_packages import import_onnx

if TYPE_CHECKING:
    import onnx

Feed = Mapping[str, npt.NDArray[np.generic]]
Feeds = Callable[[], Iterable[Feed]]
"""Gives the same batches each time it is called: histograms need to know the extremes first."""

BINS = 4096
"""Sixteen to one level of eight bits: clipping can be placed finely without keeping the values themselves."""


@dataclass(frozen=True)
class ActivationHistogram:
    """Distribution of one activation.

    Attributes:
        low: Lowest value.
        high: Highest value.
        counts: int64 (BINS,), values in equal bins from ``low`` to ``high``.
    """

    low: float
    high: float
    counts: npt.NDArray[np.int64]

    @property
    def centers(self) -> npt.NDArray[np.float64]:
        """Middle of each bin, float64 (BINS,)."""
        step = (self.high - self.low) / len(self.counts)
        return np.asarray(self.low + step * (np.arange(len(self.counts)) + 0.5), np.float64)

    def quantile(self, fraction: float) -> float:
        """Return the value below which a fraction, 0 to 1, of all values lies, to within a bin."""
        cumulative = np.concatenate([[0], np.cumsum(self.counts)])
        edges = np.linspace(self.low, self.high, len(self.counts) + 1)
        return float(np.interp(fraction * cumulative[-1], cumulative, edges))


def measure_histograms(model: onnx.ModelProto, feeds: Feeds) -> dict[str, ActivationHistogram]:
    """Run calibration data through a graph, twice, and return the distribution of every floating-point tensor in it.

    Args:
        model: Floating-point graph with shapes on all tensors.
        feeds: Gives the batches.

    Returns:
        A histogram by tensor name, of inputs and outputs of the graph, too.

    Raises:
        CalibrationError: There are no batches, or the graph does not give finite numbers.
        MissingDependencyError: ``onnx`` or ``onnxruntime`` is not installed.
    """
    names = _floating_tensors(model)
    graph_outputs = {info.name for info in model.graph.output}
    observed = _observed(model, names)
    # Every tensor is read, so nothing could be fused anyway; without optimisation none is renamed either.
    with OnnxRuntimeRunner(observed.SerializeToString(), SessionOptions(optimize=False)) as runner:

        def batches() -> Iterable[dict[str, npt.NDArray[np.generic]]]:
            for feed in feeds():
                values = runner.infer(feed)
                _check_finite(values, graph_outputs)
                yield {name: values[name] if name in values else feed[name] for name in names}

        extremes: dict[str, tuple[float, float]] = {}
        for batch in batches():
            for name, values in batch.items():
                low, high = extremes.get(name, (np.inf, -np.inf))
                extremes[name] = min(low, float(values.min())), max(high, float(values.max()))
        if not extremes:
            raise CalibrationError("there is no calibration data", expected="one or more batches")
        counts = {name: np.zeros(BINS, np.int64) for name in names}
        for batch in batches():
            for name, values in batch.items():
                counts[name] += np.histogram(values, BINS, _widened(*extremes[name]))[0]
    return {name: ActivationHistogram(*_widened(*extremes[name]), counts[name]) for name in names}


def _widened(low: float, high: float) -> tuple[float, float]:
    # A tensor that hardly changes has a range all the same, and bins that float32 can tell apart.
    least = 1e-2 * max(abs(low), abs(high), 1e-6)
    return (low, high) if high - low >= least else (low, low + least)


def _floating_tensors(model: onnx.ModelProto) -> list[str]:
    onnx = import_onnx()
    graph = model.graph
    infos = [*graph.input, *graph.value_info, *graph.output]
    # Exporters also describe weights there, some of which later steps have replaced.
    made = {info.name for info in graph.input} | {name for node in graph.node for name in node.output}
    named = {info.name: info.type.tensor_type.elem_type for info in infos if info.name in made}
    return [name for name, kind in named.items() if kind == onnx.TensorProto.FLOAT]


def _observed(model: onnx.ModelProto, names: Iterable[str]) -> onnx.ModelProto:
    observed = copy.deepcopy(model)
    there = {info.name for info in (*observed.graph.input, *observed.graph.output)}
    for info in observed.graph.value_info:
        if info.name in names and info.name not in there:
            observed.graph.output.append(info)
            there.add(info.name)
    return observed


def _check_finite(values: Mapping[str, npt.NDArray[np.generic]], results: Iterable[str]) -> None:
    broken = [name for name in results if not np.isfinite(values[name]).all()]
    broken += [name for name, value in values.items() if name not in broken and not np.isfinite(value).all()]
    if broken:
        raise CalibrationError(
            "the floating-point graph does not give finite numbers",
            found=", ".join(broken[:5]),
            fix="train again; these weights cannot be used",
        )
