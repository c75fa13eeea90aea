"""The model bundle: the one thing that travels from training over export and calibration to the runtime.

A bundle is a directory. ``bundle.json`` says everything about the model; other files are artefacts that it names
with their hashes. Nothing is guessed from shapes, suffixes or node names: the bundle says it, or loading fails.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any

from .errors import BundleError
from .files import atomic_path, sha256_of_file, write_json
from .preprocess import PreprocessSpec
from .provenance import Provenance
from .schema import from_mapping, to_mapping

SCHEMA_VERSION = 1
MANIFEST_NAME = "bundle.json"


class ArtifactKind(str, Enum):
    """What a file of a bundle is; the value is its key in ``bundle.json``."""

    WEIGHTS = "weights"
    ONNX_FP32 = "onnx-fp32"
    ONNX_FP16 = "onnx-fp16"
    ONNX_BF16 = "onnx-bf16"
    ONNX_INT8_TENSORRT = "onnx-int8-tensorrt"
    ONNX_INT8_CPU = "onnx-int8-cpu"
    GOLDEN = "golden-vectors"
    MODEL_CARD = "model-card"

    @property
    def file_name(self) -> str:
        """Name of the file inside the bundle."""
        return _FILE_NAMES[self]

    @property
    def made_by(self) -> str:
        """Command that makes the file."""
        return _MADE_BY[self]


_FILE_NAMES = {
    ArtifactKind.WEIGHTS: "weights.safetensors",
    ArtifactKind.ONNX_FP32: "model.onnx",
    ArtifactKind.ONNX_FP16: "model.fp16.onnx",
    ArtifactKind.ONNX_BF16: "model.bf16.onnx",
    ArtifactKind.ONNX_INT8_TENSORRT: "model.int8.onnx",
    ArtifactKind.ONNX_INT8_CPU: "model.int8-cpu.onnx",
    ArtifactKind.GOLDEN: "golden.npz",
    ArtifactKind.MODEL_CARD: "MODEL_CARD.md",
}
_MADE_BY = {
    ArtifactKind.WEIGHTS: "fsrfer-train fit",
    ArtifactKind.ONNX_FP32: "fsrfer-export onnx {bundle}",
    ArtifactKind.ONNX_FP16: "fsrfer-export fp16 {bundle}",
    ArtifactKind.ONNX_BF16: "fsrfer-export bf16 {bundle}",
    ArtifactKind.ONNX_INT8_TENSORRT: "fsrfer-calibrate int8 {bundle} --data DATA",
    ArtifactKind.ONNX_INT8_CPU: "fsrfer-calibrate int8 {bundle} --data DATA",
    ArtifactKind.GOLDEN: "fsrfer-export onnx {bundle}",
    ArtifactKind.MODEL_CARD: "fsrfer-train fit",
}

_FROM_GRAPH = (
    ArtifactKind.ONNX_FP16,
    ArtifactKind.ONNX_BF16,
    ArtifactKind.ONNX_INT8_TENSORRT,
    ArtifactKind.ONNX_INT8_CPU,
    ArtifactKind.GOLDEN,
)
_MADE_FROM = {ArtifactKind.WEIGHTS: (ArtifactKind.ONNX_FP32, *_FROM_GRAPH), ArtifactKind.ONNX_FP32: _FROM_GRAPH}


@dataclass(frozen=True)
class Artifact:
    """A file of a bundle.

    Attributes:
        path: Path relative to the bundle, and inside it.
        sha256: Hash of its content.
        size_bytes: Its size.
    """

    path: str
    sha256: str
    size_bytes: int

    def __post_init__(self) -> None:
        path = PurePosixPath(self.path)
        if path.is_absolute() or ".." in path.parts:
            raise BundleError("an artefact lies outside its bundle", expected="a path inside it", found=self.path)


@dataclass(frozen=True)
class GraphSpec:
    """Names of the fused graph's tensors.

    Attributes:
        faces_input: uint8 (N, channels, height, width), as :func:`fsrfer.core.preprocess` makes it.
        face_size_input: float32 (N,), native face size in pixels; None where the model is not conditioned on it.
        logits_output: float32 (N, K).
        probabilities_output: float32 (N, K).
    """

    faces_input: str = "faces"
    face_size_input: str | None = None
    logits_output: str = "logits"
    probabilities_output: str = "probabilities"


@dataclass(frozen=True)
class TemperatureBand:
    """Confidence calibration of faces from a size upwards.

    Temperature scaling after Guo et al., "On calibration of modern neural networks" (ICML 2017), one value a band.

    Attributes:
        min_face_px: Smallest native face size of the band, in pixels.
        temperature: Logits are divided by it before the softmax.
    """

    min_face_px: float
    temperature: float


@dataclass(frozen=True)
class BundleManifest:
    """Content of ``bundle.json``.

    Attributes:
        name: Name of the model.
        labels: Expression names in the order of the model's outputs.
        preprocess: How crops become the model's input.
        graph: Names of the fused graph's tensors.
        architecture: What rebuilds the network around the weights (read by :mod:`fsrfer.training.models`).
        recipe: The resolved training recipe.
        provenance: Where the model comes from.
        temperatures: Confidence calibration, ascending in size; empty for none.
        metrics: Results of the final evaluation.
        calibration: What the INT8 ranges were made from; None before ``fsrfer-calibrate int8``.
        float16: What half precision does to the graph: nodes left in float32, ranges, agreement; None before
            ``fsrfer-export fp16``.
        artifacts: Files by :class:`ArtifactKind` value.
        schema_version: Version of this layout.
    """

    name: str
    labels: tuple[str, ...]
    preprocess: PreprocessSpec
    graph: GraphSpec
    architecture: dict[str, Any]
    recipe: dict[str, Any]
    provenance: Provenance
    temperatures: tuple[TemperatureBand, ...] = ()
    metrics: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] | None = None
    float16: dict[str, Any] | None = None
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise BundleError(
                "labels of the bundle are unusable", expected="two or more, all different", found=self.labels
            )
        starts = [band.min_face_px for band in self.temperatures]
        # "not above 0" instead of "0 or below", so that NaN fails.
        if sorted(set(starts)) != starts or any(not band.temperature > 0 for band in self.temperatures):
            raise BundleError(
                "temperatures of the bundle are unusable",
                expected="all above 0, their bands ascending in size",
                found=self.temperatures,
            )


@dataclass(frozen=True)
class ModelBundle:
    """A bundle on disk.

    Attributes:
        path: Its directory.
        manifest: What ``bundle.json`` says.
    """

    path: Path
    manifest: BundleManifest

    @classmethod
    def create(cls, path: Path, manifest: BundleManifest) -> ModelBundle:
        """Write a new bundle, or replace the manifest of an old one.

        Args:
            path: Directory; made when absent.
            manifest: Its content; artefacts that it names must be stored afterwards with :meth:`store`.
        """
        path.mkdir(parents=True, exist_ok=True)
        write_json(path / MANIFEST_NAME, to_mapping(manifest))
        return cls(path, manifest)

    @classmethod
    def load(cls, path: Path) -> ModelBundle:
        """Read a bundle.

        Raises:
            BundleError: There is none, it is malformed, or it was written by a newer fsrfer.
        """
        return cls(path, _read_manifest(path))

    def has(self, kind: ArtifactKind) -> bool:
        """Tell whether the bundle names an artefact of this kind."""
        return kind.value in self.manifest.artifacts

    def artifact_path(self, kind: ArtifactKind) -> Path:
        """Return the path of an artefact after checking that the file is the one that the bundle names.

        Raises:
            BundleError: The artefact was not made yet, its file is gone, or its content changed.
        """
        remake = kind.made_by.format(bundle=self.path)
        artifact = self.manifest.artifacts.get(kind.value)
        if artifact is None:
            raise BundleError(f"bundle {self.path} has no {kind.value}", fix=remake)
        path = self.path / artifact.path
        if not path.is_file():
            raise BundleError(f"{path} is missing", expected=f"the {kind.value} of the bundle", fix=remake)
        actual = sha256_of_file(path)
        if actual != artifact.sha256:
            raise BundleError(
                f"{path} is not the file that the bundle names",
                expected=f"sha256 {artifact.sha256[:12]}",
                found=f"sha256 {actual[:12]}",
                fix=remake,
            )
        return path

    def store(self, kind: ArtifactKind, write: Callable[[Path], None]) -> ModelBundle:
        """Write an artefact and name it in the manifest.

        Args:
            kind: What the file is.
            write: Called with a temporary path; the file appears under its name only when this returns. Graphs that
                were made from another version of the file are named no longer: they are of another model.

        Returns:
            The bundle as it is afterwards.
        """
        target = self.path / kind.file_name
        with atomic_path(target) as temporary:
            write(temporary)
            artifact = Artifact(kind.file_name, sha256_of_file(temporary), temporary.stat().st_size)
        return self._update(lambda current: _with_artifact(current, kind, artifact))

    def record(self, **changes: Any) -> ModelBundle:
        """Change fields of the manifest (``metrics``, ``temperatures``, ``calibration``) on disk.

        Returns:
            The bundle as it is afterwards.
        """
        return self._update(lambda current: replace(current, **changes))

    def _update(self, change: Callable[[BundleManifest], BundleManifest]) -> ModelBundle:
        # Read again under the lock: another command may have stored something since this object was loaded.
        with _locked(self.path):
            return ModelBundle.create(self.path, change(_read_manifest(self.path)))


def _with_artifact(manifest: BundleManifest, kind: ArtifactKind, artifact: Artifact) -> BundleManifest:
    """Name an artefact, and forget those that were made from its predecessor if that was another one."""
    kept = dict(manifest.artifacts)
    previous = kept.get(kind.value)
    derived = _MADE_FROM.get(kind, ())
    forgotten: dict[str, Any] = {}
    if derived and previous is not None and previous.sha256 != artifact.sha256:
        for other in derived:
            kept.pop(other.value, None)
        forgotten = {"calibration": None, "float16": None}
    return replace(manifest, artifacts={**kept, kind.value: artifact}, **forgotten)


def _read_manifest(path: Path) -> BundleManifest:
    file = path / MANIFEST_NAME
    if not file.is_file():
        raise BundleError(
            f"{path} is not a model bundle",
            expected=f"a folder with {MANIFEST_NAME}",
            fix="fsrfer-train fit --output " + str(path),
        )
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as problem:
        raise BundleError(
            f"{file} is not JSON", found=str(problem), fix="restore it from a copy or train again"
        ) from problem
    version = value.get("schema_version") if isinstance(value, dict) else None
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{file} has another layout",
            expected=f"schema_version {SCHEMA_VERSION}",
            found=f"schema_version {version}",
            fix="use the version of fsrfer that wrote it, or write it again with this one",
        )
    return from_mapping(BundleManifest, value, where=str(file), error=BundleError)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
