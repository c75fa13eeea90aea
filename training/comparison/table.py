"""The results of a comparison: accuracy by method, track and face size, with paired tests against the strongest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...core.bundle import TemperatureBand
from ...core.metrics import PairedTest, mcnemar
from ...core.schema import to_mapping
from ...datasets.evaluation import EvaluationReport, SizeReport
from ...datasets.tracks import Track
from .methods import Kind


@dataclass(frozen=True)
class MethodCost:
    """What a method costs at one face size.

    Attributes:
        parameters: Trained numbers of everything that has to be in memory for faces of all sizes.
        macs: Multiply-accumulates a face.
        latency_ms: Median time a face on this machine's CPU, one face at a time on one thread; None where it was not
            measured.
    """

    parameters: int
    macs: int
    latency_ms: float | None = None


@dataclass(frozen=True)
class MethodResult:
    """One method on all tracks.

    Attributes:
        key: Its short name.
        title: What the table calls it.
        kind: What it stands for.
        tracks: Evaluation by track.
        costs: Cost by native face size in pixels.
        temperatures: Its confidence calibration.
    """

    key: str
    title: str
    kind: Kind
    tracks: Mapping[Track, EvaluationReport]
    costs: Mapping[int, MethodCost]
    temperatures: tuple[TemperatureBand, ...] = ()


@dataclass(frozen=True)
class ComparisonRow:
    """One method at one size on one track, beside the strongest baseline.

    Attributes:
        result: The method.
        size: Its report.
        cost: Its cost.
        strongest: Title of the baseline with the highest accuracy at this size on this track.
        gain: Accuracy above that baseline, -1 to 1.
        paired: McNemar's test against it on the same faces; first is the method.
    """

    result: MethodResult
    size: SizeReport
    cost: MethodCost
    strongest: str
    gain: float
    paired: PairedTest


@dataclass(frozen=True)
class Comparison:
    """All results.

    Attributes:
        dataset_ids: Identities of train, valid and test split.
        sizes: Native face sizes in pixels.
        results: One a method, in the order of the table.
    """

    dataset_ids: tuple[str, ...]
    sizes: tuple[int, ...]
    results: tuple[MethodResult, ...]

    def rows(self, track: Track, face_size_px: int) -> tuple[ComparisonRow, ...]:
        """Return all methods at one size on one track.

        The strongest baseline is chosen by its accuracy on the same test faces, which favours it. Where the comparison
        has no baseline, the first method takes its place.

        Args:
            track: How the faces were made.
            face_size_px: Native face size.
        """
        at = [(result, result.tracks[track].at(face_size_px)) for result in self.results]
        rivals = [pair for pair in at if pair[0].kind is Kind.BASELINE] or at[:1]
        strongest, best = max(rivals, key=lambda pair: pair[1].accuracy.value)
        return tuple(
            ComparisonRow(
                result=result,
                size=size,
                cost=result.costs[face_size_px],
                strongest=strongest.title,
                gain=size.accuracy.value - best.accuracy.value,
                paired=mcnemar(size.correct, best.correct),
            )
            for result, size in at
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything but the arrays with an entry a face, as plain values."""
        return {
            "dataset_ids": list(self.dataset_ids),
            "sizes": list(self.sizes),
            "methods": [
                {
                    "key": result.key,
                    "title": result.title,
                    "kind": result.kind.value,
                    "temperatures": to_mapping(result.temperatures),
                    "costs": {str(size): to_mapping(cost) for size, cost in result.costs.items()},
                    "tracks": {track.value: report.to_json() for track, report in result.tracks.items()},
                }
                for result in self.results
            ],
            "against_the_strongest_baseline": [
                {
                    "track": track.value,
                    "face_size_px": size,
                    "method": row.result.key,
                    "strongest": row.strongest,
                    "gain": row.gain,
                    **to_mapping(row.paired),
                }
                for track in self.tracks
                for size in self.sizes
                for row in self.rows(track, size)
            ],
        }

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Tracks that were evaluated."""
        return tuple(self.results[0].tracks)


HEADER: tuple[str, ...] = (
    "method",
    "accuracy",
    "mean class accuracy",
    "ECE",
    "parameters",
    "MMAC",
    "ms",
    "against the strongest baseline",
)


def cells(row: ComparisonRow) -> tuple[str, ...]:
    """Return the row of a table under :data:`HEADER`."""
    latency = "" if row.cost.latency_ms is None else f"{row.cost.latency_ms:.2f}"
    return (
        row.result.title,
        str(row.size.accuracy),
        str(row.size.mean_class_accuracy),
        f"{row.size.ece:.3f}",
        f"{row.cost.parameters / 1e6:.2f} M",
        f"{row.cost.macs / 1e6:.1f}",
        latency,
        _verdict(row),
    )


def _verdict(row: ComparisonRow) -> str:
    if row.result.title == row.strongest:
        return "is the strongest"
    return f"{100 * row.gain:+.2f} points, p = {row.paired.p_mid:.2g}"
