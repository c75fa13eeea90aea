"""Writes a model into a model repository, whole or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...core.bundle import ModelBundle
from ...core.errors import UsageError
from .batching import BatchingPlan, plan_batching
from .config import LABELS_FILE, MODEL_FILES, model_config_text
from .options import TritonBackend, TritonOptions
from .readme import readme_text
from .served_model import served_model

CONFIG_FILE = "config.pbtxt"
_VERSION = "1"
_PYTHON_GRAPH = "model.onnx"


@dataclass(frozen=True)
class ExportedRepository:
    """What was written.

    Attributes:
        repository: The repository: what Triton's ``--model-repository`` takes.
        name: Name of the model.
        backend: What runs it.
        precision: Number format.
        model_sha256: Hash of the file that is served.
        plan: How requests are joined.
    """

    repository: str
    name: str
    backend: TritonBackend
    precision: str
    model_sha256: str
    plan: BatchingPlan


def export_repository(
    bundle: ModelBundle, repository: Path, options: TritonOptions | None = None, *, profile: Path | None = None
) -> ExportedRepository:
    """Write a bundle's model into a repository, in the place of an earlier export under the same name.

    ::

        REPOSITORY/NAME/config.pbtxt, labels.txt, README.md, 1/model.py + model.onnx | model.onnx | model.plan

    Args:
        bundle: The bundle.
        repository: Folder of the repository; made when absent, other models in it stay.
        options: How it is to be served; None for the defaults.
        profile: What ``fsrfer-profile BUNDLE --json FILE`` or ``fsrfer-profile engine BUNDLE --json FILE`` wrote on the
            serving machine; None for none.

    Raises:
        BundleError: The bundle has no such graph or engine.
        EngineCompatibilityError: Triton cannot serve the engine.
        UsageError: The profile does not fit, or what is in the way is no export.
        MissingDependencyError: ``tritonclient`` or ``onnx`` is not installed.
    """
    options = options or TritonOptions()
    model = served_model(bundle, options)
    plan = plan_batching(model, options, profile)
    name = options.name or bundle.manifest.name
    config = model_config_text(name, model, options, plan, bundle.manifest.graph.probabilities_output)
    with _replaced_folder(repository / name) as folder:
        (folder / CONFIG_FILE).write_text(config, encoding="utf-8")
        (folder / LABELS_FILE).write_text("\n".join(bundle.manifest.labels) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(readme_text(name, model, options, plan), encoding="utf-8")
        version = folder / _VERSION
        version.mkdir()
        is_python = options.backend is TritonBackend.PYTHON
        shutil.copyfile(model.path, version / (_PYTHON_GRAPH if is_python else MODEL_FILES[options.backend]))
        if is_python:
            shutil.copyfile(python_model_path(), version / MODEL_FILES[options.backend])
    return ExportedRepository(
        str(repository), name, options.backend, options.precision.value, model.facts.model_sha256, plan
    )


def python_model_path() -> Path:
    """Return the module that runs a graph inside Triton's Python backend; it imports nothing of fsrfer."""
    return Path(__file__).with_name("python_model.py")


@contextmanager
def _replaced_folder(target: Path) -> Iterator[Path]:
    """Give a folder that takes the place of ``target`` when the block ends without an error.

    It is made beside the repository, not in it: a server that polls would take it for a model.
    """
    if target.exists() and not (target / CONFIG_FILE).is_file():
        raise UsageError(
            f"{target} is in the way", expected=f"nothing, or a model with {CONFIG_FILE}", fix="another --out or --name"
        )
    repository = target.parent
    repository.mkdir(parents=True, exist_ok=True)
    work = repository.with_name(f".{repository.name}-{secrets.token_hex(6)}")
    new, old = work / "new", work / "old"
    try:
        new.mkdir(parents=True)
        yield new
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)  # else it would go with the folder of the work
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
