"""Engines in bundles, and an emulated GPU that runs them.

Tests reach it through the fixtures ``engines`` and ``emulated_orin``.
"""

from __future__ import annotations

from dataclasses import replace

from fsrfer.core import ArtifactKind, Backend, ModelBundle, Precision
from fsrfer.core.files import sha256_of_bytes
from fsrfer.runtime.engine_record import BatchProfile, EngineRecord, host_platform

RECORD = EngineRecord(
    file="fp16.engine",
    backend=Backend.TENSORRT,
    precision=Precision.FP16,
    batch=BatchProfile(1, 4, 8),
    library_version="10.3.0",
    device="Orin",
    compute_capabilities=("8.7",),
    platform=host_platform(),
    source=ArtifactKind.ONNX_FP32,
    source_sha256="0" * 64,
    engine_sha256="1" * 64,
    size_bytes=1,
    build_seconds=1.0,
    build_key="key",
    created="2026-01-01T00:00:00Z",
    command="fsrfer-export build-engine BUNDLE --backend tensorrt --precision fp16",
)
"""Of an engine for an Orin; tests change what they are about."""


def put_engine(bundle: ModelBundle, content: bytes, **changes: object) -> ModelBundle:
    """Write an engine and its record into a bundle.

    Args:
        bundle: The bundle.
        content: The engine.
        changes: Fields of the record that differ from :data:`RECORD`; hashes and size are those of the content.
    """
    record = replace(RECORD, **changes)
    facts = {
        "source_sha256": bundle.manifest.artifacts[record.source.value].sha256,
        "engine_sha256": sha256_of_bytes(content),
        "size_bytes": len(content),
    }
    record = replace(record, **{**facts, **changes})
    folder = bundle.path / "engines"
    folder.mkdir(exist_ok=True)
    (folder / record.file).write_bytes(content)
    record.write(folder / f"{record.file}.json")
    return bundle
