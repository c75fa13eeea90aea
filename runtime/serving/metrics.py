"""The report of a pipeline as metrics for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ..pipeline_report import PipelineReport
from ..sources import SourceState
from ..telemetry import HistogramSnapshot
from .options import ModelInfo


class MetricsPage:
    """What Prometheus reads: the pipeline's report at the time of the scrape, and the process's own numbers.

    Args:
        report: Gives the report; None before the pipeline stands.
        model: What it runs, where that is known.
        with_faces: Say how many faces there are. Where only aggregates may be known, counts by the second would tell
            what a suppressed window hides.
    """

    def __init__(
        self, report: Callable[[], PipelineReport | None], model: ModelInfo | None, *, with_faces: bool
    ) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_ReportCollector(report, model, with_faces))
        ProcessCollector(registry=self._registry)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics and their media type.

        Args:
            accept: What the client takes, from its header; OpenMetrics, or Prometheus's text by default.
        """
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type


class _ReportCollector(Collector):
    def __init__(self, report: Callable[[], PipelineReport | None], model: ModelInfo | None, with_faces: bool) -> None:
        self._report = report
        self._model = model
        self._with_faces = with_faces

    def describe(self) -> list[Metric]:
        return []  # else the registry asks for a report as soon as it knows the collector

    def collect(self) -> Iterator[Metric]:
        if self._model is not None:
            info = {
                "precision": self._model.precision,
                "backend": self._model.backend,
                "sha256": self._model.sha256 or "",
            }
            yield InfoMetricFamily("fsrfer_model", "The model that runs.", value=info)
        report = self._report()
        if report is not None:
            yield from _source_metrics(report)
            yield from _pipeline_metrics(report)
            if self._with_faces:
                yield from _face_metrics(report)


def _source_metrics(report: PipelineReport) -> Iterator[Metric]:
    captured = CounterMetricFamily("fsrfer_frames_captured", "Frames that a source gave.", labels=["source"])
    dropped = CounterMetricFamily(
        "fsrfer_frames_dropped", "Frames that were captured and not handed out.", labels=["source", "reason"]
    )
    left_out = CounterMetricFamily(
        "fsrfer_source_left_out", "What did not become a frame of a source.", labels=["source", "reason"]
    )
    up = GaugeMetricFamily("fsrfer_source_up", "Whether a source gives frames.", labels=["source"])
    reconnects = CounterMetricFamily(
        "fsrfer_source_reconnects", "How often a connection was lost and made again.", labels=["source"]
    )
    for status in report.sources:
        captured.add_metric([status.name], status.frames + status.dropped)
        for reason, count in status.drops.items():
            dropped.add_metric([status.name, reason.value], count)
        for counter, count in status.counters.items():
            left_out.add_metric([status.name, counter], count)
        up.add_metric([status.name], float(status.state is SourceState.UP))
        reconnects.add_metric([status.name], status.reconnects)
    yield from (captured, dropped, left_out, up, reconnects)


def _pipeline_metrics(report: PipelineReport) -> Iterator[Metric]:
    yield _histogram(
        "fsrfer_stage_latency_seconds",
        "Time that frames spent in a stage.",
        "stage",
        {stage.value: times for stage, times in report.stages.items()},
    )
    yield _histogram(
        "fsrfer_result_age_seconds",
        "Time from the capture of a live frame to its result.",
        "source",
        report.result_age_s,
    )
    yield GaugeMetricFamily("fsrfer_queue_depth", "Frames that wait for their batch.", value=report.pending_frames)
    yield GaugeMetricFamily(
        "fsrfer_detect_every", "Detection runs on every so many frames of a source.", value=report.detect_every
    )
    drops = CounterMetricFamily("fsrfer_sink_dropped", "Results that a sink did not get.", labels=["sink"])
    for sink, count in report.sink_drops.items():
        drops.add_metric([sink], count)
    yield drops


def _face_metrics(report: PipelineReport) -> Iterator[Metric]:
    faces = CounterMetricFamily("fsrfer_faces", "Faces in the results.", labels=["source"])
    for source, count in report.faces_by_source.items():
        faces.add_metric([source], count)
    yield faces
    yield CounterMetricFamily("fsrfer_faces_read", "Faces that the model read.", value=report.readings)
    yield CounterMetricFamily(
        "fsrfer_readings_invalid", "Faces for which the model gave no numbers.", value=report.invalid_readings
    )
    lost = CounterMetricFamily(
        "fsrfer_readings_lost", "Faces that a model on another machine did not read.", labels=["reason"]
    )
    for reason, count in report.lost_readings.items():
        lost.add_metric([reason], count)
    yield lost
    batches = HistogramMetricFamily("fsrfer_batch_faces", "Faces in a run of the model.")
    _add_histogram(batches, [], report.batch_faces)
    yield batches


def _histogram(name: str, text: str, label: str, snapshots: Mapping[str, HistogramSnapshot]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, text, labels=[label])
    for value, snapshot in snapshots.items():
        _add_histogram(family, [value], snapshot)
    return family


def _add_histogram(family: HistogramMetricFamily, labels: list[str], snapshot: HistogramSnapshot) -> None:
    bounds = [*(str(float(bound)) for bound in snapshot.bounds), "+Inf"]
    family.add_metric(labels, list(zip(bounds, snapshot.cumulative, strict=True)), snapshot.total)
