"""Energy and clocks of NVIDIA GPUs, from the management library that comes with the driver.

As in :mod:`fsrfer.core.gpu`, no package is imported for it. Names, units and codes are those of NVIDIA's "NVML API
Reference Guide".
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ...core.gpu import MANAGEMENT_LIBRARY

_CLOCK_SM = 1  # NVML_CLOCK_SM
_REASONS_CALLS = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")  # from R535 on
# Reasons for which a clock is lower than asked for; an idle GPU and clocks that somebody set are none.
_SLOWDOWNS = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "heat (driver)",
    0x40: "heat (hardware)",
    0x80: "power brake",
}


class NvmlGpu:
    """One GPU; what the driver does not tell is None.

    Args:
        library: The open library.
        index: Its number in NVML's order.
        handle: NVML's own handle of it.
    """

    def __init__(self, library: Any, index: int, handle: ctypes.c_void_p) -> None:
        self._library = library
        self._handle = handle
        self.index = index
        name = ctypes.create_string_buffer(96)
        is_known = _call(library, "nvmlDeviceGetName", handle, name, len(name))
        self.name = name.value.decode("utf-8", "replace") if is_known else "unknown"

    def energy_j(self) -> float | None:
        """Return the energy since the driver was loaded, in joules; None before Volta."""
        value = ctypes.c_ulonglong(0)
        is_known = _call(self._library, "nvmlDeviceGetTotalEnergyConsumption", self._handle, ctypes.byref(value))
        return value.value / 1e3 if is_known else None

    def power_w(self) -> float | None:
        """Return the present power in watts."""
        value = ctypes.c_uint(0)
        is_known = _call(self._library, "nvmlDeviceGetPowerUsage", self._handle, ctypes.byref(value))
        return value.value / 1e3 if is_known else None

    def clock_mhz(self) -> float | None:
        """Return the present clock of the multiprocessors."""
        value = ctypes.c_uint(0)
        is_known = _call(self._library, "nvmlDeviceGetClockInfo", self._handle, _CLOCK_SM, ctypes.byref(value))
        return float(value.value) if is_known else None

    def slowdowns(self) -> tuple[str, ...]:
        """Return why the clock is lower than asked for, at present."""
        value = ctypes.c_ulonglong(0)
        is_known = any(_call(self._library, name, self._handle, ctypes.byref(value)) for name in _REASONS_CALLS)
        return tuple(name for bit, name in _SLOWDOWNS.items() if value.value & bit) if is_known else ()


class Nvml:
    """The management library; use it as a context manager. Without a driver it has no GPU.

    Args:
        load: Opens a shared library by name; raises OSError where there is none.
    """

    def __init__(self, load: Callable[[str], Any] = ctypes.CDLL) -> None:
        self._load = load
        self._library: Any = None
        self.gpus: tuple[NvmlGpu, ...] = ()

    def __enter__(self) -> Nvml:
        try:
            library = self._load(MANAGEMENT_LIBRARY)
        except OSError:
            return self
        if not _call(library, "nvmlInit_v2"):
            return self
        self._library = library
        count = ctypes.c_uint(0)
        _call(library, "nvmlDeviceGetCount_v2", ctypes.byref(count))
        self.gpus = tuple(gpu for index in range(count.value) if (gpu := self._open(index)) is not None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._library is not None:
            _call(self._library, "nvmlShutdown")
            self._library, self.gpus = None, ()

    def _open(self, index: int) -> NvmlGpu | None:
        handle = ctypes.c_void_p()
        if not _call(self._library, "nvmlDeviceGetHandleByIndex_v2", index, ctypes.byref(handle)):
            return None
        return NvmlGpu(self._library, index, handle)


def _call(library: Any, name: str, *arguments: Any) -> bool:
    """Call one of NVML's functions; False where it fails, or the driver is too old or too new to have it."""
    try:
        function = getattr(library, name)
    except AttributeError:
        return False
    return bool(function(*arguments) == 0)
