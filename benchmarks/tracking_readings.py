"""Simulated readings: as often right as the shipped model is at each face size, with errors as faces make them."""

from __future__ import annotations

from functools import cache

import numpy as np

from fsrfer.core.predictions import ExpressionPredictions, softmax
from fsrfer.datasets.procedural import CrowdClip

ACCURACY_AT = {8.0: 0.515, 12.0: 0.622, 16.0: 0.699, 24.0: 0.779, 48.0: 0.819}
"""Accuracy of the shipped model by face size in pixels, realistic track: the README's table."""


def signal_at(sizes: np.ndarray) -> np.ndarray:
    """Return how far the true class stands out of unit noise so that the accuracy is the shipped model's."""
    wanted = np.interp(sizes, list(ACCURACY_AT), list(ACCURACY_AT.values()))
    return np.interp(wanted, *accuracy_by_signal())


@cache
def accuracy_by_signal() -> tuple[np.ndarray, np.ndarray]:
    """Return accuracies and the signals that reach them among the clip's expressions."""
    noise = np.random.default_rng(0).standard_normal((20000, len(CrowdClip.labels)))
    signals = np.linspace(0.2, 4.0, 77)
    return np.array([np.mean(noise[:, 0] + signal > noise[:, 1:].max(axis=1)) for signal in signals]), signals


def readings_of(labels: np.ndarray, sizes: np.ndarray, noise: np.ndarray) -> ExpressionPredictions:
    """Turn noise (N, K) into calibrated readings of faces: logits are the log-likelihoods of the classes."""
    signal = signal_at(sizes)[:, None]
    seen = noise + signal * np.eye(noise.shape[1])[labels]
    probabilities = softmax((signal * seen).astype(np.float32))
    return ExpressionPredictions(
        CrowdClip.labels,
        probabilities,
        probabilities.argmax(axis=1).astype(np.int64),
        sizes.astype(np.float32),
        np.zeros(len(labels), np.bool_),
    )


def noisy_readings(labels: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> ExpressionPredictions:
    """Return readings whose errors have nothing to do with each other."""
    return readings_of(labels, sizes, rng.standard_normal((len(labels), len(CrowdClip.labels))))


class CorrelatedNoise:
    """Errors of readings as faces make them: half stays while an expression is held, half fades within 0.3 s."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._held: dict[tuple[int, int], np.ndarray] = {}
        self._fading: dict[int, tuple[float, np.ndarray]] = {}

    def of(self, identity: int, moment: int, time_s: float) -> np.ndarray:
        """Return the noise (K,) of a person at a time; ``moment`` counts the person's expressions."""
        count = len(CrowdClip.labels)
        held = self._held.setdefault((identity, moment), self._rng.standard_normal(count))
        before_s, fading = self._fading.get(identity, (-np.inf, np.zeros(count)))
        kept = float(np.exp(-(time_s - before_s) / 0.3))
        fading = kept * fading + np.sqrt(1.0 - kept**2) * self._rng.standard_normal(count)
        self._fading[identity] = time_s, fading
        return (held + fading) / np.sqrt(2.0)
