"""What a profile of layers consists of; ``fsrfer.export.layers`` makes it, since it reads graphs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from ...core.options import Precision
from .interference import Interference
from .machine_watch import MachineReport
from .statistics import Stability


class LayerRole(str, Enum):
    """Part of the network that a layer belongs to."""

    NORMALIZE = "normalise"
    BACKBONE = "backbone"
    GENERATOR = "generator"
    CLASSIFIER = "classifier"
    SIZE_CONDITION = "size condition"
    QUANTIZE = "quantise"
    LAYOUT = "layout"
    OTHER = "other"


class LayerKind(str, Enum):
    """What a layer does, as far as its speed is concerned."""

    CONVOLUTION = "convolution"
    DENSE = "dense"
    ELEMENTWISE = "elementwise"
    POOLING = "pooling"
    QUANTIZE = "quantise"
    LAYOUT = "layout"
    OTHER = "other"


class Bound(str, Enum):
    """What a layer would wait for on an ideal processor."""

    COMPUTE = "compute"
    MEMORY = "memory"


@dataclass(frozen=True)
class ArithmeticPeak:
    """The fastest matrix product that ONNX Runtime computed here, in the same run as the layers.

    Attributes:
        number_format: ``float32`` or ``int8`` (uint8 times int8, summed in int32).
        threads: Threads inside one operator.
        gops: Billions of operations a second; a multiply-accumulate is two.
        shape: Rows, depth and columns of that product.
    """

    number_format: str
    threads: int
    gops: float
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class CopySpeed:
    """How fast memory is copied here.

    Attributes:
        threads: Threads that copy a part each.
        moved_bytes: Bytes that are read and written; small copies stay in the caches.
        gb_per_second: Billions of these bytes a second.
    """

    threads: int
    moved_bytes: int
    gb_per_second: float


@dataclass(frozen=True)
class LayerTime:
    """One executed node, over all traced runs.

    Attributes:
        name: What a person calls it; parts of the network count from 1.
        role: Part of the network.
        kind: What it does.
        node: Node of the bundle's graph that it computes, or the first of several; None for what ONNX Runtime added.
        executed: ONNX Runtime's name for it.
        operator: ONNX Runtime's operator.
        number_format: ``int8`` where it computes in that, else ``float32``.
        median_ms: Its median time.
        interval_ms: 95 % interval of the median; None for fewer than six runs.
        share: Its part of the sum of all layers' medians.
        macs: Multiply-accumulates of convolutions and matrix products for the whole batch; 0 for everything else.
        moved_bytes: Bytes of its inputs, weights and outputs.
        gops: Billions of operations a second that it reached, two for a multiply-accumulate; None without any.
        intensity: Operations for each byte moved; None without any.
        roof_ms: Time that the roofline allows: the longer one of its operations at the arithmetic peak and its bytes
            at the speed of a copy of as many (Williams, Waterman and Patterson, "Roofline", 2009).
        bound: Which of the two that is.
    """

    name: str
    role: LayerRole
    kind: LayerKind
    node: str | None
    executed: str
    operator: str
    number_format: str
    median_ms: float
    interval_ms: tuple[float, float] | None
    share: float
    macs: int
    moved_bytes: int
    gops: float | None
    intensity: float | None
    roof_ms: float
    bound: Bound

    @property
    def roof_share(self) -> float:
        """Part of its time that the roofline explains; above 1 where a cache was faster than the copy."""
        return self.roof_ms / self.median_ms if self.median_ms > 0 else 1.0


@dataclass(frozen=True)
class TimeAccount:
    """Where the time of a graph goes, against a machine that does nothing but multiply at its peak.

    Attributes:
        what: ``at the peak``, a kind of layer, or ``between layers``.
        lost_ms: Time; for convolutions and matrix products what they take beyond their time at the peak.
        share: Its part of the whole.
    """

    what: str
    lost_ms: float
    share: float


@dataclass(frozen=True)
class LayerRun:
    """The layers of one graph with one number of threads.

    Attributes:
        precision: Number format of the graph.
        batch: Faces in one run.
        threads: Threads inside one operator.
        runs: Traced runs.
        untraced_ms: Median time of a run that was not traced, in the same rounds.
        window_medians_ms: The same for each round.
        stability: Whether these medians agree.
        traced_ms: Median time of a traced run; more, since tracing costs a little at every node.
        layers: Executed nodes in their order.
        gops: Operations of the graph over ``untraced_ms``, in billions a second.
        peak_share: That as a part of the peak in the graph's own number format.
        account: Where the time of the layers and between them goes.
    """

    precision: Precision
    batch: int
    threads: int
    runs: int
    untraced_ms: float
    window_medians_ms: tuple[float, ...]
    stability: Stability
    traced_ms: float
    layers: tuple[LayerTime, ...]
    gops: float
    peak_share: float
    account: tuple[TimeAccount, ...]

    def role_ms(self) -> dict[LayerRole, float]:
        """Return the summed medians of each part of the network, in the order of :class:`LayerRole`."""
        sums = {role: sum(layer.median_ms for layer in self.layers if layer.role is role) for role in LayerRole}
        return {role: total for role, total in sums.items() if total > 0}


@dataclass(frozen=True)
class LayerReport:
    """Times of layers, and what the machine could do.

    Attributes:
        runs: One for each graph and number of threads.
        peaks: Fastest matrix products.
        copies: Speeds of copies of different sizes.
        interference: What else the machine did while they were measured; None in files of version 2.
        machine: Energy and clocks meanwhile; None in files of version 2.
    """

    runs: tuple[LayerRun, ...]
    peaks: tuple[ArithmeticPeak, ...]
    copies: tuple[CopySpeed, ...]
    interference: Interference | None = None
    machine: MachineReport | None = None

    def run_of(self, precision: Precision, threads: int) -> LayerRun | None:
        """Return the run of a graph with a number of threads; None where it was not measured."""
        found = (run for run in self.runs if run.precision is precision and run.threads == threads)
        return next(found, None)

    def peak_of(self, number_format: str, threads: int) -> ArithmeticPeak | None:
        """Return the peak of a number format; None where it was not measured."""
        return find_peak(self.peaks, number_format, threads)


def find_peak(peaks: Iterable[ArithmeticPeak], number_format: str, threads: int) -> ArithmeticPeak | None:
    """Return the peak of a number format with a number of threads; None where it is not among them."""
    found = (peak for peak in peaks if peak.number_format == number_format and peak.threads == threads)
    return next(found, None)
