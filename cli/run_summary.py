"""What ``fsrfer-run`` says at the start and at the end."""

from __future__ import annotations

from collections.abc import Sequence

from ..runtime.detection import FaceDetector
from ..runtime.pipeline_report import PipelineReport
from ..runtime.recorded_boxes import RecordedBoxes
from ..runtime.sinks import PublishingSink, QueuedSink
from ..runtime.sources import DropReason, SourceSpec, SourceStatus
from .console import NOTES
from .face_finding import FaceFinding
from .model_choice import ModelChoice

_COUNTERS = {
    "skipped": "skipped by max_fps",
    "decode_errors": "that could not be decoded",
    "damaged": "damaged and not shown",
    "behind": "skipped to catch up",
    "hung": "reads that hung",
}
_DROPS = {DropReason.REPLACED: "dropped for newer ones", DropReason.STALE: "dropped as too old"}


def note(text: str) -> None:
    """Print a line on stderr."""
    NOTES.print(text, markup=False, soft_wrap=True)


def describe(model: ModelChoice, finding: FaceFinding, detector: FaceDetector | RecordedBoxes | None) -> None:
    """Say which model and detector are in use."""
    note(f"model     {model.bundle}: {model.graph} ({model.precision.value}) on {model.place}")
    note(f"detector  {finding.describe(detector)}")


def describe_sources(specs: Sequence[SourceSpec]) -> None:
    """Say which sources are read."""
    for spec in specs:
        note(f"source    {spec.name} ({spec.kind.value})")


def summarize(report: PipelineReport, queued: Sequence[QueuedSink]) -> None:
    """Say what was done, and what was lost and where."""
    seconds = max(report.elapsed_s, 1e-9)
    note(
        f"{report.frames} frames, {report.faces} faces in {report.elapsed_s:.1f} s: "
        f"{report.frames / seconds:.1f} frames/s, {report.faces / seconds:.1f} faces/s"
    )
    if report.readings < report.faces:
        note(f"{report.readings} readings by the model: tracked faces are read again only when it pays")
    if report.lost_readings:
        reasons = ", ".join(f"{count} {reason}" for reason, count in report.lost_readings.items())
        note(f"{sum(report.lost_readings.values())} faces were not read by the server: {reasons}")
    for source in report.sources:
        details = _details(source, report)
        if details:
            note(f"{source.name}: {source.frames} frames, {', '.join(details)}")
    for sink in queued:
        lost = [f"{sink.dropped} results not written"] * bool(sink.dropped)
        if isinstance(sink, PublishingSink) and sink.refused:
            lost.append(f"{sink.refused} refused by the other side")
        if lost:
            note(f"{sink.name}: {', '.join(lost)}")


def _details(source: SourceStatus, report: PipelineReport) -> list[str]:
    details = [f"{count} frames {_DROPS[reason]}" for reason, count in source.drops.items() if count]
    details += [f"{count} {_COUNTERS[name]}" for name, count in source.counters.items() if count and name in _COUNTERS]
    if source.reconnects:
        details.append(f"{source.reconnects} reconnects")
    ages = report.result_age_s.get(source.name)
    if ages is not None and (age_s := ages.quantile(0.95)) is not None:
        details.append(f"95 % of the results within {age_s:.2f} s")
    if source.error is not None:
        details.append("failed")
    return details
