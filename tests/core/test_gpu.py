"""Asking the NVIDIA driver."""

from __future__ import annotations

import ctypes

import pytest

from fsrfer.core import gpu
from fsrfer.core.gpu import Gpu, GpuSurvey, survey_gpus


class Driver:
    """The driver library's functions, as a machine with these GPUs has them."""

    def __init__(self, gpus: tuple[tuple[bytes, int, int], ...] = (), *, init_code: int = 0) -> None:
        self._gpus = gpus
        self._init_code = init_code

    def cuInit(self, flags: int) -> int:  # noqa: N802 (the driver's names)
        return self._init_code

    def cuDriverGetVersion(self, version) -> int:  # noqa: N802
        version._obj.value = 12060
        return 0

    def cuDeviceGetCount(self, count) -> int:  # noqa: N802
        count._obj.value = len(self._gpus)
        return 0

    def cuDeviceGet(self, device, index: int) -> int:  # noqa: N802
        device._obj.value = index
        return 0

    def cuDeviceGetName(self, name, length: int, device: ctypes.c_int) -> int:  # noqa: N802
        name.value = self._gpus[device.value][0]
        return 0

    def cuDeviceGetAttribute(self, number, attribute: int, device: ctypes.c_int) -> int:  # noqa: N802
        if attribute not in (75, 76):
            return 1
        number._obj.value = self._gpus[device.value][1 + attribute - 75]
        return 0


def test_every_gpu_is_named():
    survey = survey_gpus(lambda name: Driver(((b"Orin", 8, 7), (b"RTX 4090", 8, 9))))
    assert survey.gpus == (Gpu("Orin", "8.7"), Gpu("RTX 4090", "8.9"))
    assert survey.cuda_version == "12.6"
    assert survey.problem is None


@pytest.mark.parametrize(
    ("driver", "reason"),
    [(Driver(), "sees no GPU"), (Driver(((b"Orin", 8, 7),), init_code=100), "cuInit returned 100")],
)
def test_a_driver_without_gpus_says_why(driver, reason):
    survey = survey_gpus(lambda name: driver)
    assert survey.gpus == ()
    assert reason in survey.problem


def test_a_machine_without_driver_is_no_error():
    def load(name: str) -> Driver:
        raise OSError(name)

    assert "libcuda.so.1" in survey_gpus(load).problem


def test_the_first_gpu_or_why_there_is_none(monkeypatch):
    orin = Gpu("Orin", "8.7")
    monkeypatch.setattr(gpu, "survey_gpus", lambda: GpuSurvey((orin, Gpu("other", "9.0"))))
    assert gpu.first_gpu() == orin
    monkeypatch.setattr(gpu, "survey_gpus", lambda: GpuSurvey(problem="no driver"))
    assert gpu.first_gpu() == "no driver"


class Management:
    """NVML's functions that tell the version of the driver."""

    def __init__(self, init_code: int = 0) -> None:
        self._init_code = init_code
        self.is_shut = False

    def nvmlInit_v2(self) -> int:  # noqa: N802
        return self._init_code

    def nvmlSystemGetDriverVersion(self, text, length: int) -> int:  # noqa: N802
        assert length >= 80
        text.value = b"560.35.03"
        return 0

    def nvmlShutdown(self) -> int:  # noqa: N802
        self.is_shut = True
        return 0


@pytest.mark.parametrize(
    ("management", "version"), [(Management(), "560.35.03"), (Management(init_code=9), None), (None, None)]
)
def test_the_version_of_the_driver_is_what_nvml_tells(management, version):
    driver = Driver(((b"RTX 4090", 8, 9),))

    def load(name: str) -> object:
        if name == gpu.DRIVER_LIBRARY:
            return driver
        if management is None:
            raise OSError(name)
        return management

    survey = survey_gpus(load)
    assert survey.driver_version == version
    assert survey.gpus == (Gpu("RTX 4090", "8.9"),)
    assert management is None or management.is_shut is (version is not None)
