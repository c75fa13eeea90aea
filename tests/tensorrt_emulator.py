"""A strict stand-in for the CUDA runtime library and for TensorRT's runtime, which need a GPU.

"Device" memory has addresses that cannot be dereferenced; work is done when a stream is waited for, and not before, so
that a missing wait shows as old results. Whatever the real libraries forbid raises :class:`ViolationError`, which no
code under test catches; what they merely refuse is refused the same way. Graphs are run by ONNX Runtime.

Only names that the real modules have are used (tests/runtime/test_tensorrt_runner.py compares them).
"""

# ruff: noqa: N802 - the names are CUDA's

from __future__ import annotations

import ctypes
import json
import weakref
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime

_MAGIC = b"emulated plan\n"
LAYERS = (
    "Reformatting CopyNode for Input Tensor 0 to backbone.stem.0",
    "backbone.stem.0 + backbone.stem.2.relu",
    "classifier.predict",
)
"""Layers that every emulated engine reports: a quarter, two and three quarters of a millisecond."""
_DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}


class ViolationError(AssertionError):
    """Something that the real libraries do not survive."""


class EmulatedCudart:
    """The functions of ``libcudart`` that :mod:`fsrfer.runtime.cuda` calls.

    Args:
        failures: By function, the number of the call (from 1) that fails and its error code.
    """

    def __init__(self, failures: dict[str, tuple[int, int]] | None = None) -> None:
        self.failures = failures or {}
        self.calls: list[str] = []
        self.device: dict[int, bytearray] = {}
        self.pinned: dict[int, Any] = {}
        self.streams: dict[int, list[Callable[[], None]]] = {}
        self.events: dict[int, int | None] = {}
        self.graphs: dict[int, list[Callable[[], None]]] = {}
        self.captured: dict[int, list[Callable[[], None]]] = {}
        self.timed: dict[int, float | None] = {}
        self.now_ms = 0.0  # each copy and each run of an engine takes one millisecond
        self._next = 0x7F0000000000
        self.cudaGetErrorString = _ErrorString()

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("cuda"):
            raise AttributeError(name)
        function = getattr(type(self), f"_{name}", None)
        if function is None:
            raise AttributeError(name)  # as ctypes: there is no such function

        def call(*arguments: Any) -> int:
            self.calls.append(name)
            number, code = self.failures.get(name, (0, 0))
            if number == self.calls.count(name):
                if name == "cudaStreamEndCapture":
                    self.captured.pop(arguments[0].value)  # it ends the capture whatever comes of it
                return code
            return int(function(self, *arguments) or 0)

        return call

    def leaks(self) -> dict[str, int]:
        """What was taken and not given back."""
        kinds = ("device", "pinned", "streams", "events", "graphs")
        return {kind: len(getattr(self, kind)) for kind in kinds if getattr(self, kind)}

    def push(self, stream: int, work: Callable[[], None]) -> None:
        """Give a stream work, or note it down where the stream is being captured."""
        if stream not in self.streams:
            raise ViolationError("work for a stream that is not there")
        self.captured.get(stream, self.streams[stream]).append(work)

    def is_capturing(self, stream: int) -> bool:
        return stream in self.captured

    def memory(self, address: int, size: int) -> bytearray:
        """Device memory at an address."""
        if address not in self.device:
            raise ViolationError("device memory that is not there, or not any more")
        if size > len(self.device[address]):
            raise ViolationError(f"{size} bytes of {len(self.device[address])}")
        return self.device[address]

    def _new(self) -> int:
        self._next += 0x1000
        return self._next

    def _cudaMalloc(self, out: Any, size: Any) -> None:
        out._obj.value = address = self._new()
        self.device[address] = bytearray(b"\xa5" * size.value)  # as left by whoever had it before

    def _cudaFree(self, address: Any) -> None:
        if any(self.streams.values()):
            raise ViolationError("memory is freed while a stream still has work")
        self._drop(self.device, address.value)

    def _cudaHostAlloc(self, out: Any, size: Any, flags: int) -> None:
        block = (ctypes.c_uint8 * size.value)(*([0xA5] * size.value))
        out._obj.value = address = ctypes.addressof(block)
        self.pinned[address] = block

    def _cudaFreeHost(self, address: Any) -> None:
        self._drop(self.pinned, address.value)

    def _cudaStreamCreateWithFlags(self, out: Any, flags: int) -> None:
        out._obj.value = stream = self._new()
        self.streams[stream] = []

    def _cudaStreamDestroy(self, stream: Any) -> None:
        if self.streams.get(stream.value):
            raise ViolationError("a stream with work is destroyed")
        self._drop(self.streams, stream.value)

    def _cudaStreamSynchronize(self, stream: Any) -> int:
        if self.is_capturing(stream.value):
            return 900
        for work in self.streams[stream.value]:
            work()
            self.now_ms += 1.0
        self.streams[stream.value].clear()
        return 0

    def _cudaEventCreateWithFlags(self, out: Any, flags: int) -> None:
        out._obj.value = event = self._new()
        self.events[event] = None
        if flags == 0:  # cudaEventDisableTiming is not among them
            self.timed[event] = None

    def _cudaEventDestroy(self, event: Any) -> None:
        self._drop(self.events, event.value)
        self.timed.pop(event.value, None)

    def _cudaEventRecord(self, event: Any, stream: Any) -> None:
        if self.is_capturing(stream.value):
            raise ViolationError("an event is recorded into a graph: its time could not be read")
        self.events[event.value] = stream.value
        if event.value in self.timed:
            self.timed[event.value] = None

            def happen() -> None:
                self.timed[event.value] = self.now_ms
                self.now_ms -= 1.0  # an event takes no time

            self.push(stream.value, happen)

    def _cudaEventElapsedTime(self, out: Any, start: Any, end: Any) -> int:
        if not {start.value, end.value} <= self.timed.keys():
            return 400  # cudaErrorInvalidResourceHandle
        before, after = self.timed[start.value], self.timed[end.value]
        if before is None or after is None:
            return 600  # cudaErrorNotReady
        out._obj.value = after - before
        return 0

    def _cudaEventSynchronize(self, event: Any) -> int:
        stream = self.events[event.value]
        if stream is None:
            raise ViolationError("an event is waited for that was never recorded")
        return self._cudaStreamSynchronize(ctypes.c_void_p(stream))

    def _cudaMemcpyAsync(self, target: Any, source: Any, size: Any, kind: int, stream: Any) -> None:
        def host(address: int) -> Any:
            if address not in self.pinned:
                raise ViolationError("an asynchronous copy with memory that is not page-locked")
            if size.value > len(self.pinned[address]):
                raise ViolationError("a copy beyond page-locked memory")
            return self.pinned[address]

        def to_device() -> None:
            self.memory(target.value, size.value)[: size.value] = bytes(host(source.value)[: size.value])

        def to_host() -> None:
            content = self.memory(source.value, size.value)[: size.value]
            ctypes.memmove(target.value, bytes(content), size.value) if host(target.value) else None

        self.push(stream.value, {1: to_device, 2: to_host}[kind])

    def _cudaStreamBeginCapture(self, stream: Any, mode: int) -> None:
        self.captured[stream.value] = []

    def _cudaStreamEndCapture(self, stream: Any, out: Any) -> int:
        work = self.captured.pop(stream.value)
        if not work:
            return 901
        out._obj.value = graph = self._new()
        self.graphs[graph] = work
        return 0

    def _cudaGraphInstantiateWithFlags(self, out: Any, graph: Any, flags: Any) -> None:
        out._obj.value = executable = self._new()
        self.graphs[executable] = self.graphs[graph.value]

    def _cudaGraphDestroy(self, graph: Any) -> None:
        self._drop(self.graphs, graph.value)

    def _cudaGraphExecDestroy(self, graph: Any) -> None:
        self._drop(self.graphs, graph.value)

    def _cudaGraphLaunch(self, graph: Any, stream: Any) -> None:
        self.streams[stream.value].extend(self.graphs[graph.value])

    @staticmethod
    def _drop(kept: dict[int, Any], key: int) -> None:
        if key not in kept:
            raise ViolationError("something is given back twice, or was never taken")
        del kept[key]


class _ErrorString:
    restype: Any = None

    def __call__(self, code: int) -> bytes:
        return {2: b"out of memory", 700: b"an illegal memory access was encountered"}.get(code, b"unknown error")


def plan_of(graph: bytes, profile: tuple[int, int, int]) -> bytes:
    """What stands for a serialised engine: a graph and the batch sizes that it was "built" for."""
    return _MAGIC + json.dumps(profile).encode() + b"\n" + graph


class TensorIOMode(IntEnum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class Severity(IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class ILogger:
    Severity = Severity

    def __init__(self) -> None: ...


class IProfiler:
    def __init__(self) -> None: ...

    def report_layer_time(self, layer_name: str, ms: float) -> None:
        raise ViolationError("a method that the user must write is called")


class Refitter:
    def __init__(self, engine: ICudaEngine, logger: ILogger) -> None:
        self.engine = engine
        self.logger = logger
        self.weights: bytes | None = None

    def refit_cuda_engine(self) -> bool:
        if self.weights is None or "refit_cuda_engine" in self.engine.trt.refuse:
            self.logger.log(Severity.ERROR, "Missing weights")
            return False
        self.engine._fill(self.weights)
        return True


class OnnxParserRefitter:
    def __init__(self, refitter: Refitter, logger: ILogger) -> None:
        self._refitter = refitter

    def refit_from_file(self, model_file: str) -> bool:
        self._refitter.weights = Path(model_file).read_bytes()
        return "refit_from_file" not in self._refitter.engine.trt.refuse


class EmulatedTensorRt:
    """A module like ``tensorrt``.

    Args:
        cudart: Where its memory and streams are.
        refuse: Names of calls that refuse: ``deserialize_cuda_engine``, ``create_execution_context``,
            ``set_tensor_address``, ``set_input_shape``, ``execute_async_v3``.
    """

    TensorIOMode = TensorIOMode
    ILogger = ILogger
    IProfiler = IProfiler
    Refitter = Refitter
    OnnxParserRefitter = OnnxParserRefitter
    __version__ = "10.3.0"

    def __init__(self, cudart: EmulatedCudart, refuse: set[str] | None = None) -> None:
        self.cudart = cudart
        self.refuse = refuse if refuse is not None else set()
        self.contexts: weakref.WeakSet[Any] = weakref.WeakSet()
        self.engines: weakref.WeakSet[Any] = weakref.WeakSet()
        self.runtimes: weakref.WeakSet[Any] = weakref.WeakSet()

    @staticmethod
    def nptype(dtype: str) -> type:
        return np.dtype(dtype).type

    def Runtime(self, logger: ILogger) -> Runtime:
        runtime = Runtime(self, logger)
        self.runtimes.add(runtime)
        return runtime


class Runtime:
    engine_host_code_allowed = False
    DLA_core = -1

    def __init__(self, trt: EmulatedTensorRt, logger: ILogger) -> None:
        self._trt = trt
        self._logger = logger

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
        self._core_when_loading = self.DLA_core
        if "deserialize_cuda_engine" in self._trt.refuse or not serialized_engine.startswith(_MAGIC):
            self._logger.log(Severity.ERROR, "Serialization assertion stdVersionRead == kSERIALIZATION_VERSION failed")
            return None
        _, profile, graph = serialized_engine.split(b"\n", 2)
        engine = ICudaEngine(self._trt, self._logger, graph, tuple(json.loads(profile)))
        self._trt.engines.add(engine)
        return engine


class ICudaEngine:
    def __init__(self, trt: EmulatedTensorRt, logger: ILogger, graph: bytes, profile: tuple[int, int, int]) -> None:
        self.trt = trt
        self.logger = logger
        self.profile = profile
        self._fill(graph)

    def _fill(self, graph: bytes) -> None:
        self.session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        self._inputs = {node.name: node for node in self.session.get_inputs()}
        self._outputs = {node.name: node for node in self.session.get_outputs()}
        self._all = {**self._inputs, **self._outputs}

    @property
    def num_io_tensors(self) -> int:
        return len(self._all)

    def get_tensor_name(self, index: int) -> str:
        return list(self._all)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(length if isinstance(length, int) else -1 for length in self._all[name].shape)

    def get_tensor_dtype(self, name: str) -> str:
        return _DTYPES[self._all[name].type]

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        rest = self.get_tensor_shape(name)[1:]
        return [(length, *rest) for length in self.profile]

    def create_execution_context(self) -> IExecutionContext | None:
        if "create_execution_context" in self.trt.refuse:
            self.logger.log(Severity.ERROR, "CUDA error: out of memory")
            return None
        context = IExecutionContext(self)
        self.trt.contexts.add(context)
        return context


class IExecutionContext:
    profiler: IProfiler | None = None

    def __init__(self, engine: ICudaEngine) -> None:
        self._engine = engine
        self._addresses: dict[str, int] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._prepared: set[tuple[tuple[int, ...], ...]] = set()
        self._captured_shapes: tuple[tuple[int, ...], ...] | None = None

    def set_tensor_address(self, name: str, memory: int) -> bool:
        known = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        if "set_tensor_address" in self._engine.trt.refuse or name not in known:
            return False
        self._addresses[name] = memory
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        low, _, high = self._engine.profile
        rest = self._engine.get_tensor_shape(name)[1:]
        if "set_input_shape" in self._engine.trt.refuse or shape[1:] != rest or not low <= shape[0] <= high:
            self._engine.logger.log(Severity.ERROR, f"Set dimensions {shape} for input {name} not in the profile")
            return False
        self._shapes[name] = tuple(shape)
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        engine, cudart = self._engine, self._engine.trt.cudart
        if "execute_async_v3" in engine.trt.refuse:
            engine.logger.log(Severity.ERROR, "IExecutionContext::enqueueV3: Error Code 1: Cuda Runtime")
            return False
        inputs = [node.name for node in engine.session.get_inputs()]
        outputs = [node.name for node in engine.session.get_outputs()]
        if set(self._addresses) != {*inputs, *outputs} or set(self._shapes) != set(inputs):
            raise ViolationError("an address or a shape was not set")
        shapes = tuple(self._shapes[name] for name in inputs)
        capturing = cudart.is_capturing(stream_handle)
        if capturing and (shapes not in self._prepared or "capture" in engine.trt.refuse):
            engine.logger.log(Severity.ERROR, "operation not permitted when stream is capturing")
            return False
        if self._captured_shapes is not None and not capturing:
            raise ViolationError("a context is used whose work was noted down as a graph")
        if capturing:
            self._captured_shapes = shapes
        self._prepared.add(shapes)
        addresses, dtypes = dict(self._addresses), {name: engine.get_tensor_dtype(name) for name in self._addresses}
        alive = weakref.ref(self)

        def compute() -> None:
            if alive() is None:
                raise ViolationError("work of a context that is gone")
            feed = {}
            for name, shape in zip(inputs, shapes, strict=True):
                size = int(np.prod(shape)) * np.dtype(dtypes[name]).itemsize
                feed[name] = np.frombuffer(bytes(cudart.memory(addresses[name], size)[:size]), dtypes[name]).reshape(
                    shape
                )
            for name, value in zip(outputs, engine.session.run(outputs, feed), strict=True):
                content = np.ascontiguousarray(value).tobytes()
                cudart.memory(addresses[name], len(content))[: len(content)] = content

        cudart.push(stream_handle, compute)
        self._report(stream_handle, capturing)
        return True

    def _report(self, stream_handle: int, capturing: bool) -> None:
        if self.profiler is None:
            return
        if capturing:
            raise ViolationError("a profiler cannot report what is noted down as a graph")
        # TensorRT waits for the stream, since enqueueing emits the profile unless it is told otherwise.
        self._engine.trt.cudart._cudaStreamSynchronize(ctypes.c_void_p(stream_handle))
        for number, name in enumerate(LAYERS, start=1):
            self.profiler.report_layer_time(name, 0.25 * number)


def emulation(**options: Any) -> SimpleNamespace:
    """A GPU with nothing on it: ``cudart``, ``trt``."""
    cudart = EmulatedCudart(options.get("failures"))
    return SimpleNamespace(cudart=cudart, trt=EmulatedTensorRt(cudart, options.get("refuse")))
