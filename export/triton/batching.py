"""How long a request may wait for company, derived from what a run was measured to take.

A run of b faces takes s(b) = a + c b: a for being a run at all, c for each face (least squares over the profile's
medians). L is the latency budget.

- **Largest batch** B: the largest with 2 s(B) <= L, for a request that just missed a batch waits for it and is then run
  in the next.
- **Queue delay**: 0, or 2 s(1) where a >= c B and L >= 2 s(B) + 2 s(1). Waiting for company never makes an answer
  earlier: what queues up while the model is busy is joined without it, and a delay below a run even makes batches
  smaller there. It leaves a GPU idle for longer where a run is dear and a face in it cheap, which is what a >= c B
  says, and then two runs of one face are longer than a full run. ``benchmarks/fleet_simulation.py`` simulates that.
- **Limits of the queue**, where they are wanted: a request waits for L - s(B) at most, for later the answer could not
  be there in time; and as many wait as faces can be run within L, a request being of one face at least.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...core.errors import UsageError
from .measured_runs import MeasuredRuns, measured_runs
from .options import TritonOptions
from .served_model import ServedModel

_QUEUE_BATCHES = 8  # without a profile, so many full batches may wait


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
        profile: What ``fsrfer-profile BUNDLE --json FILE`` or, for an engine, ``fsrfer-profile engine BUNDLE --json
            FILE`` wrote on the machine that is to serve; None for none.

    Raises:
        UsageError: The profile is unreadable, of another graph, engine or kind of machine, or says that the budget
            cannot be kept; or there is a budget and nothing that it is for.
    """
    if profile is None:
        return _unmeasured(model, options)
    runs = measured_runs(profile, model, options)
    budget_ms = options.budget_ms
    largest = int((budget_ms / 2 - runs.fixed_ms) / runs.face_ms)
    if largest < 1:
        raise UsageError(
            "the latency budget cannot be kept",
            expected=f"--latency-budget-ms {2 * runs.run_ms(1):.1f} or more: two runs of one face",
            found=f"{budget_ms:g} ms",
        )
    max_batch = min(largest, model.max_batch)
    run_ms = runs.run_ms(max_batch)
    given = options.queue_delay_us
    return BatchingPlan(
        max_batch=max_batch,
        queue_delay_us=_queue_delay_us(runs, max_batch, budget_ms) if given is None else given,
        timeout_us=int(1000 * (budget_ms - run_ms)) if options.queue_limits else None,
        max_queue=max(int(budget_ms / run_ms * max_batch), max_batch) if options.queue_limits else None,
        threads=runs.threads,
        origin=f"derived from the profile {profile.name}: {runs.describe()}; the budget is {budget_ms:g} ms"
        + ("" if given is None else "; the queue delay was given by --queue-delay-us"),
    )


def _queue_delay_us(runs: MeasuredRuns, max_batch: int, budget_ms: float) -> int:
    delay_ms = 2 * runs.run_ms(1)
    pays = runs.fixed_ms >= runs.face_ms * max_batch
    return int(1000 * delay_ms) if pays and budget_ms >= 2 * runs.run_ms(max_batch) + delay_ms else 0


def _unmeasured(model: ServedModel, options: TritonOptions) -> BatchingPlan:
    if options.latency_budget_ms is not None and not options.queue_limits:
        raise UsageError(
            "nothing can be derived from the latency budget alone",
            expected="--profile of the serving machine with it, or --queue-limits",
            found=f"--latency-budget-ms {options.latency_budget_ms:g}",
        )
    delay_us = 0 if options.queue_delay_us is None else options.queue_delay_us
    return BatchingPlan(
        max_batch=model.max_batch,
        queue_delay_us=delay_us,
        timeout_us=int(1000 * options.budget_ms) if options.queue_limits else None,
        max_queue=_QUEUE_BATCHES * model.max_batch if options.queue_limits else None,
        threads=options.threads,
        origin="not measured; the queue delay was given by --queue-delay-us"
        if options.queue_delay_us is not None
        else "not measured: without a profile no request waits for company, and what queues up meanwhile is joined",
    )
