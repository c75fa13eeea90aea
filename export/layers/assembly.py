"""From a trace, its graph and the machine's peaks to the times of layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...core.errors import EngineBuildError
from ...core.options import Precision
from ...runtime.profiling.layer_report import (
    ArithmeticPeak,
    Bound,
    CopySpeed,
    LayerKind,
    LayerRun,
    LayerTime,
    TimeAccount,
    find_peak,
)
from ...runtime.profiling.statistics import median_interval, stability_of
from ...runtime.profiling.trace import Trace, TracedNode
from .names import computes_int8, human_name, kind_of, role_of
from .origins import Origin, SourceGraph
from .peaks import FLOAT32, INT8, copy_rate

AT_THE_PEAK, BETWEEN_LAYERS = "at the peak", "between layers"
_MULTIPLYING = (LayerKind.CONVOLUTION, LayerKind.DENSE)


@dataclass(frozen=True)
class GraphRuns:
    """What was measured of one graph with one number of threads.

    Attributes:
        precision: Number format of the graph.
        threads: Threads inside one operator.
        trace: Its traced runs.
        rounds_ms: Times of its untraced runs, float64 (N,) for each round.
    """

    precision: Precision
    threads: int
    trace: Trace
    rounds_ms: Sequence[npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Machine:
    """What the machine can do with one number of threads.

    Attributes:
        peaks: Fastest matrix products.
        copies: Speeds of copies.
    """

    peaks: tuple[ArithmeticPeak, ...]
    copies: tuple[CopySpeed, ...]

    @classmethod
    def with_threads(cls, peaks: Sequence[ArithmeticPeak], copies: Sequence[CopySpeed], threads: int) -> Machine:
        """Take what was measured with a number of threads."""
        return cls(
            tuple(peak for peak in peaks if peak.threads == threads),
            tuple(copy for copy in copies if copy.threads == threads),
        )

    def compute_ms(self, macs: int, number_format: str) -> float:
        """Return how long multiply-accumulates take at the peak."""
        peak = find_peak(self.peaks, number_format, self.copies[0].threads)
        if peak is None:
            raise EngineBuildError(f"no peak of {number_format} was measured")
        return 2e-6 * macs / peak.gops

    def memory_ms(self, moved_bytes: int) -> float:
        """Return how long a copy of as many bytes takes."""
        return 1e-6 * moved_bytes / copy_rate(self.copies, moved_bytes)


def assemble(graph: GraphRuns, batch: int, source: SourceGraph, machine: Machine) -> LayerRun:
    """Put together the layers of one graph with one number of threads.

    Args:
        graph: Its runs.
        batch: Faces in one run.
        source: The graph.
        machine: What the machine can do with as many threads.
    """
    precision, threads, trace = graph.precision, graph.threads, graph.trace
    untraced_ms = float(np.median(np.concatenate(graph.rounds_ms)))
    medians = tuple(float(np.median(runs)) for runs in graph.rounds_ms)
    total = float(np.median(trace.node_ms, axis=0).sum())
    layers = tuple(
        _layer(node, trace.node_ms[:, position], batch, source, machine, total)
        for position, node in enumerate(trace.nodes)
    )
    between = float(np.median(trace.whole_ms - trace.node_ms.sum(axis=1)))
    operations = 2 * sum(layer.macs for layer in layers)
    gops = 1e-6 * operations / untraced_ms
    peak = find_peak(machine.peaks, INT8 if precision is Precision.INT8 else FLOAT32, threads)
    return LayerRun(
        precision=precision,
        batch=batch,
        threads=threads,
        runs=len(trace.whole_ms),
        untraced_ms=untraced_ms,
        window_medians_ms=medians,
        stability=stability_of(medians),
        traced_ms=float(np.median(trace.whole_ms)),
        layers=layers,
        gops=gops,
        peak_share=0.0 if peak is None else gops / peak.gops,
        account=_account(layers, between, machine),
    )


def _layer(
    node: TracedNode,
    times: npt.NDArray[np.float64],
    batch: int,
    source: SourceGraph,
    machine: Machine,
    total: float,
) -> LayerTime:
    kind = kind_of(node.operator)
    origin = source.origin_of(node.name, node.operator)
    number_format = INT8 if computes_int8(node.operator) else FLOAT32
    macs = batch * origin.macs if origin is not None and kind in _MULTIPLYING else 0
    moved = _moved_bytes(node, origin, kind)
    median = float(np.median(times))
    compute, memory = machine.compute_ms(macs, number_format), machine.memory_ms(moved)
    return LayerTime(
        name=_name(node, origin, kind),
        role=role_of(None if origin is None else origin.name, kind),
        kind=kind,
        node=None if origin is None else origin.name,
        executed=node.name,
        operator=node.operator,
        number_format=number_format,
        median_ms=median,
        interval_ms=median_interval(times),
        share=median / total if total > 0 else 0.0,
        macs=macs,
        moved_bytes=moved,
        gops=2e-6 * macs / median if macs and median > 0 else None,
        intensity=2.0 * macs / moved if macs and moved else None,
        roof_ms=max(compute, memory),
        bound=Bound.COMPUTE if compute > memory else Bound.MEMORY,
    )


def _name(node: TracedNode, origin: Origin | None, kind: LayerKind) -> str:
    if kind is LayerKind.LAYOUT:
        return "change of layout"
    if kind is LayerKind.QUANTIZE:
        return "quantise" if node.operator == "QuantizeLinear" else "dequantise"
    return node.name if origin is None else human_name(origin.name)


def _moved_bytes(node: TracedNode, origin: Origin | None, kind: LayerKind) -> int:
    # Weights that were packed when the graph was loaded are missing from the trace.
    weights = origin.weight_bytes if origin is not None and kind in _MULTIPLYING else 0
    return node.input_bytes + node.output_bytes + max(node.parameter_bytes, weights)


def _account(layers: Sequence[LayerTime], between_ms: float, machine: Machine) -> tuple[TimeAccount, ...]:
    ideal = dict.fromkeys(LayerKind, 0.0)
    taken = dict(ideal)
    for layer in layers:
        ideal[layer.kind] += machine.compute_ms(layer.macs, layer.number_format)
        taken[layer.kind] += layer.median_ms
    lost = {kind.value: taken[kind] - ideal[kind] for kind in LayerKind if taken[kind] > 0}
    parts = {AT_THE_PEAK: sum(ideal.values()), **lost, BETWEEN_LAYERS: between_ms}
    whole = sum(taken.values()) + between_ms
    return tuple(TimeAccount(what, time, time / whole if whole > 0 else 0.0) for what, time in parts.items())
