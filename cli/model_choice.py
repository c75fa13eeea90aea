"""Which model a command runs, and on what: what ``fsrfer-run`` and the profiles of whole pipelines share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ..core.errors import UsageError
from ..core.options import Backend, Precision, Provider
from ..runtime.classifier import ExpressionClassifier
from ..runtime.opening import artifact_for, open_bundle
from ..runtime.shipped import default_bundle_path
from ..runtime.triton.settings import FORM, TritonSettings, is_triton_address, parse_triton


@dataclass(frozen=True)
class ModelChoice:
    """A model and what runs it.

    Attributes:
        bundle: Where it is.
        precision: Which of its graphs.
        backend: The library, or the servers.
        provider: Execution provider of ONNX Runtime.
        engine: Whether to run what was compiled for this processor.
        threads: Threads inside one operator; None for ONNX Runtime's default.
        max_batch: Most faces in one run.
        abstain_below: Confidence below which a prediction counts as unknown.
    """

    bundle: Path
    precision: Precision
    backend: Backend | TritonSettings
    provider: Provider
    engine: bool = False
    threads: int | None = None
    max_batch: int = 64
    abstain_below: float = 0.0

    @classmethod
    def parsed(
        cls,
        bundle: Path | None,
        precision: Precision,
        backend: str,
        provider: Provider,
        *,
        engine: bool = False,
        threads: int | None = None,
        max_batch: int = 64,
        abstain_below: float = 0.0,
        keep_trying: bool = False,
    ) -> ModelChoice:
        """Understand the options.

        Args:
            bundle: None for the model that comes with fsrfer.
            precision: See the attributes.
            backend: Name of a library, or address of Triton servers.
            provider: See the attributes.
            engine: See the attributes.
            threads: See the attributes.
            max_batch: See the attributes.
            abstain_below: See the attributes.
            keep_trying: Begin although no Triton server answers.

        Raises:
            UsageError: The backend is neither a library nor an address of Triton, others are for this machine, or a
                processor would compute in another number format than was asked for.
        """
        used = _parse_backend(backend, provider, engine=engine)
        if isinstance(used, TritonSettings):
            used = replace(used, keep_trying=keep_trying)
        if used is Backend.ONNXRUNTIME and provider is Provider.CPU and precision.needs_gpu:
            raise UsageError(
                f"processors do not compute in {precision.value}",
                expected="--precision fp32 or int8, or a GPU (--provider, --backend)",
                found="float32 between conversions is all that would come of it",
            )
        return cls(
            bundle or default_bundle_path(), precision, used, provider, engine, threads, max_batch, abstain_below
        )

    def open(self) -> ExpressionClassifier:
        """Open it; see :func:`~fsrfer.runtime.opening.open_bundle` for the errors."""
        return open_bundle(
            self.bundle,
            precision=self.precision,
            threads=self.threads,
            providers=self.provider.names,
            max_batch=self.max_batch,
            abstain_below=self.abstain_below,
            backend=self.backend,
            engine=self.engine,
        )

    @property
    def graph(self) -> str:
        """What is run, as a file name or in words."""
        if isinstance(self.backend, TritonSettings):
            return self.backend.model
        if self.backend is Backend.ONNXRUNTIME and not self.engine:
            return artifact_for(self.precision, self.provider.names).file_name
        return "engine for this machine"

    @property
    def place(self) -> str:
        """What runs it: the execution provider of ONNX Runtime, the library, or the servers."""
        if isinstance(self.backend, TritonSettings):
            return self.backend.name
        return self.provider.names[0] if self.backend is Backend.ONNXRUNTIME else self.backend.value


def _parse_backend(text: str, provider: Provider, *, engine: bool) -> Backend | TritonSettings:
    if not is_triton_address(text):
        try:
            return Backend(text)
        except ValueError as problem:
            names = ", ".join(backend.value for backend in Backend)
            raise UsageError("there is no such backend", expected=f"{names} or {FORM}", found=text) from problem
    if engine or provider is not Provider.CPU:
        raise UsageError("--engine and --provider choose what runs on this machine", expected="neither with Triton")
    return parse_triton(text)
