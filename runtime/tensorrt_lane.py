"""One of the lanes that batches take through an engine: a stream with its own buffers, contexts and graphs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from ..core.errors import DeviceError
from .cuda import Address, Cuda, PinnedArray
from .engine_record import BatchProfile
from .runner import Array, TensorSpec
from .tensorrt_module import TensorRtLog

_logger = logging.getLogger(__name__)


class LaneObserver(Protocol):
    """Watches a lane while it is profiled. It sees work that is enqueued call by call, not CUDA graphs."""

    def attach(self, context: Any) -> None:
        """Called with each execution context before it runs."""

    def mark(self, stage: int, stream: Address) -> None:
        """Called between the stages of a batch, while they are enqueued.

        Args:
            stage: 0 before the inputs are copied, 1 after that, 2 after computing, 3 after the outputs are copied.
            stream: Where.
        """


class TensorRtLane:
    """Holds at most one batch at a time: :meth:`submit`, then :meth:`result`.

    Args:
        engine: The engine.
        cuda: CUDA.
        log: What TensorRT says.
        inputs: The engine's inputs.
        outputs: The engine's outputs.
        batch: Batch sizes that it serves.
        graph_batches: Batch sizes to note down as CUDA graphs.
        observer: Watches it.
    """

    def __init__(
        self,
        engine: Any,
        cuda: Cuda,
        log: TensorRtLog,
        inputs: Mapping[str, TensorSpec],
        outputs: Mapping[str, TensorSpec],
        batch: BatchProfile,
        graph_batches: Sequence[int],
        observer: LaneObserver | None = None,
    ) -> None:
        self._engine = engine
        self._cuda = cuda
        self._log = log
        self._inputs = inputs
        self._outputs = outputs
        self._batch = batch
        self._graph_batches = graph_batches
        self._observer = observer
        self._graphs: dict[int, Address] = {}
        self._buffers: dict[str, PinnedArray] = {}
        self._is_busy = False
        self._taken = ExitStack()

    def submit(self, feed: Mapping[str, Array], rows: int) -> None:
        """Start on a batch and return at once.

        Args:
            feed: Checked inputs of ``rows`` rows.
            rows: 1 to the engine's largest batch.

        Raises:
            DeviceError: The GPU refuses.
        """
        size = max(rows, self._batch.min)
        for name, array in feed.items():
            target = self._buffers[name].array
            target[:rows] = array
            target[rows:size] = array[:1]  # rows that fill the smallest batch up; nobody reads their results
        self._is_busy = True
        graph = self._graphs.get(size)
        if graph is not None:
            self._cuda.launch_graph(graph, self._stream)
        else:
            self._enqueue(self._context, size)
        self._cuda.record(self._done, self._stream)

    def result(self, rows: int) -> dict[str, Array]:
        """Wait for the batch and return copies of the first rows of its outputs.

        Raises:
            DeviceError: The GPU failed while computing.
        """
        self._cuda.wait(self._done)
        self._is_busy = False
        return {name: self._buffers[name].array[:rows].copy() for name in self._outputs}

    def settle(self) -> None:
        """Wait until nothing writes into the buffers any more; whatever came of it is dropped."""
        if self._is_busy:
            self._is_busy = False
            self._cuda.synchronize(self._stream)

    def __enter__(self) -> TensorRtLane:
        with ExitStack() as taken:
            self._stream = self._cuda.create_stream()
            taken.callback(self._cuda.destroy_stream, self._stream)
            self._done = self._cuda.create_event()
            taken.callback(self._cuda.destroy_event, self._done)
            for name, spec in {**self._inputs, **self._outputs}.items():
                shape = (self._batch.max, *(int(length or 0) for length in spec.shape[1:]))
                self._buffers[name] = taken.enter_context(PinnedArray(self._cuda, shape, spec.dtype))
            taken.callback(self._buffers.clear)
            self._context = self._new_context()
            taken.callback(self._drop_context)
            taken.callback(self._drain)  # nothing may be given back while the stream still uses it
            for size in self._graph_batches:
                self._note_down(size, taken)
            taken.callback(self._drain)
            self._taken = taken.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._taken.close()

    def _drain(self) -> None:
        self._is_busy = False
        try:
            self._cuda.synchronize(self._stream)
        except DeviceError as problem:  # of work whose failure was told already, or that nobody waits for
            _logger.debug("on the way out: %s", str(problem))

    def _drop_context(self) -> None:
        del self._context

    def _new_context(self) -> Any:
        context = self._engine.create_execution_context()
        if context is None:
            raise DeviceError(
                "TensorRT gives no execution context", found=self._log.reason, fix="end what else uses the GPU"
            )
        for name, buffer in self._buffers.items():
            if not context.set_tensor_address(name, buffer.device):
                raise DeviceError(f"TensorRT refuses the address of {name}", found=self._log.reason)
        if self._observer is not None:
            self._observer.attach(context)
        return context

    def _enqueue(self, context: Any, size: int) -> None:
        self._mark(0)
        for name, spec in self._inputs.items():
            if not context.set_input_shape(name, (size, *(int(length or 0) for length in spec.shape[1:]))):
                raise DeviceError(f"TensorRT refuses {size} rows of {name}", found=self._log.reason)
            self._buffers[name].to_device(size, self._stream)
        self._mark(1)
        if not context.execute_async_v3(self._stream):
            raise DeviceError(f"TensorRT cannot run a batch of {size}", found=self._log.reason)
        self._mark(2)
        for name in self._outputs:
            self._buffers[name].to_host(size, self._stream)
        self._mark(3)

    def _mark(self, stage: int) -> None:
        if self._observer is not None:
            self._observer.mark(stage, self._stream)

    def _note_down(self, size: int, taken: ExitStack) -> None:
        # A graph belongs to the context that it was noted down from, which must not be used otherwise any more.
        context = self._new_context()
        for name in self._inputs:
            self._buffers[name].array[:size] = np.zeros((), self._inputs[name].dtype)
        self._enqueue(context, size)  # the first run of a shape does what may not be noted down
        self._cuda.synchronize(self._stream)
        try:
            graph = self._captured(context, size)
        except DeviceError as problem:
            _logger.info("batches of %d are enqueued call by call: %s", size, str(problem))
            return
        self._graphs[size] = graph
        taken.callback(self._forget, size, context)

    def _captured(self, context: Any, size: int) -> Address:
        self._cuda.begin_capture(self._stream)
        try:
            self._enqueue(context, size)
        except DeviceError:
            self._abandon_capture()
            raise
        return self._cuda.end_capture(self._stream)

    def _abandon_capture(self) -> None:
        # The stream must leave its capturing state, whatever that gives.
        try:
            self._cuda.destroy_graph(self._cuda.end_capture(self._stream))
        except DeviceError as problem:
            _logger.debug("an interrupted capture gave no graph: %s", str(problem))

    def _forget(self, size: int, context: Any) -> None:  # noqa: ARG002 - the context lives until the graph is gone
        self._cuda.destroy_graph(self._graphs.pop(size))
