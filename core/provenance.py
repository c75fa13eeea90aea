"""Where a model comes from: enough to make it again."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import metadata

from .options import Arithmetic

_RECORDED_PACKAGES = (
    "numpy",
    "opencv-python-headless",
    "torch",
    "onnx",
    "onnxscript",
    "onnxruntime",
    "onnxruntime-gpu",
    "tensorrt",
    "tensorrt-rtx",
)


@dataclass(frozen=True)
class Provenance:
    """Circumstances of a training run.

    Attributes:
        created: UTC time, ISO 8601.
        seed: Seed of the run.
        dataset_ids: Identities of the data sets that it read (:attr:`fsrfer.datasets.FaceDataset.dataset_id`).
        versions: Versions of Python, fsrfer and the packages that matter to the numbers.
        platform: Operating system and machine.
        parents: SHA-256 of the weights that the run began with, by what they were taken for (``extractor``,
            ``initial``); empty for a run from random weights.
        arithmetic: Number format of the convolutions in training.
        processes: How many trained together when the run ended; they matter up to rounding.
        pieces: In how many pieces each batch was taken.
    """

    created: str
    seed: int
    dataset_ids: tuple[str, ...]
    versions: dict[str, str] = field(default_factory=dict)
    platform: str = ""
    parents: dict[str, str] = field(default_factory=dict)
    arithmetic: str = "fp32"
    processes: int = 1
    pieces: int = 1

    @classmethod
    def now(
        cls,
        *,
        seed: int,
        dataset_ids: Iterable[str],
        parents: Mapping[str, str] | None = None,
        arithmetic: Arithmetic = Arithmetic.FP32,
        processes: int = 1,
        pieces: int = 1,
    ) -> Provenance:
        """Record the present time and environment."""
        return cls(
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            seed=seed,
            dataset_ids=tuple(dataset_ids),
            versions=installed_versions(),
            platform=platform.platform(),
            parents=dict(parents or {}),
            arithmetic=arithmetic.value,
            processes=processes,
            pieces=pieces,
        )


def installed_versions() -> dict[str, str]:
    """Return the installed versions of Python, fsrfer and the packages that matter to the numbers."""
    versions = {"python": platform.python_version()}
    for name in ("fsrfer", *_RECORDED_PACKAGES):
        version = package_version(name)
        if version is not None:
            versions[name] = version
    return versions


def package_version(distribution: str) -> str | None:
    """Return the installed version of a distribution, or None where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
