"""The NVIDIA GPUs of this machine, asked from the driver library itself.

No package is imported for it: what is heavy may be broken, and this is what tells why. TensorRT in particular must not
be asked: without a driver its runtime returns an object that looks alive, and the next call on it ends the process.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

DRIVER_LIBRARY = "libcuda.so.1"
MANAGEMENT_LIBRARY = "libnvidia-ml.so.1"
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*


@dataclass(frozen=True)
class Gpu:
    """A GPU.

    Attributes:
        name: Its name.
        compute_capability: ``8.7``, say.
    """

    name: str
    compute_capability: str


@dataclass(frozen=True)
class GpuSurvey:
    """What the NVIDIA driver says.

    Attributes:
        gpus: The GPUs in the driver's order; those that ``CUDA_VISIBLE_DEVICES`` hides are not among them.
        cuda_version: Newest CUDA that the driver serves, ``12.6``; None where it does not say.
        problem: Why there are no GPUs; None where there are.
        driver_version: Version of the driver, ``560.35.03``, as NVML tells it; None where it does not.
    """

    gpus: tuple[Gpu, ...] = ()
    cuda_version: str | None = None
    problem: str | None = None
    driver_version: str | None = None


def survey_gpus(load: Callable[[str], Any] = ctypes.CDLL) -> GpuSurvey:
    """Ask the driver for its GPUs; a machine without any is an answer and not an error.

    Args:
        load: Opens a shared library by name; raises OSError where there is none.
    """
    try:
        driver = load(DRIVER_LIBRARY)
    except OSError:
        return GpuSurvey(problem=f"no NVIDIA driver ({DRIVER_LIBRARY} cannot be opened)")
    code = driver.cuInit(0)
    if code != 0:
        return GpuSurvey(problem=f"the NVIDIA driver does not start (cuInit returned {code})")
    count = ctypes.c_int(0)
    if driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return GpuSurvey(cuda_version=_cuda_version(driver), problem="the NVIDIA driver sees no GPU")
    gpus = tuple(_describe(driver, index) for index in range(count.value))
    return GpuSurvey(gpus, _cuda_version(driver), driver_version=_driver_version(load))


def first_gpu() -> Gpu | str:
    """Return the first GPU of this machine, or why there is none."""
    survey = survey_gpus()
    return survey.gpus[0] if survey.gpus else survey.problem or "the NVIDIA driver sees no GPU"


def _cuda_version(driver: Any) -> str | None:
    number = ctypes.c_int(0)
    if driver.cuDriverGetVersion(ctypes.byref(number)) != 0 or number.value == 0:
        return None
    return f"{number.value // 1000}.{number.value % 1000 // 10}"


def _driver_version(load: Callable[[str], Any]) -> str | None:
    try:
        library = load(MANAGEMENT_LIBRARY)
        if library.nvmlInit_v2() != 0:
            return None
        text = ctypes.create_string_buffer(80)  # NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE
        is_known = library.nvmlSystemGetDriverVersion(text, len(text)) == 0
        library.nvmlShutdown()
    except (OSError, AttributeError):  # a Jetson may have no such library, or not all of it
        return None
    return text.value.decode("utf-8", "replace") if is_known else None


def _describe(driver: Any, index: int) -> Gpu:
    device = ctypes.c_int(0)
    if driver.cuDeviceGet(ctypes.byref(device), index) != 0:
        return Gpu("unknown", "unknown")
    name = ctypes.create_string_buffer(256)
    known = driver.cuDeviceGetName(name, len(name), device) == 0
    numbers = [_attribute(driver, device, attribute) for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR)]
    capability = "unknown" if None in numbers else f"{numbers[0]}.{numbers[1]}"
    return Gpu(name.value.decode("utf-8", "replace") if known else "unknown", capability)


def _attribute(driver: Any, device: ctypes.c_int, attribute: int) -> int | None:
    number = ctypes.c_int(0)
    if driver.cuDeviceGetAttribute(ctypes.byref(number), attribute, device) != 0:
        return None
    return number.value
