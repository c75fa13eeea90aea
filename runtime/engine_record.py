"""What an engine was built from and for, in JSON beside it, and how a runtime finds the right one.

An engine is a graph compiled for one library version and one kind of device. A bundle's ``engines/`` folder may hold
several; none is ever taken that was built from another graph or for another machine.
"""

from __future__ import annotations

import json
import platform
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.bundle import ArtifactKind, ModelBundle
from ..core.errors import BundleError, EngineCompatibilityError, UsageError
from ..core.files import sha256_of_file, write_json
from ..core.options import Backend, Precision
from ..core.schema import from_mapping, to_mapping

SCHEMA_VERSION = 2
ENGINES_FOLDER = "engines"
_LATER_MAJORS = frozenset({(8, 10), (10, 11)})  # built by, loaded by


@dataclass(frozen=True)
class BatchProfile:
    """Batch sizes that an engine serves.

    Attributes:
        min: Smallest batch.
        opt: Batch that it is tuned for.
        max: Largest batch.
    """

    min: int = 1
    opt: int = 16
    max: int = 64

    def __post_init__(self) -> None:
        if not 1 <= self.min <= self.opt <= self.max <= 4096:
            raise UsageError("impossible batch sizes", expected="1 <= min <= opt <= max <= 4096", found=str(self))

    @classmethod
    def parse(cls, text: str) -> BatchProfile:
        """Read ``min:opt:max``, or one number for all three.

        Raises:
            UsageError: The text is neither, or the numbers are not ascending.
        """
        words = text.split(":")
        if len(words) not in (1, 3) or not all(word.isascii() and word.isdecimal() and len(word) < 6 for word in words):
            raise UsageError("--batch cannot be read", expected="min:opt:max, such as 1:16:64, or one size", found=text)
        numbers = [int(word) for word in words]
        return cls(*numbers) if len(numbers) == 3 else cls(numbers[0], numbers[0], numbers[0])

    def __str__(self) -> str:
        return f"{self.min}:{self.opt}:{self.max}"


@dataclass(frozen=True)
class EngineRecord:
    """Content of the JSON file beside an engine.

    Attributes:
        file: Name of the engine, in the record's folder.
        backend: Library that runs it.
        precision: Number format that it computes in.
        batch: Batch sizes that it serves.
        library_version: Version of the library that built it.
        device: What it was built for: a GPU or CPU by name, or ``portable``.
        compute_capabilities: CUDA compute capabilities that it runs on, such as ``8.6``; empty for a CPU.
        platform: Operating system and machine, ``linux-x86_64``.
        source: Kind of the graph that it was built from.
        source_sha256: Hash of that graph.
        engine_sha256: Hash of the engine.
        size_bytes: Size of the engine.
        build_seconds: How long the build took.
        build_key: Hash of all that determines the engine; an engine with the same key is not built again.
        created: UTC time, ISO 8601.
        command: Command that builds it.
        options: All options of the build.
        int8_layers: Nodes with weights that the engine computes in INT8, as its build log shows; empty for other
            formats.
        not_int8_layers: Nodes that are quantised in the graph, and that the engine computes otherwise all the same.
        unaccounted: Quantising and dequantising nodes of the graph that no layer of the engine stands for; None where
            nothing was compared: the engine is of another number format, or of a library that lists no layers.
        on_dla: Layers that the deep learning accelerator takes; empty where the engine is for the GPU.
        not_on_dla: Layers that run on the GPU instead.
        schema_version: Version of this layout.
    """

    file: str
    backend: Backend
    precision: Precision
    batch: BatchProfile
    library_version: str
    device: str
    compute_capabilities: tuple[str, ...]
    platform: str
    source: ArtifactKind
    source_sha256: str
    engine_sha256: str
    size_bytes: int
    build_seconds: float
    build_key: str
    created: str
    command: str
    options: dict[str, Any] = field(default_factory=dict)
    int8_layers: tuple[str, ...] = ()
    not_int8_layers: tuple[str, ...] = ()
    unaccounted: tuple[str, ...] | None = None
    on_dla: tuple[str, ...] = ()
    not_on_dla: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION

    @classmethod
    def read(cls, path: Path) -> EngineRecord:
        """Read a record.

        Raises:
            BundleError: The file is absent, malformed or of another layout.
        """
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as problem:
            raise BundleError(
                f"{path} is not the record of an engine", found=str(problem), fix="fsrfer-export build-engine"
            ) from problem
        version = value.get("schema_version") if isinstance(value, dict) else None
        if version != SCHEMA_VERSION:
            raise BundleError(
                f"{path} has another layout",
                expected=f"schema_version {SCHEMA_VERSION}",
                found=f"schema_version {version}",
                fix="build the engine again with this version of fsrfer",
            )
        return from_mapping(cls, value, where=str(path), error=BundleError)

    def write(self, path: Path) -> None:
        """Write the record atomically."""
        write_json(path, to_mapping(self))


def record_path(engine: Path) -> Path:
    """Return where the record of an engine is."""
    return engine.with_name(engine.name + ".json")


def host_platform() -> str:
    """Return operating system and machine, ``linux-x86_64``."""
    return f"{platform.system()}-{platform.machine()}".lower()


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the name of this machine's CPU, as far as the system tells it.

    Args:
        cpuinfo: Where Linux describes its CPUs.
    """
    fields: dict[str, str] = {}
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            fields.setdefault(key.strip(), value.strip())
    if "model name" in fields:
        return fields["model name"]
    arm = [fields[key] for key in ("CPU implementer", "CPU part") if key in fields]
    return "ARM " + " ".join(arm) if arm else platform.processor() or platform.machine()


def engine_records(bundle: ModelBundle) -> list[EngineRecord]:
    """Return the records of all engines of a bundle, newest first.

    Raises:
        BundleError: A record is malformed.
    """
    folder = bundle.path / ENGINES_FOLDER
    records = [EngineRecord.read(path) for path in sorted(folder.glob("*.json"))]
    return sorted(records, key=lambda record: record.created, reverse=True)


def find_engine(
    bundle: ModelBundle,
    backend: Backend,
    precision: Precision,
    *,
    library_version: str,
    device: str | None = None,
    compute_capability: str | None = None,
) -> tuple[Path, EngineRecord]:
    """Return the newest engine of a bundle that this machine can run.

    Args:
        bundle: The bundle.
        backend: Library that is to run it.
        precision: Number format.
        library_version: Version of that library on this machine.
        device: Name of the CPU that is to run it (:func:`cpu_name`); checked for engines of a CPU.
        compute_capability: That of the GPU that is to run it; checked for engines of a GPU.

    Returns:
        Its path and its record.

    Raises:
        BundleError: The bundle has no such engine.
        EngineCompatibilityError: It has, but of another graph, for another machine or altered; says why, and the
            command that builds it again.
    """
    wanted = [found for found in engine_records(bundle) if (found.backend, found.precision) == (backend, precision)]
    if not wanted:
        raise BundleError(
            f"bundle {bundle.path} has no {precision.value} engine for {backend.value}",
            fix=f"fsrfer-export build-engine {bundle.path} --backend {backend.value} --precision {precision.value}",
        )
    problems = []
    for record in wanted:
        problem = _mismatch(bundle, record, library_version, device, compute_capability)
        if problem is None:
            return bundle.path / ENGINES_FOLDER / record.file, record
        problems.append((record, problem))
    record, (message, expected, found) = problems[0]
    raise EngineCompatibilityError(f"{record.file} {message}", expected=expected, found=found, fix=record.command)


def engine_mismatch(
    bundle: ModelBundle,
    record: EngineRecord,
    *,
    library_version: str,
    device: str | None = None,
    compute_capability: str | None = None,
) -> str | None:
    """Say why an engine cannot run here; None where it can. See :func:`find_engine` for the arguments."""
    problem = _mismatch(bundle, record, library_version, device, compute_capability)
    return None if problem is None else f"it {problem[0]}: expected {problem[1]}, found {problem[2]}"


def _mismatch(
    bundle: ModelBundle,
    record: EngineRecord,
    library_version: str,
    device: str | None,
    compute_capability: str | None,
) -> tuple[str, str, str] | None:
    """Say what is wrong with an engine: a message, what was expected, what was found."""
    source = bundle.manifest.artifacts.get(record.source.value)
    wanted_source = source.sha256 if source else "no such graph"
    if record.source_sha256 != wanted_source:
        return "was built from another graph", f"sha256 {wanted_source[:12]}", f"sha256 {record.source_sha256[:12]}"
    if record.platform != host_platform():
        return "was built for another platform", host_platform(), record.platform
    if not _library_serves(record, library_version):
        return f"was built by another {record.backend.value}", library_version, record.library_version
    capabilities = record.compute_capabilities
    if compute_capability is not None and capabilities and compute_capability not in capabilities:
        return "was built for other GPUs", f"sm {compute_capability}", ", ".join(capabilities)
    if device is not None and not capabilities and record.device != device:
        return "was built for another processor", device, record.device
    return _altered(bundle.path / ENGINES_FOLDER / record.file, record)


def _library_serves(record: EngineRecord, library_version: str) -> bool:
    """Tell whether a library can load an engine: the one that built it; a later one where the engine was built for it.

    Version-compatible engines run on later versions of the same major one, and across majors as
    ``_LATER_MAJORS`` says ("Engine Portability" in NVIDIA's support matrix of TensorRT 11.4.1).
    """
    if not record.options.get("version_compatible"):
        return record.library_version == library_version
    built, present = _numbers(record.library_version), _numbers(library_version)
    if built[0] == present[0]:
        return present >= built
    return (built[0], present[0]) in _LATER_MAJORS


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _altered(engine: Path, record: EngineRecord) -> tuple[str, str, str] | None:
    if not engine.is_file():
        return "is missing", f"sha256 {record.engine_sha256[:12]}", "no such file"
    actual = sha256_of_file(engine)
    if actual != record.engine_sha256:
        return "was altered", f"sha256 {record.engine_sha256[:12]}", f"sha256 {actual[:12]}"
    return None
