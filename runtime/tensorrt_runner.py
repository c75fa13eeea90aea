"""Engines of TensorRT and TensorRT-RTX.

One path serves 8.6 to 11.x: tensors are addressed by name, and work is enqueued by ``execute_async_v3``. Written for
the real API and tested by emulation; it has not run on a GPU yet (docs/engines.md says what was executed).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..core.errors import EngineBuildError, EngineCompatibilityError, InputSpecError
from .cuda import Cuda
from .engine_record import BatchProfile, EngineRecord
from .runner import Array, TensorSpec, check_feed, specs_by_name
from .tensorrt_lane import LaneObserver, TensorRtLane
from .tensorrt_module import TensorRtLog, create_runtime

LANES = 2
"""While the results of one batch are copied back, the next one computes."""


class TensorRtRunner:
    """Runs an engine; see :class:`~fsrfer.runtime.runner.Runner` for the contract.

    All memory is taken when it is entered, for the largest batch of the engine's profile; calls allocate nothing but
    the small arrays that they return. Batches below the profile's smallest are filled up and cut again.

    Args:
        engine: The serialised engine.
        record: What it was built for; already compared with this machine (:func:`find_engine`).
        trt: The module ``tensorrt`` or ``tensorrt_rtx``.
        cuda: CUDA.
        graph: The ONNX graph that the engine was built from; needed for an engine without weights only.
        graph_batches: Batch sizes whose work is noted down as a CUDA graph, which takes the CPU less time to launch;
            None for the smallest, the optimum and the largest of the profile.
        observer: Watches every batch, for profiling: one at a time then, and without CUDA graphs.

    Raises:
        EngineCompatibilityError: TensorRT cannot load the engine here.
        EngineBuildError: The engine's tensors are not ones that a batch can be fed to.
    """

    def __init__(
        self,
        engine: Path,
        record: EngineRecord,
        trt: Any,
        cuda: Cuda,
        *,
        graph: Path | None = None,
        graph_batches: Sequence[int] | None = None,
        observer: LaneObserver | None = None,
    ) -> None:
        self._log = TensorRtLog(trt)
        self._cuda = cuda
        self._runtime = create_runtime(
            trt,
            self._log,
            version_compatible=bool(record.options.get("version_compatible")),
            dla_core=record.options.get("dla_core"),
        )
        self._engine = self._runtime.deserialize_cuda_engine(engine.read_bytes())
        if self._engine is None:
            raise EngineCompatibilityError(
                f"TensorRT cannot load {engine.name} on this machine", found=self._log.reason, fix=record.command
            )
        if record.options.get("strip_weights"):
            _put_weights_in(trt, self._engine, self._log, graph, record)
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        is_input = {name: self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT for name in names}
        specs = [_spec(trt, self._engine, name) for name in names]
        self._inputs = specs_by_name([spec for spec in specs if is_input[spec.name]])
        self._outputs = specs_by_name([spec for spec in specs if not is_input[spec.name]])
        self._batch = _profile(self._engine, self._inputs)
        self._observer = observer
        if observer is not None:
            graph_batches = ()
        wanted = (self._batch.min, self._batch.opt, self._batch.max) if graph_batches is None else graph_batches
        self._graph_batches = tuple(sorted({size for size in wanted if self._batch.min <= size <= self._batch.max}))
        self._lanes: list[TensorRtLane] = []
        self._taken = ExitStack()

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """The engine's inputs by name."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, TensorSpec]:
        """The engine's outputs by name."""
        return self._outputs

    @property
    def batch(self) -> BatchProfile:
        """Batch sizes that the engine was built for."""
        return self._batch

    @property
    def serves_threads(self) -> bool:
        """Never: buffers, stream and execution context are those of one thread."""
        return False

    def infer(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        """Run the engine on one batch.

        Raises:
            InputSpecError: An input is wrong, or the batch is larger than the engine's largest.
            DeviceError: The GPU refuses.
        """
        return next(iter(self.infer_each([feed])))

    def infer_each(self, feeds: Iterable[Mapping[str, Array]]) -> Iterator[dict[str, Array]]:
        """Run the engine on batch after batch, copying and computing at the same time.

        Args:
            feeds: Batches; one is taken ahead of the result that is given.

        Raises:
            InputSpecError: An input is wrong, or a batch is larger than the engine's largest.
            DeviceError: The GPU refuses.
        """
        if not self._lanes:
            raise RuntimeError("the runner was not entered")
        free, busy = deque(self._lanes), deque[tuple[TensorRtLane, int]]()
        try:
            for feed in feeds:
                rows = self._check(feed)
                if not free:
                    yield self._collect(free, busy)
                lane = free.popleft()
                busy.append((lane, rows))
                lane.submit(feed, rows)
            while busy:
                yield self._collect(free, busy)
        finally:
            for lane, _ in busy:  # whoever stopped listening: nothing may still write into the buffers
                lane.settle()

    def _collect(self, free: deque[TensorRtLane], busy: deque[tuple[TensorRtLane, int]]) -> dict[str, Array]:
        lane, rows = busy[0]
        result = lane.result(rows)
        busy.popleft()
        free.append(lane)
        return result

    def _check(self, feed: Mapping[str, Array]) -> int:
        check_feed(feed, self._inputs)
        lengths = {len(array) for array in feed.values()}
        if len(lengths) != 1 or not 1 <= min(lengths) <= self._batch.max:
            raise InputSpecError(
                "the batch cannot be run by this engine",
                expected=f"the same number of rows in all inputs, 1 to {self._batch.max}",
                found=", ".join(f"{name}: {len(array)}" for name, array in feed.items()),
                fix="build the engine with a larger --batch maximum, or lower --max-batch",
            )
        return lengths.pop()

    def __enter__(self) -> TensorRtRunner:
        with ExitStack() as taken:
            for _ in range(LANES if self._observer is None else 1):
                lane = TensorRtLane(
                    self._engine,
                    self._cuda,
                    self._log,
                    self._inputs,
                    self._outputs,
                    self._batch,
                    self._graph_batches,
                    self._observer,
                )
                self._lanes.append(taken.enter_context(lane))
            self._taken = taken.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for lane in self._lanes:
            lane.settle()
        self._lanes.clear()
        self._taken.close()
        # TensorRT wants them gone in this order.
        del self._engine
        del self._runtime


def _put_weights_in(trt: Any, engine: Any, log: TensorRtLog, graph: Path | None, record: EngineRecord) -> None:
    if graph is None:
        raise EngineCompatibilityError(f"{record.file} has no weights, and the graph is not given", fix=record.command)
    refitter = trt.Refitter(engine, log.trt_logger)
    parser = trt.OnnxParserRefitter(refitter, log.trt_logger)
    if not parser.refit_from_file(str(graph)) or not refitter.refit_cuda_engine():
        raise EngineCompatibilityError(
            f"the weights of {graph.name} do not go into {record.file}", found=log.reason, fix=record.command
        )


def _spec(trt: Any, engine: Any, name: str) -> TensorSpec:
    shape = tuple(None if length == -1 else int(length) for length in tuple(engine.get_tensor_shape(name)))
    return TensorSpec(name, np.dtype(trt.nptype(engine.get_tensor_dtype(name))), shape)


def _profile(engine: Any, inputs: Mapping[str, TensorSpec]) -> BatchProfile:
    profiles = set()
    for name, spec in inputs.items():
        if not spec.shape or None in spec.shape[1:]:
            raise EngineBuildError(
                f"the engine's input {name} cannot be batched",
                expected="a free first axis, and no other one",
                found=spec.describe(),
                fix="fsrfer-export build-engine",
            )
        if spec.shape[0] is None:
            profiles.add(tuple(int(shape[0]) for shape in engine.get_tensor_profile_shape(name, 0)))
        else:
            profiles.add((spec.shape[0],) * 3)
    if len(profiles) != 1:
        raise EngineBuildError("the engine's inputs have different batch sizes", found=sorted(profiles))
    return BatchProfile(*profiles.pop())
