"""What a fused graph says about itself, so that it can be used without its bundle."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..core.bundle import ArtifactKind, BundleManifest
from ..core.schema import to_mapping

if TYPE_CHECKING:
    import onnx

METADATA_SCHEMA = "1"


def graph_metadata(manifest: BundleManifest) -> dict[str, str]:
    """Return the ``metadata_props`` of the bundle's graphs.

    Keys: ``fsrfer.schema``, ``fsrfer.name``, ``fsrfer.labels`` (JSON list in output order), ``fsrfer.preprocess``,
    ``fsrfer.graph``, ``fsrfer.temperatures``, ``fsrfer.provenance`` (JSON), ``fsrfer.weights_sha256``.
    """
    weights = manifest.artifacts.get(ArtifactKind.WEIGHTS.value)
    described = {
        "labels": manifest.labels,
        "preprocess": manifest.preprocess,
        "graph": manifest.graph,
        "temperatures": manifest.temperatures,
        "provenance": manifest.provenance,
    }
    return {
        "fsrfer.schema": METADATA_SCHEMA,
        "fsrfer.name": manifest.name,
        **{f"fsrfer.{key}": json.dumps(to_mapping(value)) for key, value in described.items()},
        "fsrfer.weights_sha256": weights.sha256 if weights else "",
    }


def set_metadata(model: onnx.ModelProto, values: dict[str, str]) -> None:
    """Set ``metadata_props`` of a model, replacing what stands under the same keys."""
    kept = [(entry.key, entry.value) for entry in model.metadata_props if entry.key not in values]
    del model.metadata_props[:]
    for key, value in [*kept, *values.items()]:
        model.metadata_props.add(key=key, value=value)
