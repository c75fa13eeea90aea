"""Clocks inside an engine of TensorRT: how long its copies, its computing and its layers take on the GPU."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from ..cuda import Address, Cuda

_MARKS = 4


@dataclass(frozen=True)
class StageTimes:
    """One batch on the GPU, in milliseconds by its own clock.

    Attributes:
        to_device_ms: Copying the inputs to it.
        compute_ms: Running the engine.
        to_host_ms: Copying the outputs back.
    """

    to_device_ms: float
    compute_ms: float
    to_host_ms: float


class StageClock:
    """Times the stages of each batch by events in its stream; see :class:`~fsrfer.runtime.tensorrt_lane.LaneObserver`.

    Use it as a context manager around the runner that it observes.

    Args:
        cuda: CUDA.
    """

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self._events: list[Address] = []
        self._taken = ExitStack()

    def attach(self, context: Any) -> None:
        """Do nothing: events are enough."""

    def mark(self, stage: int, stream: Address) -> None:
        """Let an event happen between two stages."""
        self._cuda.record(self._events[stage], stream)

    def read(self) -> StageTimes:
        """Return the times of the batch whose result was given last.

        Raises:
            DeviceError: It is not there yet.
        """
        pairs = zip(self._events, self._events[1:], strict=False)
        return StageTimes(*(self._cuda.elapsed_ms(earlier, later) for earlier, later in pairs))

    def __enter__(self) -> StageClock:
        with ExitStack() as taken:
            for _ in range(_MARKS):
                event = self._cuda.create_timed_event()
                taken.callback(self._cuda.destroy_event, event)
                self._events.append(event)
            self._taken = taken.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._taken.close()
        self._events.clear()


class LayerClock:
    """Collects what TensorRT's profiler says of each layer; it slows the engine down, and is used for nothing else.

    Args:
        trt: The module ``tensorrt`` or ``tensorrt_rtx``.
    """

    def __init__(self, trt: Any) -> None:
        self._times: dict[str, float] = {}
        self._bridge = _profiler_bridge(trt, self._times)

    def attach(self, context: Any) -> None:
        """Let a context report its layers."""
        context.profiler = self._bridge

    def mark(self, stage: int, stream: Address) -> None:
        """Do nothing: layers are reported by name."""

    def read(self) -> dict[str, float]:
        """Return the milliseconds of each layer since the last reading, in the order of execution."""
        times = dict(self._times)
        self._times.clear()
        return times


def _profiler_bridge(trt: Any, times: dict[str, float]) -> Any:
    class Bridge(trt.IProfiler):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            times[layer_name] = times.get(layer_name, 0.0) + ms

    return Bridge()
