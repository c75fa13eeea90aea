"""The fewest layers in floating point that keep a model accurate at every face size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core.errors import CheckFailedError
from ..core.fidelity import Bounds, FidelityReport
from .sensitivity import LayerSensitivity

Judge = Callable[[frozenset[str]], FidelityReport]
"""From the names of the layers in floating point to the comparison of that mix with the floating-point model."""


@dataclass(frozen=True)
class MixTrial:
    """A mix that was looked at.

    Attributes:
        kept_float: Layers in floating point.
        worst_size_px: Face size that lost most.
        worst_drop: What it lost, as a fraction of all faces.
        within: Whether all sizes are within the bound.
    """

    kept_float: tuple[str, ...]
    worst_size_px: int
    worst_drop: float
    within: bool


@dataclass(frozen=True)
class MixSearch:
    """Outcome of a search.

    Attributes:
        kept_float: Layers that stay in floating point; empty where all can be INT8.
        trials: All mixes that were looked at, in order.
        fidelity: The comparison of the mix that was found.
    """

    kept_float: tuple[str, ...]
    trials: tuple[MixTrial, ...]
    fidelity: FidelityReport


def search_mix(ranking: Sequence[LayerSensitivity], judge: Judge, max_drop: float) -> MixSearch:
    """Find the fewest layers to leave in floating point.

    The most harmful layers are left out together, as many as a bisection shows to be needed; then each of them is
    tried in INT8 again, the largest first, since a layer may look harmful alone and not matter beside others.

    Args:
        ranking: Layers, the most harmful first.
        judge: Compares a mix with the floating-point model.
        max_drop: Largest loss of accuracy at any face size, as a fraction.

    Raises:
        CheckFailedError: Not even the mix with all layers in floating point is within the bound, which says that the
            judge is wrong; or no face size has faces.
    """
    search = _Search(judge, Bounds(max_drop=max_drop))
    order = [layer.name for layer in ranking]
    low, high = 0, len(order)
    if search.within(order[:0]):
        high = 0
    while low < high - 1:
        middle = (low + high) // 2
        low, high = (low, middle) if search.within(order[:middle]) else (middle, high)
    kept = order[:high]
    if high and not search.within(kept):
        raise CheckFailedError(
            "no mix of layers keeps the model accurate",
            expected=f"at most {100 * max_drop:.2f} points lost at every face size",
            found=f"{100 * search.trials[-1].worst_drop:.2f} points with every layer in floating point",
            fix="give more faces, or a larger --max-drop",
        )
    for layer in sorted(ranking[:high], key=lambda layer: -layer.parameters):
        rest = [name for name in kept if name != layer.name]
        if len(kept) > 1 and search.within(rest):
            kept = rest
    return MixSearch(tuple(kept), tuple(search.trials), search.report_of(kept))


class _Search:
    def __init__(self, judge: Judge, bounds: Bounds) -> None:
        self._judge = judge
        self._bounds = bounds
        self._reports: dict[frozenset[str], FidelityReport] = {}
        self.trials: list[MixTrial] = []

    def report_of(self, kept: Sequence[str]) -> FidelityReport:
        key = frozenset(kept)
        if key not in self._reports:
            report = self._judge(key)
            worst = report.worst_drop
            if worst is None:
                raise CheckFailedError("no mix can be judged", expected="faces at one size or more", found="no data")
            within = not report.violations(self._bounds)
            self._reports[key] = report
            self.trials.append(MixTrial(tuple(sorted(key)), worst[0], worst[1].drop.value, within))
        return self._reports[key]

    def within(self, kept: Sequence[str]) -> bool:
        return not self.report_of(kept).violations(self._bounds)
