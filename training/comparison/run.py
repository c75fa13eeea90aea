"""From trained parts to the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import nn

from ...core.preprocess import PreprocessSpec
from ...datasets import FaceDataset
from ...datasets.confidence import fit_temperature_bands
from ...datasets.evaluation import EvaluationReport, evaluate_by_size
from ...datasets.tracks import Track
from ..evaluation import classify_with
from ..models.cost import count_cost_of
from ..splits import TrainingData
from .kept_logits import KeptLogits
from .methods import Method
from .parts import Part
from .table import MethodCost, MethodResult

Progress = Callable[[str, int, int], None]
"""Told what is being evaluated, how many faces are done, and of how many."""


def evaluate_method(
    method: Method,
    parts: Mapping[Part, nn.Module],
    data: TrainingData,
    spec: PreprocessSpec,
    sizes: Sequence[int],
    tracks: Sequence[Track],
    *,
    kept: KeptLogits | None = None,
    measure_latency: Callable[[nn.Module], float] | None = None,
    on_progress: Progress | None = None,
) -> MethodResult:
    """Evaluate one method at all sizes on all tracks of the test split.

    Its confidence is calibrated like everybody's: one temperature a size, fitted on the validation faces of all tracks.

    Args:
        method: What to evaluate.
        parts: Its trained parts.
        data: The splits.
        spec: Preprocessing, the same for all methods.
        sizes: Native face sizes in pixels.
        tracks: How small faces are made.
        kept: Where its answers are kept, and taken from where they are there; None to ask everything anew.
        measure_latency: From a network to milliseconds a face; None to leave the column empty.
        on_progress: Who listens.
    """
    networks = {size: method.assemble(parts, size).eval() for size in sizes}

    def evaluate(dataset: FaceDataset, size: int, track: Track) -> EvaluationReport:
        def told(done: int, total: int) -> None:
            if on_progress is not None:
                on_progress(f"{method.title}, {track.value}, {size} px", done, total)

        classify = classify_with(networks[size])
        if kept is not None:
            return kept.evaluate(method.key, classify, dataset, spec, size, track, told)
        return evaluate_by_size(classify, dataset, spec, [size], track=track, on_progress=told)

    valid = [_joined([evaluate(data.valid, size, track) for size in sizes]) for track in tracks]
    bands = fit_temperature_bands(valid, data.valid.label_indices)
    evaluated = {
        track: _joined([evaluate(data.test, size, track) for size in sizes]).calibrated(bands, data.test.label_indices)
        for track in tracks
    }
    costs = _costs(parts, networks, spec, measure_latency)
    return MethodResult(method.key, method.title, method.kind, evaluated, costs, bands)


def _joined(reports: Sequence[EvaluationReport]) -> EvaluationReport:
    first = reports[0]
    rows = tuple(row for report in reports for row in report.sizes)
    return EvaluationReport(first.dataset_id, first.labels, rows, first.track)


def _costs(
    parts: Mapping[Part, nn.Module],
    networks: Mapping[int, nn.Module],
    spec: PreprocessSpec,
    measure_latency: Callable[[nn.Module], float] | None,
) -> dict[int, MethodCost]:
    needed = {id(parameter): parameter for part in parts.values() for parameter in part.parameters()}
    parameters = sum(parameter.numel() for parameter in needed.values())
    measured: dict[int, float] = {}  # by network: most methods read all sizes with one
    costs = {}
    for size, network in networks.items():
        if measure_latency is not None and id(network) not in measured:
            measured[id(network)] = measure_latency(network)
        macs = count_cost_of(network, spec.channels, spec.height, size).macs
        costs[size] = MethodCost(parameters, macs, measured.get(id(network)))
    return costs
