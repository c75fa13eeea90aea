"""How everything is, as one JSON object; ``status.schema.json`` beside this module describes it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from importlib import resources
from typing import Any

from ..pipeline_report import PipelineReport
from ..sources import SourceState, SourceStatus
from ..telemetry import HistogramSnapshot
from .history import SourceRates
from .hub import LatestResult, LiveHub
from .options import ModelInfo
from .records import label_records, rounded

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Readiness:
    """Whether results can be expected.

    Attributes:
        is_ready: They can.
        reason: Why, or why not.
    """

    is_ready: bool
    reason: str


def readiness_of(report: PipelineReport | None) -> Readiness:
    """Tell whether a pipeline gives results: it is warm, and not all of its sources failed.

    Args:
        report: What it did so far; None before it stands.
    """
    if report is None or report.elapsed_s == 0.0:
        return Readiness(False, "starting: the model is being loaded")
    if report.sources and len(report.failed) == len(report.sources):
        reasons = "; ".join(f"{source.name}: {source.error}" for source in report.failed)
        return Readiness(False, f"all sources failed: {reasons}")
    if report.frames == 0:
        return Readiness(False, "no result yet")
    return Readiness(True, "results are given")


def status_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of ``/api/v1/status``."""
    text = resources.files(__package__).joinpath("status.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def status_record(hub: LiveHub, report: PipelineReport | None, model: ModelInfo | None) -> dict[str, Any]:
    """Return how the pipeline is.

    Args:
        hub: What it left.
        report: What it did so far; None before it stands.
        model: What it runs, where that is known.
    """
    ready = readiness_of(report)
    frames_per_s, faces_per_s = hub.history.totals()
    count_faces = not hub.aggregate_only
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": hub.events.run_id,
        "time_s": round(time.time(), 3),
        "is_ready": ready.is_ready,
        "reason": ready.reason,
        "pictures": "none" if hub.aggregate_only else "blurred" if hub.blur_faces else "plain",
        "model": None
        if model is None
        else {"precision": model.precision, "backend": model.backend, "sha256": model.sha256},
        "labels": label_records(hub.latest_labels() if model is None else model.labels),
        "elapsed_s": 0.0 if report is None else rounded(report.elapsed_s),
        "frames": 0 if report is None else report.frames,
        "faces": (0 if report is None else report.faces) if count_faces else None,
        "frames_per_s": rounded(frames_per_s),
        "faces_per_s": rounded(faces_per_s) if count_faces else None,
        "pending_frames": 0 if report is None else report.pending_frames,
        "detect_every": 1 if report is None else report.detect_every,
        "sink_drops": {} if report is None else dict(report.sink_drops),
        "stages": _stage_records(hub),
        "sources": _source_records(hub, report),
    }


def _stage_records(hub: LiveHub) -> list[dict[str, Any]]:
    return [{"stage": stage.value, **_latency(times)} for stage, times in hub.history.stages().items()]


def _latency(times: HistogramSnapshot) -> dict[str, Any]:
    return {
        "count": times.count,
        "p50_s": rounded(times.quantile(0.5)),
        "p95_s": rounded(times.quantile(0.95)),
        "p99_s": rounded(times.quantile(0.99)),
    }


def _source_records(hub: LiveHub, report: PipelineReport | None) -> list[dict[str, Any]]:
    if report is None:
        return []
    rates = hub.history.rates()
    return [_source_record(hub, report, status, rates.get(status.name)) for status in report.sources]


def _source_record(
    hub: LiveHub, report: PipelineReport, status: SourceStatus, rates: SourceRates | None
) -> dict[str, Any]:
    age = hub.history.result_age_s(status.name)
    latest = hub.latest(status.name)
    return {
        "id": hub.id_of(status.name),
        "name": status.name,
        "state": status.state.value,
        "is_live": status.is_live,
        "error": None if status.error is None else str(status.error),
        "frames": status.frames,
        "faces": None if hub.aggregate_only else report.faces_by_source.get(status.name, 0),
        "drops": {reason.value: count for reason, count in status.drops.items()},
        "left_out": {reason: count for reason, count in status.counters.items() if count},
        "reconnects": status.reconnects,
        "silent_s": _silence(status),
        "frames_per_s": None if rates is None else rounded(rates.frames_per_s),
        "drops_per_s": None if rates is None else rounded(rates.drops_per_s),
        "result_age": None if age is None else _latency(age),
        "latest": None if latest is None else _latest_record(latest),
    }


def _silence(status: SourceStatus) -> float | None:
    """Return how long nothing has come from a source that could show something."""
    if status.seen_s is None or status.state in (SourceState.ENDED, SourceState.FAILED):
        return None
    return round(max(time.time() - status.seen_s, 0.0), 3)


def _latest_record(latest: LatestResult) -> dict[str, Any]:
    frame = latest.result.frame
    return {
        "sequence": latest.sequence,
        "frame": frame.index,
        "time_s": round(frame.time_s, 3),
        "clock": frame.clock.value,
        "age_s": round(max(time.time() - frame.time_s, 0.0), 3) if frame.is_live else None,
        "width": frame.width,
        "height": frame.height,
        "faces": len(latest.result),
    }
