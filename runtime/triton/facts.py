"""What a model repository tells about the model in it, so that a client can see whether it is its own.

Triton itself says names and shapes of tensors only: two models for the same input look alike. ``fsrfer-export triton``
therefore writes these facts into the ``parameters`` of the configuration, and the client compares them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from ...core.bundle import BundleManifest
from ...core.errors import BackendUnavailableError
from ...core.options import Precision
from ...core.schema import to_mapping

_PREFIX = "fsrfer."
EXPORT_COMMAND = "fsrfer-export triton BUNDLE --out REPOSITORY, and serve that"


@dataclass(frozen=True)
class ModelFacts:
    """What identifies a model.

    Attributes:
        name: Name of the bundle.
        labels: Expressions in the order of the outputs, joined by commas.
        precision: Number format that it computes in.
        graph: Kind of the graph in the bundle, such as ``onnx-fp32``; that of an engine is the one it was built from.
        graph_sha256: Hash of that graph.
        model_sha256: Hash of the file that is served: the graph, or the engine.
        preprocess: How crops become its input, as JSON with sorted keys.
    """

    name: str
    labels: str
    precision: str
    graph: str
    graph_sha256: str
    model_sha256: str
    preprocess: str

    def parameters(self) -> dict[str, str]:
        """Return them as parameters of a model configuration."""
        return {_PREFIX + key: value for key, value in asdict(self).items()}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str], where: str) -> ModelFacts:
        """Read them from the parameters of a model configuration.

        Args:
            parameters: Value by key.
            where: The server and model, for the message.

        Raises:
            BackendUnavailableError: Some are absent: the repository is not one of fsrfer's.
        """
        values = {key: parameters.get(_PREFIX + key) for key in cls.__dataclass_fields__}
        present = {key: value for key, value in values.items() if value is not None}
        if len(present) < len(values):
            raise BackendUnavailableError(
                f"{where} does not say which model it is",
                expected="the parameters " + ", ".join(_PREFIX + key for key in values),
                found=", ".join(_PREFIX + key for key in present) or "none of them",
                fix=EXPORT_COMMAND,
            )
        return cls(**present)


def facts_of(manifest: BundleManifest, precision: Precision, graph: str, model_sha256: str) -> ModelFacts:
    """Return the facts about a graph of a bundle, or about an engine that was built from it.

    Args:
        manifest: The bundle's description.
        precision: Number format that the model computes in.
        graph: Kind of the graph; the bundle has it.
        model_sha256: Hash of the file that is served.
    """
    return ModelFacts(
        name=manifest.name,
        labels=",".join(manifest.labels),
        precision=precision.value,
        graph=graph,
        graph_sha256=manifest.artifacts[graph].sha256,
        model_sha256=model_sha256,
        preprocess=_preprocess_text(manifest),
    )


def check_facts(facts: ModelFacts, manifest: BundleManifest, precision: Precision, where: str) -> None:
    """Compare what is served with what the bundle says.

    Raises:
        BackendUnavailableError: It is another model, another precision or other preprocessing; says both sides.
    """
    artifact = manifest.artifacts.get(facts.graph)
    ours = facts_of(manifest, precision, facts.graph, facts.model_sha256) if artifact is not None else None
    if ours == facts:
        return
    sides = [
        (
            "another model",
            f"{manifest.name}, {facts.graph} {artifact.sha256[:12] if artifact else 'none'}",
            f"{facts.name}, {facts.graph} {facts.graph_sha256[:12]}",
        ),
        ("other expressions", ",".join(manifest.labels), facts.labels),
        ("another number format", precision.value, facts.precision),
        ("other preprocessing", _preprocess_text(manifest), facts.preprocess),
    ]
    what, expected, found = next(side for side in sides if side[1] != side[2])
    raise BackendUnavailableError(
        f"{where} serves {what}",
        expected=f"{expected} (the bundle)",
        found=f"{found} (the server)",
        fix="name the bundle and the --precision that were exported, or " + EXPORT_COMMAND,
    )


def _preprocess_text(manifest: BundleManifest) -> str:
    return json.dumps(to_mapping(manifest.preprocess), sort_keys=True)
