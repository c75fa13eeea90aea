"""How the pipeline was in the last minutes: what the charts of the live page show."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..pipeline_report import PipelineReport
from ..telemetry import HistogramSnapshot, Stage

LATENCY_S = 60
"""Latencies are those of the last minute."""

_RATE_S = 5


@dataclass(frozen=True)
class Second:
    """How the pipeline was in a second.

    Attributes:
        time_s: Unix time of its end.
        frames_per_s: Frames whose results were given out.
        faces_per_s: Faces in them.
        drops_per_s: Frames of live sources that were captured and not handed out.
        age_p50_s: Median age of the results of live frames; None where there was none.
        age_p95_s: Their 95 % quantile.
        pending_frames: Frames that waited for their batch at its end.
    """

    time_s: float
    frames_per_s: float
    faces_per_s: float
    drops_per_s: float
    age_p50_s: float | None
    age_p95_s: float | None
    pending_frames: int


@dataclass(frozen=True)
class SourceRates:
    """What a source did in the last five seconds, a second.

    Attributes:
        frames_per_s: Frames that were handed out.
        drops_per_s: Frames that were captured and not handed out.
    """

    frames_per_s: float
    drops_per_s: float


class StatisticsHistory:
    """Keeps a line of numbers for every second, and the reports of the last minute; used by one thread.

    Args:
        length_s: How many seconds to keep.
    """

    def __init__(self, length_s: float) -> None:
        self._seconds: deque[Second] = deque(maxlen=int(length_s))
        self._reports: deque[tuple[float, PipelineReport]] = deque(maxlen=LATENCY_S + 1)

    def add(self, report: PipelineReport, *, monotonic_s: float, time_s: float) -> None:
        """Take note of how the pipeline is, about once a second.

        Args:
            report: What it did so far.
            monotonic_s: Time of the report by a clock that is never set.
            time_s: The same as Unix time.
        """
        if self._reports:
            before_s, before = self._reports[-1]
            self._seconds.append(_second(before, report, monotonic_s - before_s, time_s))
        self._reports.append((monotonic_s, report))

    @property
    def seconds(self) -> list[Second]:
        """The lines, oldest first."""
        return list(self._seconds)

    def totals(self) -> tuple[float, float]:
        """Return frames and faces a second, over the last five."""
        recent = list(self._seconds)[-_RATE_S:]
        count = max(len(recent), 1)
        return sum(second.frames_per_s for second in recent) / count, sum(s.faces_per_s for s in recent) / count

    def rates(self) -> dict[str, SourceRates]:
        """Return what each source did lately, by its name; one that came just now is not there yet."""
        recent = list(self._reports)[-_RATE_S - 1 :]
        if len(recent) < 2:
            return {}
        (first_s, first), (last_s, last) = recent[0], recent[-1]
        before = {status.name: status for status in first.sources}
        return {
            now.name: SourceRates(
                _rate(before[now.name].frames, now.frames, last_s - first_s),
                _rate(before[now.name].dropped, now.dropped, last_s - first_s),
            )
            for now in last.sources
            if now.name in before
        }

    def stages(self) -> Mapping[Stage, HistogramSnapshot]:
        """Return the time that the frames of the last minute spent in each stage."""
        if not self._reports:
            return {}
        first, last = self._reports[0][1].stages, self._reports[-1][1].stages
        return {stage: _since(histogram, first.get(stage)) for stage, histogram in last.items()}

    def result_age_s(self, source: str) -> HistogramSnapshot | None:
        """Return how old the results of a live source were when they came, in the last minute; None where unknown."""
        if not self._reports:
            return None
        first, last = self._reports[0][1].result_age_s, self._reports[-1][1].result_age_s
        return _since(last[source], first.get(source)) if source in last else None


def _second(before: PipelineReport, now: PipelineReport, elapsed_s: float, time_s: float) -> Second:
    ages = [_since(histogram, before.result_age_s.get(source)) for source, histogram in now.result_age_s.items()]
    age = _sum(ages)
    return Second(
        time_s=time_s,
        frames_per_s=_rate(before.frames, now.frames, elapsed_s),
        faces_per_s=_rate(before.faces, now.faces, elapsed_s),
        drops_per_s=_rate(before.dropped, now.dropped, elapsed_s),
        age_p50_s=None if age is None else age.quantile(0.5),
        age_p95_s=None if age is None else age.quantile(0.95),
        pending_frames=now.pending_frames,
    )


def _rate(before: int, now: int, elapsed_s: float) -> float:
    # A count falls where a source was taken away.
    return max(now - before, 0) / elapsed_s if elapsed_s > 0 else 0.0


def _since(now: HistogramSnapshot, earlier: HistogramSnapshot | None) -> HistogramSnapshot:
    # A source that was taken away and came back counts anew.
    return now if earlier is None or earlier.count > now.count else now.since(earlier)


def _sum(histograms: Iterable[HistogramSnapshot]) -> HistogramSnapshot | None:
    several = list(histograms)
    if not several:
        return None
    counts = tuple(sum(column) for column in zip(*(histogram.counts for histogram in several), strict=True))
    return HistogramSnapshot(several[0].bounds, counts, sum(histogram.total for histogram in several))
