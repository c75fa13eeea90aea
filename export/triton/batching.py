"""How long a request may wait for company, derived from what a run was measured to take.

A run of b faces takes s(b) = a + c b: a for being a run at all, c for each face (least squares over the profile's
medians). L is the latency budget.

- **Largest batch** B: the largest with 2 s(B) <= L, for a request that just missed a batch waits for it and is then run
  in the next.
- **Queue delay**: min(a, L - 2 s(B)). Joining another run saves a, so waiting longer for one costs more than it can
  save. What queues up while the model is busy is joined without any delay.
- **Limits of the queue**, where they are wanted: a request waits for L - s(B) at most, for later the answer could not
  be there in time; and as many wait as faces can be run within L, a request being of one face at least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.errors import UsageError
from ...runtime.profiling import LatencyClock, ProfileReport, ProfileRow
from ...runtime.profiling.report_file import read_profile
from .options import TritonBackend, TritonOptions
from .served_model import ServedModel

_QUEUE_BATCHES = 8  # without a profile, so many full batches may wait
_LEAST_FACE_MS = 1e-6


@dataclass(frozen=True)
class BatchingPlan:
    """How requests are joined into batches.

    Attributes:
        max_batch: Most faces in one run.
        queue_delay_us: Longest time that a request waits for company.
        timeout_us: Time in the queue after which a request is rejected; None for never.
        max_queue: Requests that may wait, and further ones are rejected; None for any number.
        threads: Threads of each instance; None for one a physical core.
        origin: Where the figures come from, in a sentence.
    """

    max_batch: int
    queue_delay_us: int
    timeout_us: int | None
    max_queue: int | None
    threads: int | None
    origin: str


def plan_batching(model: ServedModel, options: TritonOptions, profile: Path | None) -> BatchingPlan:
    """Derive how requests are joined.

    Args:
        model: What is served.
        options: How it is to be served.
        profile: What ``fsrfer-profile BUNDLE --json FILE`` wrote on the machine that is to serve; None for none.

    Raises:
        UsageError: The profile is unreadable, of another graph or kind of machine, or says that the budget cannot be
            kept.
    """
    if profile is None:
        return _unmeasured(model, options)
    rows = _rows_of(read_profile(profile), profile, model, options)
    budget_ms = options.latency_budget_ms
    fixed_ms, face_ms = fit_service_time([row.batch for row in rows], [row.latency.p50_ms for row in rows])
    largest = int((budget_ms / 2 - fixed_ms) / face_ms)
    if largest < 1:
        raise UsageError(
            "the latency budget cannot be kept",
            expected=f"--latency-budget-ms {2 * (fixed_ms + face_ms):.1f} or more: two runs of one face",
            found=f"{budget_ms:g} ms",
        )
    max_batch = min(largest, model.max_batch)
    run_ms = fixed_ms + face_ms * max_batch
    delay_us = int(1000 * min(fixed_ms, budget_ms - 2 * run_ms))
    if options.queue_delay_us is not None:
        delay_us = options.queue_delay_us
    return BatchingPlan(
        max_batch=max_batch,
        queue_delay_us=delay_us,
        timeout_us=int(1000 * (budget_ms - run_ms)) if options.queue_limits else None,
        max_queue=max(int(budget_ms / run_ms * max_batch), max_batch) if options.queue_limits else None,
        threads=rows[0].threads,
        origin=f"derived from the profile {profile.name}: a run of b faces takes {fixed_ms:.2f} ms + b * {face_ms:.3f} "
        f"ms with {rows[0].threads} threads; the budget is {budget_ms:g} ms"
        + ("" if options.queue_delay_us is None else "; the queue delay was given by --queue-delay-us"),
    )


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


def _unmeasured(model: ServedModel, options: TritonOptions) -> BatchingPlan:
    delay_us = 0 if options.queue_delay_us is None else options.queue_delay_us
    return BatchingPlan(
        max_batch=model.max_batch,
        queue_delay_us=delay_us,
        timeout_us=int(1000 * options.latency_budget_ms) if options.queue_limits else None,
        max_queue=_QUEUE_BATCHES * model.max_batch if options.queue_limits else None,
        threads=options.threads,
        origin="not measured; the queue delay was given by --queue-delay-us"
        if options.queue_delay_us is not None
        else "not measured: without a profile no request waits for company, and what queues up meanwhile is joined",
    )


def _rows_of(report: ProfileReport, path: Path, model: ServedModel, options: TritonOptions) -> list[ProfileRow]:
    if options.backend is not TritonBackend.PYTHON:
        raise UsageError(
            "a profile of fsrfer-profile was measured on a CPU",
            expected="--queue-delay-us for what runs on a GPU, from a measurement on the server",
            found=f"--profile with --backend {options.backend.value}",
        )
    hashes = {graph.sha256 for graph in report.graphs if graph.precision is options.precision}
    if model.facts.model_sha256 not in hashes:
        raise UsageError(
            f"{path} is the profile of another graph",
            expected=f"{model.facts.graph} {model.facts.model_sha256[:12]}",
            found=", ".join(sorted(sha256[:12] for sha256 in hashes)) or f"nothing in {options.precision.value}",
            fix=f"fsrfer-profile BUNDLE --precision {options.precision.value} --json {path}",
        )
    rows = [row for row in report.rows if row.precision is options.precision and row.clock is LatencyClock.MODEL]
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
    return rows
