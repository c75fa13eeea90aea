"""How many cameras a machine carries: by measurement, with cameras that wait for nobody."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...core.environment import Environment
from ...core.errors import UsageError
from ...core.processor import Processor, read_processor
from .capacity_knee import CameraKnee, find_camera_knee
from .capacity_search import find_most
from .frame_costs import Part
from .machine_watch import MachineReport
from .pipeline_profile import Cost, PipelineProfile, ThreadRow, Times, ages_of, profile_window
from .pipeline_setup import PipelineSetup
from .statistics import Float64Array
from .window import Window

SCHEMA_VERSION = 2
OnStep = Callable[["CapacityStep"], None]
"""Called after each step."""

_THIRDS = 3
_MOST_RISE = 0.1  # of the bound, from the first third of a step to its last
_FULL = 0.9


@dataclass(frozen=True)
class CapacityConfig:
    """What cameras do, and what is asked of their results.

    Attributes:
        fps: Frames a second of each camera.
        bound_s: Age of a result, from its frame's capture until the sinks have it, that 95 % must not exceed.
        most_dropped: Largest part of the frames that may be dropped.
        margin: Part of the cameras that were carried that is recommended.
        warmup_s: Time of each step before it is measured.
        seconds: Measured time of each step.
        most_sources: Number of cameras at which the search ends.
        confirmations: How often the answer has to hold besides the first time.
        sources: Try these numbers, each once, instead of searching; empty to search.
    """

    fps: float = 10.0
    bound_s: float = 0.2
    most_dropped: float = 0.01
    margin: float = 0.8
    warmup_s: float = 2.0
    seconds: float = 8.0
    most_sources: int = 64
    confirmations: int = 1
    sources: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        are_parts = 0 <= self.most_dropped < 1 and 0 < self.margin <= 1
        are_times = 0 < self.bound_s < math.inf and 0 <= self.warmup_s <= 86400 and 0 < self.seconds <= 86400
        are_counts = min(self.most_sources, *self.sources, 1 << 20) >= 1 and self.confirmations >= 0
        if not (are_parts and are_times and are_counts and 0 < self.fps <= 1000):
            raise UsageError(
                "impossible question about the capacity",
                expected="a rate, a bound and seconds above 0, parts from 0 to 1, one camera or more",
                found=f"{self.fps} frames/s, {self.bound_s} s, {self.most_dropped}, {self.margin}, {self.warmup_s} s, "
                f"{self.seconds} s, {self.most_sources}, {self.sources}",
            )


@dataclass(frozen=True)
class CapacityStep:
    """What so many cameras showed.

    Attributes:
        sources: Their number.
        offered_per_second: Frames that they captured.
        age: Ages of all results; None where there was none.
        worst_p95_ms: 95th percentile of the camera whose results are oldest.
        rise_ms: By how much the median age rose from the first third of the step to its last; it would go on rising
            where the machine cannot keep up.
        dropped: Frames that were dropped, by whatever reason.
        dropped_share: The same as a part of all frames.
        parts_ms: Mean time of a frame in each part of its way.
        threads: The threads that work on frames.
        cost: What it costs.
        machine: Energy and clocks.
        failures: Why the step does not hold what is asked; empty where it does.
    """

    sources: int
    offered_per_second: float
    age: Times | None
    worst_p95_ms: float | None
    rise_ms: float
    dropped: int
    dropped_share: float
    parts_ms: dict[str, float]
    threads: tuple[ThreadRow, ...]
    cost: Cost
    machine: MachineReport
    failures: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether everything that is asked holds."""
        return not self.failures


@dataclass(frozen=True)
class Capacity:
    """How many cameras are carried.

    Attributes:
        steps: Everything that was tried, in its order.
        sources: Most cameras with which everything held, and with all smaller numbers that were tried; 0 for none.
        recommended: The same with the margin.
        is_bounded: Whether a larger number was tried and did not hold: else it may carry more.
        limit: What holds it back, from the smallest number that did not hold; None where all did.
        knee: From where on more cameras bring few more frames, whatever their age; None for fewer than two numbers.
    """

    steps: tuple[CapacityStep, ...]
    sources: int
    recommended: int
    is_bounded: bool
    limit: str | None
    knee: CameraKnee | None


@dataclass(frozen=True)
class CapacityReport:
    """A capacity, what was asked, and what ran.

    Attributes:
        setup: What ran.
        clip: What the cameras show.
        created: UTC time, ISO 8601.
        config: What was asked.
        capacity: The answer.
        environment: The machine.
        schema_version: Version of this layout.
    """

    setup: PipelineSetup
    clip: str
    created: str
    config: CapacityConfig
    capacity: Capacity
    environment: Environment
    schema_version: int = SCHEMA_VERSION


def measure_capacity(
    run: Callable[[int], Window],
    config: CapacityConfig,
    on_step: OnStep | None = None,
    processor: Processor | None = None,
) -> Capacity:
    """Find out how many cameras are carried.

    While a number is searched, one that misses what is asked by less than as much again is tried a second time, which
    decides: other programs have their moments. The answer has to hold again too.

    Args:
        run: Runs a pipeline with so many cameras, and returns what it did after its warm-up.
        config: What is asked.
        on_step: Called after each step.
        processor: The processor; None reads this machine's.

    Raises:
        FsrferError: Reading, detection or classification failed.
    """
    steps: list[CapacityStep] = []

    def try_once(sources: int) -> CapacityStep:
        steps.append(judge_window(run(sources), sources, config))
        if on_step is not None:
            on_step(steps[-1])
        return steps[-1]

    def holds(sources: int) -> bool:
        step = try_once(sources)
        return try_once(sources).holds if _is_near_miss(step, config) else step.holds

    if config.sources:
        for number in config.sources:
            try_once(number)
        carried = _most_of(steps)
    else:
        carried = find_most(holds, config.most_sources, confirmations=config.confirmations)
    failed = [step for step in steps if not step.holds and step.sources > carried]
    nearest = min(failed, key=lambda step: step.sources, default=None)
    return Capacity(
        steps=tuple(steps),
        sources=carried,
        recommended=math.floor(config.margin * carried + 1e-9),
        is_bounded=nearest is not None,
        limit=None if nearest is None else limit_of(nearest, (processor or read_processor()).usable_cores),
        knee=find_camera_knee({step.sources: step.cost.frames_per_second for step in steps}),
    )


def judge_window(window: Window, sources: int, config: CapacityConfig) -> CapacityStep:
    """Tell whether so many cameras held what is asked."""
    profile, ages_s = profile_window(window), ages_of(window)
    rise_s, dropped = _rise_s(ages_s), _dropped(profile)
    return CapacityStep(
        sources=sources,
        offered_per_second=sources * config.fps,
        age=profile.age,
        worst_p95_ms=max((row.age.p95_ms for row in profile.sources if row.age is not None), default=None),
        rise_ms=1e3 * rise_s,
        dropped=dropped,
        dropped_share=_share_of(dropped, profile),
        parts_ms={row.part.value: row.times.mean_ms for row in profile.parts},
        threads=profile.threads,
        cost=profile.cost,
        machine=window.machine,
        failures=tuple(_failures(profile, rise_s, dropped, config)),
    )


def limit_of(step: CapacityStep, usable_cores: float) -> str:
    """Say what holds back a step that did not hold.

    Args:
        step: The step.
        usable_cores: Cores that this process may use.
    """
    cost = step.cost
    others = cost.cores_of_others or 0.0
    kind, cores = max(cost.cores_by_kind.items(), key=lambda item: item[1])
    if cost.cores_used + others >= _FULL * usable_cores:
        beside = f", and other programs {others:.1f}" if others >= 0.1 * usable_cores else ""
        share = cores / cost.cores_used if cost.cores_used else 0.0
        return (
            f"the processor: {cost.cores_used:.1f} of {usable_cores:g} cores are busy{beside}; "
            f"{share:.0%} of that is {kind}"
        )
    busiest = max(step.threads, key=lambda row: row.busy_share, default=None)
    if busiest is not None and busiest.busy_share >= _FULL:
        return f"one thread: {busiest.name} works {busiest.busy_share:.0%} of the time, while cores are free"
    part, mean_ms = max(step.parts_ms.items(), key=lambda item: item[1], default=(Part.SLOT.value, 0.0))
    return f"no full core and no full thread; frames spend most of their time in {part} ({mean_ms:.0f} ms)"


def _failures(profile: PipelineProfile, rise_s: float, dropped: int, config: CapacityConfig) -> list[str]:
    failures = []
    silent = [row.name for row in profile.sources if not row.frames]
    if silent:
        failures.append(f"{len(silent)} of {len(profile.sources)} cameras without a result")
    if profile.age is not None and profile.age.p95_ms > 1e3 * config.bound_s:
        failures.append(f"p95 {profile.age.p95_ms:.0f} ms")
    if dropped > 1 and _share_of(dropped, profile) > config.most_dropped:  # one frame is no share
        failures.append(f"{_share_of(dropped, profile):.1%} dropped")
    if rise_s > _MOST_RISE * config.bound_s:
        failures.append(f"ages rise by {1e3 * rise_s:.0f} ms")
    return failures


def _is_near_miss(step: CapacityStep, config: CapacityConfig) -> bool:
    return (
        not step.holds
        and step.age is not None
        and step.age.p95_ms <= 2e3 * config.bound_s
        and step.dropped_share <= max(2 * config.most_dropped, 0.02)
    )


def _dropped(profile: PipelineProfile) -> int:
    return sum(sum(row.dropped.values()) + sum(row.left_out.values()) for row in profile.sources)


def _share_of(dropped: int, profile: PipelineProfile) -> float:
    return dropped / max(dropped + sum(row.frames for row in profile.sources), 1)


def _rise_s(ages_s: Float64Array) -> float:
    third = len(ages_s) // _THIRDS
    return float(np.median(ages_s[-third:]) - np.median(ages_s[:third])) if third else 0.0


def _most_of(steps: list[CapacityStep]) -> int:
    least_failed = min((step.sources for step in steps if not step.holds), default=math.inf)
    return max((step.sources for step in steps if step.holds and step.sources < least_failed), default=0)
