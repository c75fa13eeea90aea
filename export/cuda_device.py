"""Which GPU this machine has, asked from the driver itself.

TensorRT must not be asked: without a driver its runtime returns an object that looks alive, and the next call on it
ends the process.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

DRIVER_LIBRARY = "libcuda.so.1"
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*


@dataclass(frozen=True)
class CudaDevice:
    """A GPU.

    Attributes:
        name: Its name.
        compute_capability: ``8.7``, say.
    """

    name: str
    compute_capability: str


def cuda_device(load: Callable[[str], Any] = ctypes.CDLL) -> CudaDevice | str:
    """Return the first GPU of this machine, or why there is none.

    Args:
        load: Opens a shared library by name; raises OSError where there is none.
    """
    try:
        driver = load(DRIVER_LIBRARY)
    except OSError:
        return f"the NVIDIA driver is not installed ({DRIVER_LIBRARY} cannot be opened)"
    code = driver.cuInit(0)
    if code != 0:
        return f"the NVIDIA driver does not start (cuInit returned {code})"
    count, device = ctypes.c_int(0), ctypes.c_int(0)
    if driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return "the NVIDIA driver sees no GPU"
    code = driver.cuDeviceGet(ctypes.byref(device), 0)
    name = ctypes.create_string_buffer(256)
    code |= driver.cuDeviceGetName(name, len(name), device)
    numbers = [ctypes.c_int(0), ctypes.c_int(0)]
    for number, attribute in zip(numbers, (_CAPABILITY_MAJOR, _CAPABILITY_MINOR), strict=True):
        code |= driver.cuDeviceGetAttribute(ctypes.byref(number), attribute, device)
    if code != 0:
        return "the NVIDIA driver does not describe its GPU"
    return CudaDevice(name.value.decode("utf-8", "replace"), f"{numbers[0].value}.{numbers[1].value}")
