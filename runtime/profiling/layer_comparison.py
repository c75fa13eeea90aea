"""FP32 and INT8 side by side, layer by layer: which layers gain, and which keep the whole back."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.options import Precision
from .layer_report import LayerKind, LayerReport, LayerRole, LayerRun

_APART = (LayerKind.QUANTIZE, LayerKind.LAYOUT)


@dataclass(frozen=True)
class LayerPair:
    """A layer in both graphs, with one number of threads.

    Attributes:
        name: What a person calls it; all changes of layout are one, and so are all quantising and dequantising nodes.
        role: Part of the network.
        fp32_ms: Its time in FP32; 0 where it is not there, or part of another layer.
        int8_ms: Its time in INT8; likewise.
        excess_ms: Time in INT8 beyond what it would take if INT8 were as much faster here as it is at the peak.
    """

    name: str
    role: LayerRole
    fp32_ms: float
    int8_ms: float
    excess_ms: float

    @property
    def speedup(self) -> float | None:
        """How many times faster INT8 is; None where the layer is in one of the graphs only."""
        return self.fp32_ms / self.int8_ms if self.fp32_ms > 0 and self.int8_ms > 0 else None


@dataclass(frozen=True)
class LayerComparison:
    """FP32 and INT8 with one number of threads.

    Attributes:
        threads: Threads inside one operator.
        speedup: How many times faster the untraced INT8 graph is.
        peak_ratio: How many times faster the fastest INT8 product is than the fastest FP32 one.
        pairs: Layers in the order of the FP32 graph, then those that are in INT8 only.
    """

    threads: int
    speedup: float
    peak_ratio: float
    pairs: tuple[LayerPair, ...]

    def most_excess(self, count: int) -> tuple[LayerPair, ...]:
        """Return the layers that keep INT8 back most, worst first."""
        late = [pair for pair in self.pairs if pair.excess_ms > 0]
        return tuple(sorted(late, key=lambda pair: -pair.excess_ms)[:count])


def compare_layers(report: LayerReport) -> tuple[LayerComparison, ...]:
    """Compare FP32 with INT8 for every number of threads that both were measured with."""
    found = []
    for fp32 in report.runs:
        int8 = report.run_of(Precision.INT8, fp32.threads)
        fp32_peak = report.peak_of("float32", fp32.threads)
        int8_peak = report.peak_of("int8", fp32.threads)
        if fp32.precision is Precision.FP32 and int8 is not None and fp32_peak is not None and int8_peak is not None:
            ratio = int8_peak.gops / fp32_peak.gops
            found.append(
                LayerComparison(fp32.threads, fp32.untraced_ms / int8.untraced_ms, ratio, _pairs(fp32, int8, ratio))
            )
    return tuple(found)


def _pairs(fp32: LayerRun, int8: LayerRun, ratio: float) -> tuple[LayerPair, ...]:
    before, after = _by_name(fp32), _by_name(int8)
    pairs = []
    for name in dict.fromkeys((*before, *after)):
        old_ms, role = before.get(name, (0.0, LayerRole.OTHER))
        new_ms, role = after.get(name, (0.0, role))
        pairs.append(LayerPair(name, role, old_ms, new_ms, new_ms - old_ms / ratio))
    return tuple(pairs)


def _by_name(run: LayerRun) -> dict[str, tuple[float, LayerRole]]:
    sums: dict[str, tuple[float, LayerRole]] = {}
    for layer in run.layers:
        name = layer.role.value if layer.kind in _APART else layer.name
        sums[name] = (sums.get(name, (0.0, layer.role))[0] + layer.median_ms, layer.role)
    return sums
