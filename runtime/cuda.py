"""The little of CUDA that running an engine takes: streams, events, memory, copies, graphs.

By way of the runtime library itself, which every TensorRT needs anyway: no package has to be compiled on a Jetson, and
any version from 11.4 on will do. It shares the device's primary context with whatever else in the process uses CUDA.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..core.errors import BackendUnavailableError, DeviceError

LIBRARIES = ("libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so")
_HOST_TO_DEVICE, _DEVICE_TO_HOST = 1, 2
_NON_BLOCKING = 1  # a stream that does not wait for the legacy default stream
_DISABLE_TIMING = 2
_CAPTURE_THREAD_LOCAL = 1  # other threads may go on allocating while this one captures
_OUT_OF_MEMORY = 2

Address = int


def package_folders() -> list[Path]:
    """Return where NVIDIA's packages keep their libraries in this environment: the system's loader does not look there.

    ``nvidia-cuda-runtime-cu12`` has ``nvidia/cuda_runtime/lib``, ``nvidia-cuda-runtime`` (13) ``nvidia/cu13/lib``.
    """
    spec = importlib.util.find_spec("nvidia")
    roots = None if spec is None else spec.submodule_search_locations
    return sorted(folder for root in roots or () for folder in Path(root).glob("*/lib"))


class Cuda:
    """Calls of the CUDA runtime, each checked.

    Args:
        library: The runtime library, as :mod:`ctypes` opened it.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        library.cudaGetErrorString.restype = ctypes.c_char_p

    @classmethod
    def load(
        cls, open_library: Callable[[str], Any] = ctypes.CDLL, folders: Callable[[], Sequence[Path]] | None = None
    ) -> Cuda:
        """Open the runtime library: the system's, else that of an installed package ``nvidia-cuda-runtime``.

        Args:
            open_library: Opens a shared library by name or path; raises OSError where there is none.
            folders: Gives the folders of packages with libraries; None for those of this environment.

        Raises:
            BackendUnavailableError: There is none of a version that is known.
        """
        packaged = (folders or package_folders)()
        for name in (*LIBRARIES, *(str(folder / name) for name in LIBRARIES for folder in packaged)):
            with suppress(OSError):
                return cls(open_library(name))
        raise BackendUnavailableError(
            "the CUDA runtime library is not there",
            expected=f"one of {', '.join(LIBRARIES)}",
            fix="install the CUDA toolkit's runtime (it is part of JetPack), or pip install "
            "nvidia-cuda-runtime-cu12 or, for CUDA 13, nvidia-cuda-runtime",
        )

    def create_stream(self) -> Address:
        """Return a new stream."""
        return self._made("cudaStreamCreateWithFlags", _NON_BLOCKING)

    def destroy_stream(self, stream: Address) -> None:
        """Give a stream back."""
        self._call("cudaStreamDestroy", ctypes.c_void_p(stream))

    def create_event(self) -> Address:
        """Return a new event, without timing."""
        return self._made("cudaEventCreateWithFlags", _DISABLE_TIMING)

    def create_timed_event(self) -> Address:
        """Return a new event that remembers when it happened; see :meth:`elapsed_ms`."""
        return self._made("cudaEventCreateWithFlags", 0)

    def elapsed_ms(self, earlier: Address, later: Address) -> float:
        """Return the milliseconds between two timed events that have happened, by the clock of the device."""
        elapsed = ctypes.c_float()
        self._call("cudaEventElapsedTime", ctypes.byref(elapsed), ctypes.c_void_p(earlier), ctypes.c_void_p(later))
        return elapsed.value

    def destroy_event(self, event: Address) -> None:
        """Give an event back."""
        self._call("cudaEventDestroy", ctypes.c_void_p(event))

    def record(self, event: Address, stream: Address) -> None:
        """Let an event happen once all that the stream was given so far is done."""
        self._call("cudaEventRecord", ctypes.c_void_p(event), ctypes.c_void_p(stream))

    def wait(self, event: Address) -> None:
        """Wait until an event has happened."""
        self._call("cudaEventSynchronize", ctypes.c_void_p(event))

    def synchronize(self, stream: Address) -> None:
        """Wait until a stream has done all that it was given."""
        self._call("cudaStreamSynchronize", ctypes.c_void_p(stream))

    def allocate(self, size: int) -> Address:
        """Return device memory of some bytes."""
        return self._made("cudaMalloc", ctypes.c_size_t(size))

    def free(self, address: Address) -> None:
        """Give device memory back."""
        self._call("cudaFree", ctypes.c_void_p(address))

    def allocate_pinned(self, size: int) -> Address:
        """Return page-locked host memory of some bytes, which copies run from without the CPU's help."""
        return self._made("cudaHostAlloc", ctypes.c_size_t(size), 0)

    def free_pinned(self, address: Address) -> None:
        """Give page-locked memory back."""
        self._call("cudaFreeHost", ctypes.c_void_p(address))

    def copy_to_device(self, device: Address, host: Address, size: int, stream: Address) -> None:
        """Copy bytes from page-locked memory, in the order of the stream."""
        self._copy(device, host, size, _HOST_TO_DEVICE, stream)

    def copy_to_host(self, host: Address, device: Address, size: int, stream: Address) -> None:
        """Copy bytes to page-locked memory, in the order of the stream."""
        self._copy(host, device, size, _DEVICE_TO_HOST, stream)

    def begin_capture(self, stream: Address) -> None:
        """Note down what the stream is given from now on, instead of doing it."""
        self._call("cudaStreamBeginCapture", ctypes.c_void_p(stream), _CAPTURE_THREAD_LOCAL)

    def end_capture(self, stream: Address) -> Address:
        """Return what was noted down, ready to be launched; see :meth:`destroy_graph`."""
        graph = ctypes.c_void_p()
        self._call("cudaStreamEndCapture", ctypes.c_void_p(stream), ctypes.byref(graph))
        try:
            return self._made("cudaGraphInstantiateWithFlags", graph, ctypes.c_ulonglong(0))
        finally:
            self._call("cudaGraphDestroy", graph)

    def launch_graph(self, graph: Address, stream: Address) -> None:
        """Do what was noted down, in the order of the stream."""
        self._call("cudaGraphLaunch", ctypes.c_void_p(graph), ctypes.c_void_p(stream))

    def destroy_graph(self, graph: Address) -> None:
        """Give a graph back."""
        self._call("cudaGraphExecDestroy", ctypes.c_void_p(graph))

    def _copy(self, target: Address, source: Address, size: int, kind: int, stream: Address) -> None:
        addresses = ctypes.c_void_p(target), ctypes.c_void_p(source)
        self._call("cudaMemcpyAsync", *addresses, ctypes.c_size_t(size), kind, ctypes.c_void_p(stream))

    def _made(self, function: str, *arguments: Any) -> Address:
        made = ctypes.c_void_p()
        self._call(function, ctypes.byref(made), *arguments)
        return made.value or 0

    def _call(self, function: str, *arguments: Any) -> None:
        code = getattr(self._library, function)(*arguments)
        if code == 0:
            return
        text = self._library.cudaGetErrorString(code)
        reason = text.decode("utf-8", "replace") if isinstance(text, bytes) else f"error {code}"
        raise DeviceError(
            f"{function} failed",
            found=f"{reason} ({code})",
            fix="use a smaller --max-batch, or end what else uses the GPU" if code == _OUT_OF_MEMORY else None,
        )


class PinnedArray:
    """A NumPy array in page-locked memory, with its counterpart on the device.

    Args:
        cuda: CUDA.
        shape: Shape at the largest batch.
        dtype: Element type.

    Attributes:
        array: The host's side.
        device: Address of the device's side.
    """

    _BYTE: ClassVar = ctypes.c_uint8

    def __init__(self, cuda: Cuda, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._cuda = cuda
        self._size = max(1, int(np.prod(shape)) * dtype.itemsize)
        self._host = cuda.allocate_pinned(self._size)
        try:
            self.device = cuda.allocate(self._size)
        except DeviceError:
            cuda.free_pinned(self._host)
            raise
        content = memoryview((self._BYTE * self._size).from_address(self._host)).cast("B")
        self.array: npt.NDArray[Any] = np.frombuffer(content, dtype, int(np.prod(shape))).reshape(shape)

    def to_device(self, rows: int, stream: Address) -> None:
        """Copy the first rows, in the order of the stream."""
        self._cuda.copy_to_device(self.device, self._host, self.array[:rows].nbytes, stream)

    def to_host(self, rows: int, stream: Address) -> None:
        """Copy the first rows back, in the order of the stream."""
        self._cuda.copy_to_host(self._host, self.device, self.array[:rows].nbytes, stream)

    def __enter__(self) -> PinnedArray:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self.array
        self._cuda.free(self.device)
        self._cuda.free_pinned(self._host)
