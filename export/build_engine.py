"""Engines: a bundle's graph, compiled for one library and device, with a record of what it is."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from ..core.bundle import ArtifactKind, ModelBundle
from ..core.errors import BundleError
from ..core.files import atomic_path, sha256_of_bytes, sha256_of_file, write_json
from ..core.options import Backend
from ..core.schema import to_mapping
from ..runtime.engine_record import ENGINES_FOLDER, SCHEMA_VERSION, EngineRecord, host_platform, record_path
from .engine_compiler import EngineCompiler, OnProgress
from .engine_config import EngineBuildConfig
from .onnxruntime_compiler import OnnxRuntimeCompiler
from .tensorrt_compiler import TensorRtCompiler


@dataclass(frozen=True)
class EnginePlan:
    """What a build would do.

    Attributes:
        engine: Path of the engine.
        source: Kind of the graph that is compiled.
        graph: Path of that graph.
        source_sha256: Its hash.
        library_version: Version of the library that compiles.
        device: What is compiled for.
        compute_capabilities: CUDA compute capabilities that it will run on; empty for a CPU.
        build_key: Hash of all that determines the engine.
        up_to_date: The record of the engine that is there and has this key; None where a build is needed.
    """

    engine: Path
    source: ArtifactKind
    graph: Path
    source_sha256: str
    library_version: str
    device: str
    compute_capabilities: tuple[str, ...]
    build_key: str
    up_to_date: EngineRecord | None


def build_engine(
    bundle: ModelBundle,
    config: EngineBuildConfig,
    *,
    output: Path | None = None,
    force: bool = False,
    on_progress: OnProgress | None = None,
) -> EngineRecord:
    """Build an engine, unless the one that is there was built from the same graph in the same way.

    Args:
        bundle: The bundle; the engine goes into its ``engines/``, with its record beside it.
        config: What to build.
        output: Another path for the engine.
        force: Build it anyway.
        on_progress: Told about the phases of the build.

    Raises:
        BackendUnavailableError: The library cannot be used on this machine.
        MissingDependencyError: The library is not installed.
        BundleError: The bundle has no graph of this precision, or a stale one.
        EngineBuildError: The library refuses the graph or cannot compile it.
    """
    compiler = compiler_for(config.backend)
    plan = plan_engine(bundle, config, compiler, output=output)
    if plan.up_to_date is not None and not force:
        return plan.up_to_date
    started = time.perf_counter()
    with atomic_path(plan.engine) as temporary:
        details = compiler.compile(plan.graph, temporary, config, on_progress)
        record = _record(config.command(bundle.path, output), config, plan, temporary, time.perf_counter() - started)
    if details.layers or details.inspection is not None:
        described = {"layers": to_mapping(details.layers), "inspector": details.inspection}
        write_json(layers_path(plan.engine), described)
    if details.int8 is not None:
        account = details.int8
        record = replace(
            record,
            int8_layers=account.int8,
            not_int8_layers=account.not_int8,
            unaccounted=account.unaccounted,
        )
    record = replace(record, on_dla=details.on_dla, not_on_dla=details.not_on_dla)
    record.write(record_path(plan.engine))
    return record


def layers_path(engine: Path) -> Path:
    """Return where TensorRT's description of an engine's layers is."""
    return engine.with_name(engine.name + ".layers")


def plan_engine(
    bundle: ModelBundle, config: EngineBuildConfig, compiler: EngineCompiler, *, output: Path | None = None
) -> EnginePlan:
    """Find out what a build would do, without doing it; see :func:`build_engine`."""
    source = compiler.source(config)
    graph = bundle.artifact_path(source)
    check_current(bundle, source)
    source_sha256 = bundle.manifest.artifacts[source.value].sha256
    device, capabilities = compiler.device(config), compiler.compute_capabilities(config)
    key = _build_key(config, source_sha256, compiler.library_version, device, capabilities)
    engine = output or bundle.path / ENGINES_FOLDER / _engine_name(config, device, compiler.file_suffix)
    return EnginePlan(
        engine=engine,
        source=source,
        graph=graph,
        source_sha256=source_sha256,
        library_version=compiler.library_version,
        device=device,
        compute_capabilities=capabilities,
        build_key=key,
        up_to_date=_existing(engine, key),
    )


def compiler_for(backend: Backend) -> EngineCompiler:
    """Load the library of a backend.

    Raises:
        BackendUnavailableError: It cannot be used on this machine.
        MissingDependencyError: It is not installed.
    """
    return OnnxRuntimeCompiler() if backend is Backend.ONNXRUNTIME else TensorRtCompiler.load(backend)


def check_current(bundle: ModelBundle, source: ArtifactKind) -> None:
    """Refuse INT8 graphs that were calibrated before the model was exported anew.

    Raises:
        BundleError: The graph is such a one.
    """
    calibration = bundle.manifest.calibration
    if source not in (ArtifactKind.ONNX_INT8_CPU, ArtifactKind.ONNX_INT8_TENSORRT) or calibration is None:
        return
    original = bundle.manifest.artifacts.get(ArtifactKind.ONNX_FP32.value)
    if original is not None and calibration.get("source_sha256") != original.sha256:
        raise BundleError(
            f"the {source.value} of {bundle.path} was calibrated on another {ArtifactKind.ONNX_FP32.file_name}",
            expected=f"sha256 {original.sha256[:12]}",
            found=f"sha256 {str(calibration.get('source_sha256'))[:12]}",
            fix=source.made_by.format(bundle=bundle.path),
        )


def _build_key(
    config: EngineBuildConfig, source_sha256: str, library_version: str, device: str, capabilities: tuple[str, ...]
) -> str:
    determining = {
        "record": SCHEMA_VERSION,
        "options": {**_options(config), "timing_cache": None},  # where kernels' timings are kept is no part of it
        "source_sha256": source_sha256,
        "library_version": library_version,
        "device": device,
        "compute_capabilities": capabilities,
        "platform": host_platform(),
    }
    return sha256_of_bytes(json.dumps(determining, sort_keys=True).encode())


def _options(config: EngineBuildConfig) -> dict[str, object]:
    options: dict[str, object] = to_mapping(config)
    options["timing_cache"] = None if config.timing_cache is None else str(config.timing_cache)
    return options


def _engine_name(config: EngineBuildConfig, device: str, suffix: str) -> str:
    words = [config.backend.value, config.precision.value]
    if config.backend is Backend.TENSORRT:  # a bundle may serve several kinds of machines
        words.append("".join(letter if letter.isalnum() else "-" for letter in device.lower()))
    batch = config.batch
    if config.backend is not Backend.ONNXRUNTIME:  # which serves any batch
        words.append(f"b{batch.min}-{batch.opt}-{batch.max}")
    return "-".join(words) + suffix


def _existing(engine: Path, key: str) -> EngineRecord | None:
    path = record_path(engine)
    if not path.is_file() or not engine.is_file():
        return None
    try:
        record = EngineRecord.read(path)
    except BundleError:  # of another version of fsrfer: build again
        return None
    return record if record.build_key == key and record.engine_sha256 == sha256_of_file(engine) else None


def _record(
    command: str, config: EngineBuildConfig, plan: EnginePlan, written: Path, build_seconds: float
) -> EngineRecord:
    return EngineRecord(
        file=plan.engine.name,
        backend=config.backend,
        precision=config.precision,
        batch=config.batch,
        library_version=plan.library_version,
        device=plan.device,
        compute_capabilities=plan.compute_capabilities,
        platform=host_platform(),
        source=plan.source,
        source_sha256=plan.source_sha256,
        engine_sha256=sha256_of_file(written),
        size_bytes=written.stat().st_size,
        build_seconds=round(build_seconds, 3),
        build_key=plan.build_key,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=command,
        options=_options(config),
    )
