"""What a face shows over time, out of single readings.

Readings of one track are averaged as log-probabilities, with weights that fade with time: a logarithmic opinion pool
(Genest and Zidek, "Combining probability distributions", Statistical Science 1(1), 1986). The weights sum to 1, so that
a hundred readings of the same picture are as confident as one: successive frames err alike, and to multiply their
probabilities would make certainty of repetition.

A reading weighs ``size * certainty``: the size's share s^2 / (s^2 + 32^2), because small faces are read wrongly more
often, times one minus the entropy of the probabilities over its maximum, because a reading without an opinion should
not dilute those that have one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...core.errors import InputSpecError, UsageError
from ...core.predictions import ExpressionPredictions, softmax
from .quality import size_quality
from .track_table import Ids, TrackTable, check_ids

FloatArray = npt.NDArray[np.float64]

_MIN_WEIGHT = 1e-3  # of a reading without an opinion: it may be the only one


@dataclass(frozen=True)
class SmoothingConfig:
    """How readings become the expression that is shown.

    Attributes:
        time_constant_s: Time in which the weight of a reading falls to 1 / e; 0 shows the latest reading alone.
        margin: By how much the probability of another expression must exceed that of the one shown to replace it.
        min_probability: Where probabilities are cut off below, so that one reading cannot rule out an expression.
        max_age_s: Age of the latest reading from which on a face counts as never read.

    Raises:
        UsageError: A value is out of range.
    """

    time_constant_s: float = 0.3
    margin: float = 0.15
    min_probability: float = 1e-3
    max_age_s: float = 10.0

    def __post_init__(self) -> None:
        in_range = 0.0 <= self.time_constant_s < np.inf and 0.0 <= self.margin <= 1.0
        if not (in_range and 0.0 < self.min_probability < 0.5 and 0.0 < self.max_age_s < np.inf):
            raise UsageError(
                "impossible smoothing of expressions",
                expected="times of 0 s or more, margin in [0, 1], min_probability in (0, 0.5)",
                found=self,
            )


class ExpressionSmoother:
    """Keeps what the faces of one source show.

    A track that was not read for ``max_age_s`` is forgotten, so memory is bounded; so are all when time runs backwards.

    Args:
        labels: The K expressions.
        config: How readings become the expression that is shown.
        abstain_below: Smoothed confidence below which an expression is marked as abstained; 0 marks only faces that
            nothing is known about.

    Raises:
        InputSpecError: ``abstain_below`` is not in 0 to 1.
    """

    def __init__(
        self, labels: tuple[str, ...], config: SmoothingConfig | None = None, *, abstain_below: float = 0.0
    ) -> None:
        if not 0.0 <= abstain_below <= 1.0:
            raise InputSpecError("impossible threshold to abstain", expected="0 to 1", found=abstain_below)
        self._labels = labels
        self._config = config or SmoothingConfig()
        self._abstain_below = abstain_below
        self._time_s = -np.inf
        self._ignored = 0
        self._tracks = TrackTable(
            mean_log=np.zeros(len(labels)),  # weighted mean of the log-probabilities
            weight=np.float64(0.0),  # sum of the weights as they were at ``time_s``
            time_s=np.float64(0.0),
            shown=np.int64(-1),
        )

    def __len__(self) -> int:
        return len(self._tracks)

    @property
    def ignored(self) -> int:
        """Readings left out so far because a probability or the size was no finite number, or all were 0."""
        return self._ignored

    def add(self, ids: Ids, readings: ExpressionPredictions, time_s: float) -> None:
        """Take in what was read in a frame.

        Args:
            ids: int64 (M,), tracks of the faces that were read, without repeats.
            readings: What the model says about them.
            time_s: When the frame was shown, in seconds of the source's clock.

        Raises:
            InputSpecError: The readings are of other expressions or another number of faces, or the time is not a
                finite number.
        """
        self._pass_time(time_s)
        check_ids(ids, len(readings))
        if readings.labels != self._labels:
            raise InputSpecError("readings of other expressions", expected=self._labels, found=readings.labels)
        usable = _is_usable(readings)
        self._ignored += int(np.count_nonzero(~usable))
        good = readings.select(usable)
        self._accumulate(ids[usable], self._log_probabilities(good.probabilities), reading_weights(good), time_s)

    def predictions_of(self, ids: Ids, face_size_px: npt.NDArray[np.float32], time_s: float) -> ExpressionPredictions:
        """Return what faces show.

        Args:
            ids: int64 (N,), their tracks.
            face_size_px: float32 (N,), their size now; it is passed on.
            time_s: Now, in seconds of the source's clock.

        Returns:
            Smoothed probabilities. ``label_index`` is the expression shown, which by ``margin`` may be slightly less
            probable than another. A face that was not read is abstained, and its probabilities are NaN: they belong
            into no mean.

        Raises:
            InputSpecError: There is not one size for each track, or the time is not a finite number.
        """
        self._pass_time(time_s)
        check_ids(ids, len(face_size_px))
        rows = self._tracks.find(ids)
        known = rows >= 0
        probabilities = np.full((len(ids), len(self._labels)), np.nan, np.float32)
        probabilities[known] = softmax(self._tracks["mean_log"][rows[known]].astype(np.float32))
        label_index = np.zeros(len(ids), np.int64)
        label_index[known] = self._tracks["shown"][rows[known]]
        confidence = np.take_along_axis(probabilities, label_index[:, None], axis=1)[:, 0]
        return ExpressionPredictions(
            labels=self._labels,
            probabilities=probabilities,
            label_index=label_index,
            face_size_px=face_size_px,
            abstained=~known | (confidence < self._abstain_below),
        )

    def _pass_time(self, time_s: float) -> None:
        if not np.isfinite(time_s):
            raise InputSpecError("expressions cannot be smoothed without a time", expected="seconds", found=time_s)
        if time_s < self._time_s:
            self._tracks.clear()
        self._tracks.drop_unseen(time_s - self._config.max_age_s)
        self._time_s = time_s

    def _log_probabilities(self, probabilities: npt.NDArray[np.float32]) -> FloatArray:
        floored = np.maximum(probabilities.astype(np.float64), self._config.min_probability)
        logs: FloatArray = np.log(floored / floored.sum(axis=1, keepdims=True))
        return logs

    def _accumulate(self, ids: Ids, logs: FloatArray, weights: FloatArray, time_s: float) -> None:
        rows = self._tracks.touch(ids, time_s)
        tracks = self._tracks
        remaining = tracks["weight"][rows] * self._fading(time_s - tracks["time_s"][rows])
        total = remaining + weights
        share = (weights / total)[:, None]
        tracks["mean_log"][rows] += share * (logs - tracks["mean_log"][rows])
        tracks["weight"][rows], tracks["time_s"][rows] = total, time_s
        tracks["shown"][rows] = self._with_hysteresis(tracks["mean_log"][rows], tracks["shown"][rows])

    def _fading(self, elapsed_s: FloatArray) -> FloatArray:
        if self._config.time_constant_s == 0.0:
            return np.zeros_like(elapsed_s)
        faded: FloatArray = np.exp(-elapsed_s / self._config.time_constant_s)
        return faded

    def _with_hysteresis(self, mean_log: FloatArray, shown: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        probabilities = softmax(mean_log.astype(np.float32))
        best = probabilities.argmax(axis=1)
        lead = probabilities.max(axis=1, initial=0.0) - _picked(probabilities, np.maximum(shown, 0))
        return np.where((shown < 0) | (lead > self._config.margin), best, shown)


def reading_weights(readings: ExpressionPredictions) -> FloatArray:
    """Return what each reading weighs, above 0 to 1: float64 (M,).

    Args:
        readings: M readings, finite.
    """
    probabilities = np.clip(readings.probabilities.astype(np.float64), 1e-12, 1.0)
    entropy = -(probabilities * np.log(probabilities)).sum(axis=1)
    certainty = 1.0 - entropy / max(np.log(len(readings.labels)), 1e-12)
    weights: FloatArray = np.maximum(size_quality(readings.face_size_px) * certainty, _MIN_WEIGHT)
    return weights


def _is_usable(readings: ExpressionPredictions) -> npt.NDArray[np.bool_]:
    probabilities, sizes = readings.probabilities, readings.face_size_px
    is_distribution = (probabilities >= 0.0).all(axis=1) & (probabilities.sum(axis=1) > 0.0)
    finite = np.isfinite(probabilities).all(axis=1) & np.isfinite(sizes) & (sizes > 0.0)
    usable: npt.NDArray[np.bool_] = is_distribution & finite
    return usable


def _picked(table: npt.NDArray[np.float32], index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    return np.asarray(np.take_along_axis(table, index[:, None], axis=1)[:, 0], np.float32)
