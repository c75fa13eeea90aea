"""The device that a training computes on, by its name."""

from __future__ import annotations

import torch

from ..core.errors import BackendUnavailableError, UsageError


def available_device(name: str) -> torch.device:
    """Return a device.

    Args:
        name: ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        UsageError: The device has an unknown name.
        BackendUnavailableError: It is not there.
    """
    try:
        device = torch.device(name)
    except RuntimeError as problem:
        raise UsageError("the device has an unknown name", expected="cpu, cuda or cuda:1", found=name) from problem
    if device.type not in ("cpu", "cuda"):
        raise UsageError("models are not trained on this device", expected="cpu, cuda or cuda:1", found=name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise BackendUnavailableError(
            f"there is no device {name}", found=f"{torch.cuda.device_count()} CUDA devices", fix="use the device cpu"
        )
    return device
