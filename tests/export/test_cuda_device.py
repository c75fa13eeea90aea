"""What the driver says, through a stand-in for its library with the driver's own functions."""

from __future__ import annotations

import ctypes

import pytest

from fsrfer.export.cuda_device import CudaDevice, cuda_device


class Driver:
    """Answers as libcuda does: return codes, results through pointers."""

    def __init__(self, init: int = 0, count: int = 1, name: bytes = b"Orin", query: int = 0) -> None:
        self.init, self.count, self.name, self.query = init, count, name, query

    def cuInit(self, flags):  # noqa: N802
        return self.init

    def cuDeviceGetCount(self, count):  # noqa: N802
        count._obj.value = self.count
        return 0

    def cuDeviceGet(self, device, index):  # noqa: N802
        device._obj.value = index
        return 0

    def cuDeviceGetName(self, name, length, device):  # noqa: N802
        assert isinstance(device, ctypes.c_int)
        name.value = self.name[: length - 1]
        return 0

    def cuDeviceGetAttribute(self, value, attribute, device):  # noqa: N802
        value._obj.value = {75: 8, 76: 7}[attribute]
        return self.query


def test_the_first_gpu_is_described():
    assert cuda_device(lambda name: Driver()) == CudaDevice("Orin", "8.7")


@pytest.mark.parametrize(
    ("driver", "reason"),
    [
        (Driver(init=100), "cuInit returned 100"),
        (Driver(count=0), "sees no GPU"),
        (Driver(query=1), "does not describe"),
    ],
)
def test_a_driver_without_a_usable_gpu_says_why(driver, reason):
    assert reason in cuda_device(lambda name: driver)


def test_a_machine_without_a_driver_says_so():
    def load(name):
        raise OSError(name)

    assert "libcuda.so.1 cannot be opened" in cuda_device(load)
