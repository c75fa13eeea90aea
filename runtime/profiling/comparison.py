"""What changed between two profiles, and whether it is more than noise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np

from ...core.environment import Environment
from ...core.errors import CheckFailedError, UsageError
from ...core.options import Precision, Provider
from .report import ProfileReport
from .rows import Combination, LatencyClock, ProfileRow
from .statistics import Stability, ratio_estimate, ratio_interval

DEFAULT_NOISE = 0.03
"""Change that two runs of one build may show: what differs from run to run is not seen within one."""


class Verdict(str, Enum):
    """What became of a row."""

    FASTER = "faster"
    SLOWER = "slower"
    NOISE = "noise"
    UNSTEADY = "unsteady"
    NOT_COMPARABLE = "not comparable"
    ONLY_BEFORE = "only before"
    ONLY_AFTER = "only after"


class Difference(str, Enum):
    """A condition that differs, besides what is compared."""

    MACHINE = "machine"
    GRAPH = "graph"
    SOFTWARE = "software"
    SETTINGS = "settings"

    @property
    def prevents_comparison(self) -> bool:
        """Whether times mean something else because of it, unless the user says that this is what is compared."""
        return self is not Difference.SETTINGS


_Facts = Callable[[Environment], dict[str, object]]
(_CPU_PROVIDER,) = Provider.CPU.names
_RESIZERS = ("opencv-python-headless", "opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")


@dataclass(frozen=True)
class NamedDifference:
    """A condition that differs.

    Attributes:
        kind: What sort of condition.
        name: Which one.
        before: What it was.
        after: What it is.
        precision: Number format of the only rows that it concerns; None where it concerns all.
        clock: Clock of the only rows that it concerns; None where it concerns all.
    """

    kind: Difference
    name: str
    before: str
    after: str
    precision: Precision | None = None
    clock: LatencyClock | None = None

    def concerns(self, what: Combination) -> bool:
        """Tell whether a row's times mean something else because of it."""
        return self.precision in (None, what.precision) and self.clock in (None, what.clock)


@dataclass(frozen=True)
class RowChange:
    """A row of both profiles, or of one.

    Attributes:
        combination: What it measures.
        before_ms: Its median latency before; None where it is new.
        after_ms: Its median latency after; None where it is gone.
        ratio: Factor by which it became slower, above 1, or faster, below 1; from the medians of all rounds.
        interval: 95 % interval of that factor; None where there are too few rounds.
        verdict: What became of it.
        remarks: Why nothing is concluded.
    """

    combination: Combination
    before_ms: float | None
    after_ms: float | None
    ratio: float | None
    interval: tuple[float, float] | None
    verdict: Verdict
    remarks: tuple[str, ...]

    @property
    def is_judged(self) -> bool:
        """Whether the two can be told apart at all: both steady, with rounds enough for an interval."""
        return self.interval is not None and self.verdict is not Verdict.UNSTEADY


@dataclass(frozen=True)
class ProfileDiff:
    """Two profiles side by side.

    Attributes:
        differences: Conditions that differ.
        rows: What became of each row.
        noise: Change, as a part, up to which it counts as noise whatever the interval says.
    """

    differences: tuple[NamedDifference, ...]
    rows: tuple[RowChange, ...]
    noise: float

    def raise_if_slower(self, limit: float) -> None:
        """Check that nothing became slower by more than a limit, and that every row of before was checked.

        Args:
            limit: As a part: 0.05 for 5 %. Below :attr:`noise` it has no effect.

        Raises:
            CheckFailedError: A row is surely slower, and by more than that; or a row could not be compared, and so
                nobody knows.
        """
        checked = [row for row in self.rows if row.is_judged]
        late = [row for row in checked if row.verdict is Verdict.SLOWER and (row.ratio or 1.0) > 1.0 + limit]
        if late:
            worst = max(late, key=lambda row: row.ratio or 1.0)
            raise CheckFailedError(
                f"{len(late)} of {len(checked)} rows became slower",
                expected=f"by {limit:.1%} at most",
                found=f"{describe_combination(worst.combination)}: {(worst.ratio or 1.0) - 1.0:+.1%}",
            )
        unknown = [row for row in self.rows if not row.is_judged and row.verdict is not Verdict.ONLY_AFTER]
        if unknown or not checked:
            counts = Counter(_reason(row) for row in unknown)
            some = f"{len(checked)} of {len(self.rows)} rows" if checked else "no row"
            differences = (f"{one.name} was {one.before}, is {one.after}" for one in self.differences)
            raise CheckFailedError(
                f"{some} could be compared",
                expected="every row of the first profile steady in both, under the same conditions",
                found="; ".join((*(f"{count} {reason}" for reason, count in counts.items()), *differences)),
                fix="measure the same rows on an idle machine, or name with --despite what may differ",
            )


def _reason(row: RowChange) -> str:
    return "with too few rounds" if row.verdict is Verdict.NOISE else row.verdict.value


def describe_combination(what: Combination) -> str:
    """Name a combination in words."""
    numbers = f"batch {what.batch}, threads {what.threads}, streams {what.streams}"
    return f"{what.precision.value}, {numbers}, {what.clock.value}"


def compare_profiles(
    before: ProfileReport,
    after: ProfileReport,
    *,
    despite: Collection[Difference] = (),
    noise: float = DEFAULT_NOISE,
) -> ProfileDiff:
    """Compare two profiles row by row.

    A row is faster or slower where the interval of the factor excludes 1 and the change is larger than the noise. Where
    one of the two drifted, nothing is concluded: on a busy machine the same build is "faster" an hour later.

    Args:
        before: The one.
        after: The other.
        despite: Sorts of conditions that may differ, as they are what is compared.
        noise: Change, as a part, that counts as noise.

    Raises:
        UsageError: The noise is no part.
    """
    if not 0.0 <= noise < 1.0:
        raise UsageError("impossible noise", expected="a part from 0 to below 1", found=noise)
    differences = tuple(_differences(before, after))
    blocking = [one for one in differences if one.kind.prevents_comparison and one.kind not in despite]
    old = {row.combination: row for row in before.rows}
    new = {row.combination: row for row in after.rows}
    rows = tuple(
        _change(combination, old.get(combination), new.get(combination), blocking, noise)
        for combination in dict.fromkeys((*old, *new))
    )
    return ProfileDiff(differences, rows, noise)


def _change(
    combination: Combination,
    old: ProfileRow | None,
    new: ProfileRow | None,
    blocking: Collection[NamedDifference],
    noise: float,
) -> RowChange:
    before_ms = None if old is None else old.latency.p50_ms
    after_ms = None if new is None else new.latency.p50_ms
    if old is None or new is None:
        verdict = Verdict.ONLY_AFTER if old is None else Verdict.ONLY_BEFORE
        return RowChange(combination, before_ms, after_ms, None, None, verdict, ())
    reasons = tuple(one.name for one in blocking if one.concerns(combination))
    if reasons:
        return RowChange(combination, before_ms, after_ms, None, None, Verdict.NOT_COMPARABLE, reasons)
    medians = np.asarray(old.window_medians_ms), np.asarray(new.window_medians_ms)
    ratio, interval = ratio_estimate(*medians), ratio_interval(*medians)
    unsteady = tuple(
        f"{row.stability.value} {when}"
        for row, when in ((old, "before"), (new, "after"))
        if row.stability is not Stability.STABLE
    )
    verdict = Verdict.UNSTEADY if unsteady else _verdict(ratio, interval, noise)
    return RowChange(combination, before_ms, after_ms, ratio, interval, verdict, unsteady)


def _verdict(ratio: float, interval: tuple[float, float] | None, noise: float) -> Verdict:
    if interval is None or interval[0] <= 1.0 <= interval[1] or abs(ratio - 1.0) <= noise:
        return Verdict.NOISE
    return Verdict.SLOWER if ratio > 1.0 else Verdict.FASTER


def _differences(before: ProfileReport, after: ProfileReport) -> Iterator[NamedDifference]:
    conditions: list[tuple[Difference, LatencyClock | None, _Facts]] = [
        (Difference.MACHINE, None, _machine),
        (Difference.SOFTWARE, None, _software),
        (Difference.SOFTWARE, LatencyClock.CLASSIFY, _software_around),
    ]
    if any(graph.provider != _CPU_PROVIDER for graph in (*before.graphs, *after.graphs)):
        conditions += [(Difference.MACHINE, None, _gpus), (Difference.SOFTWARE, None, _driver)]
    for kind, clock, facts in conditions:
        new = facts(after.environment)
        for name, value in facts(before.environment).items():
            if value != new[name]:
                yield NamedDifference(kind, name, str(value), str(new[name]), clock=clock)
    yield from _graph_differences(before, after)
    for name in ("bundle", "seconds", "warmup_seconds", "rounds", "spinning"):
        one, other = getattr(before, name), getattr(after, name)
        if one != other:
            yield NamedDifference(Difference.SETTINGS, name.replace("_", " "), str(one), str(other))


def _graph_differences(before: ProfileReport, after: ProfileReport) -> Iterator[NamedDifference]:
    new = {graph.precision: graph for graph in after.graphs}
    for graph in before.graphs:
        other = new.get(graph.precision)
        if other is not None and other.sha256 != graph.sha256:
            name = f"{graph.precision.value} graph"
            yield NamedDifference(Difference.GRAPH, name, graph.sha256[:12], other.sha256[:12], graph.precision)
        if other is not None and other.provider != graph.provider:
            yield NamedDifference(Difference.SOFTWARE, "provider", graph.provider, other.provider, graph.precision)


def _machine(environment: Environment) -> dict[str, object]:
    processor, jetson = environment.processor, environment.jetson
    return {
        "architecture": environment.machine,
        "processor": processor.model,
        "usable cores": processor.usable_cores,
        "clock governor": processor.governor,
        "board": None if jetson is None else jetson.model,
        "power mode": None if jetson is None else jetson.power_mode,
    }


def _software(environment: Environment) -> dict[str, object]:
    packages = environment.packages
    return {"ONNX Runtime": packages.get("onnxruntime") or packages.get("onnxruntime-gpu")}


def _gpus(environment: Environment) -> dict[str, object]:
    return {"GPUs": ", ".join(gpu.name for gpu in environment.gpus) or None}


def _driver(environment: Environment) -> dict[str, object]:
    return {"GPU driver": environment.driver_version}


def _software_around(environment: Environment) -> dict[str, object]:
    """Name what resizes faces and computes probabilities: only the clock ``classify`` has it inside."""
    packages = environment.packages
    opencv = ", ".join(f"{name} {packages[name]}" for name in _RESIZERS if name in packages)
    return {"OpenCV": opencv or None, "NumPy": packages.get("numpy")}
