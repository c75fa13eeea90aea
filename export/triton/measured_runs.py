"""How long a run takes on the machine that is to serve: read out of the profile that was measured there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.errors import UsageError
from ...runtime.profiling import LatencyClock
from ...runtime.profiling.report_file import read_engine_profile, read_profile
from .options import TritonBackend, TritonOptions
from .served_model import ServedModel

_LEAST_FACE_MS = 1e-6


@dataclass(frozen=True)
class MeasuredRuns:
    """The time of a run of b faces, ``fixed_ms`` + b * ``face_ms``.

    Attributes:
        fixed_ms: For being a run at all.
        face_ms: For each face.
        threads: Threads of an instance on a CPU; None on a GPU.
    """

    fixed_ms: float
    face_ms: float
    threads: int | None

    def run_ms(self, faces: int) -> float:
        """Return the time of a run of so many faces."""
        return self.fixed_ms + self.face_ms * faces

    def describe(self) -> str:
        """Say it in words."""
        where = "on the GPU" if self.threads is None else f"with {self.threads} threads"
        return f"a run of b faces takes {self.fixed_ms:.2f} ms + b * {self.face_ms:.3f} ms {where}"


def measured_runs(path: Path, model: ServedModel, options: TritonOptions) -> MeasuredRuns:
    """Read a profile of ``fsrfer-profile model`` for the CPU, or of ``fsrfer-profile engine`` for an engine.

    Args:
        path: JSON file.
        model: What is served.
        options: How it is to be served.

    Raises:
        UsageError: The file is unreadable, of something else than what is served, or has fewer than two batches.
    """
    if options.backend is TritonBackend.ONNXRUNTIME:
        raise UsageError(
            "no profile measures what the onnxruntime backend compiles on a GPU",
            expected="--queue-delay-us, from a measurement on the server; or --backend tensorrt with the profile of "
            "its engine",
            found=f"--profile with --backend {options.backend.value}",
        )
    if options.backend is TritonBackend.TENSORRT:
        return _of_engine(path, model, options)
    return _of_graph(path, model, options)


def fit_service_time(batches: Sequence[int], times_ms: Sequence[float]) -> tuple[float, float]:
    """Fit the time of a run, a + c b, by least squares of the relative errors.

    Args:
        batches: Faces in a run, two different numbers or more.
        times_ms: Median time of each.

    Returns:
        a of 0 or more, and c, both in milliseconds.
    """
    sizes, times = np.asarray(batches, np.float64), np.asarray(times_ms, np.float64)
    columns = np.stack([np.ones_like(sizes), sizes], axis=1) / times[:, None]
    fixed, face = np.linalg.lstsq(columns, np.ones_like(sizes), rcond=None)[0]
    if fixed < 0.0:  # large batches are the dearer ones for each face: nothing is saved by joining
        rates = sizes / times
        fixed, face = 0.0, rates.sum() / np.square(rates).sum()
    if face <= 0.0:  # so flat that noise hides the slope
        fixed, face = float(times.max()), _LEAST_FACE_MS
    return float(fixed), float(face)


def _of_graph(path: Path, model: ServedModel, options: TritonOptions) -> MeasuredRuns:
    report = read_profile(path)
    hashes = {graph.sha256 for graph in report.graphs if graph.precision is options.precision}
    if model.facts.model_sha256 not in hashes:
        raise UsageError(
            f"{path} is the profile of another graph",
            expected=f"{model.facts.graph} {model.facts.model_sha256[:12]}",
            found=", ".join(sorted(sha256[:12] for sha256 in hashes)) or f"nothing in {options.precision.value}",
            fix=f"fsrfer-profile BUNDLE --precision {options.precision.value} --json {path}",
        )
    rows = [
        row
        for row in report.rows
        if row.precision is options.precision and row.clock is LatencyClock.MODEL and row.streams == 1
    ]
    measured = sorted({row.threads for row in rows})
    threads = options.threads or (measured[0] if len(measured) == 1 else None)
    rows = [row for row in rows if row.threads == threads]
    if len({row.batch for row in rows}) < 2:
        raise UsageError(
            f"{path} does not say how the time of a run grows with its batch",
            expected="--threads that was measured, and two batches or more",
            found=f"--threads {options.threads}; measured threads {measured}, {len(rows)} batches with these",
            fix=f"fsrfer-profile BUNDLE --threads {options.threads or 1} --batch 1,8,32 --json {path}",
        )
    return MeasuredRuns(*fit_service_time([row.batch for row in rows], [row.latency.p50_ms for row in rows]), threads)


def _of_engine(path: Path, model: ServedModel, options: TritonOptions) -> MeasuredRuns:
    profile = read_engine_profile(path)
    again = f"fsrfer-profile engine BUNDLE --precision {options.precision.value} --batch 1,8,32 --json {path}"
    if profile.engine_sha256 != model.facts.model_sha256:
        raise UsageError(
            f"{path} is the profile of another engine",
            expected=f"the engine that is served, {model.facts.model_sha256[:12]}",
            found=f"{profile.precision.value} {profile.engine_sha256[:12]}",
            fix=again,
        )
    if len({row.batch for row in profile.rows}) < 2:
        raise UsageError(
            f"{path} does not say how the time of a run grows with its batch",
            expected="two batches or more",
            found=", ".join(str(row.batch) for row in profile.rows) or "none",
            fix=again,
        )
    times = [row.latency.p50_ms for row in profile.rows]
    return MeasuredRuns(*fit_service_time([row.batch for row in profile.rows], times), None)
