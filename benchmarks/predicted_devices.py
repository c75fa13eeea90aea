"""On paper: what the model would take on devices that nobody here has. A prediction, not a measurement.

fsrfer-profile layers BUNDLE --precision fp32 --batch 32 --threads 1 --json layers.json
python benchmarks/predicted_devices.py layers.json --output FILE.json

Each convolution and matrix product is one kernel, into which what stands around it is fused, as TensorRT builds them.
Its time is the longest of three: its operations at a part of the peak of the tensor cores, its bytes at a part of the
memory's speed, and the least that a kernel takes from launch to launch inside a CUDA graph. All weights are read once a
batch besides. The parts are assumptions, and are given as a hopeful and a careful one; docs/performance.md says how to
check them on a device.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from record import record

from fsrfer.core import ModelBundle
from fsrfer.runtime import default_bundle_path

BATCHES = (1, 8, 32, 64)
BYTES = {"fp16": 2.0, "int8": 1.0}
OTHER_KERNELS = 4
"""Normalisation, pooling, softmax and the way of the size into the network, which nothing absorbs."""


@dataclass(frozen=True)
class Device:
    """A GPU by its makers' figures.

    Attributes:
        name: What it is called.
        int8_tops: Dense INT8 operations of its tensor cores, 10^12 a second; a multiply-accumulate is two.
        memory_gb_s: Speed of its memory, 10^9 bytes a second.
        copy_gb_s: Speed at which faces come from the host; None where both share one memory.
        source: Where the figures are from.
    """

    name: str
    int8_tops: float
    memory_gb_s: float
    copy_gb_s: float | None
    source: str


def tensor_core_tops(cores: int, ghz: float) -> float:
    """Return the dense INT8 operations of Ampere's embedded tensor cores: 512 multiply-accumulates a clock each."""
    return cores * 512 * 2 * ghz * 1e9 / 1e12


DEVICES = (
    Device("Jetson Orin Nano 8 GB, 15 W", tensor_core_tops(32, 0.625), 68.0, None, "data sheet; 40 sparse TOPS"),
    Device("Jetson Orin Nano 8 GB, Super", tensor_core_tops(32, 1.02), 102.0, None, "data sheet; 67 sparse TOPS"),
    Device("Jetson Orin NX 16 GB", tensor_core_tops(32, 0.918), 102.4, None, "data sheet; GPU without its DLAs"),
    Device("Jetson AGX Orin 64 GB", tensor_core_tops(64, 1.3), 204.8, None, "data sheet; GPU without its DLAs"),
    Device("L4", 242.0, 300.0, 25.0, "data sheet; PCIe 4.0 x16"),
    Device("H100 SXM", 1979.0, 3350.0, 50.0, "data sheet; PCIe 5.0 x16"),
)


@dataclass(frozen=True)
class Assumptions:
    """How much of a device small convolutions reach.

    Attributes:
        compute: Part of the peak of the tensor cores.
        memory: Part of the speed of the memory.
        kernel_us: Least time of a kernel in a CUDA graph, microseconds.
    """

    compute: float
    memory: float
    kernel_us: float


HOPEFUL = Assumptions(compute=0.4, memory=0.8, kernel_us=2.0)
CAREFUL = Assumptions(compute=0.1, memory=0.5, kernel_us=6.0)


@dataclass(frozen=True)
class Kernel:
    """A layer that multiplies, for one face: multiply-accumulates, and its numbers in and out of memory."""

    macs: float
    values: float


def kernels_of(profile: dict[str, Any]) -> list[Kernel]:
    """Return the layers that multiply, out of a profile of layers in FP32."""
    run = next(run for run in profile["layers"]["runs"] if run["precision"] == "fp32")
    return [
        Kernel(layer["macs"] / run["batch"], layer["moved_bytes"] / 4 / run["batch"])
        for layer in run["layers"]
        if layer["macs"] > 0
    ]


def batch_ms(
    kernels: list[Kernel], parameters: int, device: Device, precision: str, batch: int, assumed: Assumptions
) -> float:
    """Predict the time of a batch on a device."""
    peak = device.int8_tops * 1e12 / BYTES[precision] * assumed.compute
    speed = device.memory_gb_s * 1e9 * assumed.memory
    least_s = assumed.kernel_us * 1e-6
    seconds = OTHER_KERNELS * least_s + parameters * BYTES[precision] / speed
    for kernel in kernels:
        compute_s = 2 * kernel.macs * batch / peak
        memory_s = kernel.values * batch * BYTES[precision] / speed
        seconds += max(compute_s, memory_s, least_s)
    if device.copy_gb_s is not None:
        seconds += batch * 48 * 48 / (device.copy_gb_s * 1e9) + 2e-5
    return 1e3 * seconds


def predictions(kernels: list[Kernel], parameters: int) -> list[dict[str, Any]]:
    """Return a row for each device, number format and batch."""
    rows = []
    for device in DEVICES:
        for precision in BYTES:
            for batch in BATCHES:
                hopeful, careful = (
                    batch_ms(kernels, parameters, device, precision, batch, assumed) for assumed in (HOPEFUL, CAREFUL)
                )
                rows.append(
                    {
                        "device": device.name,
                        "precision": precision,
                        "batch": batch,
                        "ms": [round(hopeful, 3), round(careful, 3)],
                        "faces_per_s": [round(1e3 * batch / careful), round(1e3 * batch / hopeful)],
                    }
                )
    return rows


def main() -> None:
    """Predict, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layers", type=Path, help="profile of layers in FP32")
    parser.add_argument("--bundle", type=Path, default=default_bundle_path())
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    kernels = kernels_of(json.loads(options.layers.read_text(encoding="utf-8")))
    parameters = int(ModelBundle.load(options.bundle).manifest.metrics["cost"]["parameters"])
    record(
        {
            "assumptions": {"hopeful": asdict(HOPEFUL), "careful": asdict(CAREFUL), "other_kernels": OTHER_KERNELS},
            "devices": [asdict(device) for device in DEVICES],
            "kernels": len(kernels) + OTHER_KERNELS,
            "parameters": parameters,
            "mmac_a_face": round(sum(kernel.macs for kernel in kernels) / 1e6, 1),
            "predictions": predictions(kernels, parameters),
        },
        options.output,
    )


if __name__ == "__main__":
    main()
