"""What it costs a pipeline that somebody notes when each frame was where.

python benchmarks/tracing_overhead.py --output FILE.json

A drawn crowd runs through the pipeline again and again, its boxes known, so that nothing hides the bookkeeping behind
a detector: in turns with nobody listening, with a journal, and with a journal whose trace is written. Processor time
decides, not the clock on the wall.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from record import record

from fsrfer.core.options import Precision
from fsrfer.datasets.procedural import CrowdClip, write_clip, write_ground_truth
from fsrfer.runtime import StreamPipeline, default_bundle_path, open_bundle
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.profiling.chrome_trace import TraceRecorder
from fsrfer.runtime.recorded_boxes import RecordedBoxes
from fsrfer.runtime.sources import open_source, parse_sources
from fsrfer.runtime.telemetry import Stage

WAYS = ("alone", "journal")


class NoSink:
    """Takes results and forgets them."""

    def write(self, result: object) -> None:
        """Take a result."""


def run(clip: Path, classifier: object, boxes: RecordedBoxes, way: str) -> tuple[float, TraceRecorder | None]:
    """Return the processor time of a run in milliseconds a frame, and what was noted."""
    recorder = None if way == "alone" else TraceRecorder()
    sources = [open_source(spec) for spec in parse_sources([str(clip)])]
    pipeline = StreamPipeline(sources, classifier, boxes, listener=recorder)
    started_s = time.process_time()
    report = pipeline.run([NoSink()])
    return 1e3 * (time.process_time() - started_s) / report.frames, recorder


def note_ns() -> float:
    """Return the time of one note in nanoseconds."""
    recorder = TraceRecorder()
    frames = (Frame("camera", 0, 0.0, Clock.WALL, np.zeros((1, 1, 3), np.uint8)),)
    rounds = 100_000
    started_s = time.process_time()
    for _ in range(rounds):
        recorder.note(Stage.CROP, 0.0, 1.0, frames, None)
    return 1e9 * (time.process_time() - started_s) / rounds


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        open_bundle(default_bundle_path(), precision=Precision.INT8, threads=1) as classifier,
    ):
        clip = Path(folder) / "crowd.mp4"
        write_clip(CrowdClip(), clip)
        write_ground_truth(CrowdClip(), clip.with_suffix(".jsonl"))
        boxes = RecordedBoxes(clip.with_suffix(".jsonl"))
        run(clip, classifier, boxes, "alone")
        found = {way: [] for way in WAYS}
        for number in range(options.rounds):
            for way in WAYS if number % 2 else reversed(WAYS):
                cost_ms, recorder = run(clip, classifier, boxes, way)
                found[way].append(cost_ms)
        started_s = time.process_time()
        events = recorder.write(Path(folder) / "trace.json")
        write_s = time.process_time() - started_s
        size = (Path(folder) / "trace.json").stat().st_size
    spans, frames = len(recorder.spans()), CrowdClip().frame_count
    record(
        {
            "cpu_ms_per_frame": {way: round(statistics.median(values), 3) for way, values in found.items()},
            "extra_share_by_round": [
                round(b / a - 1, 4) for a, b in zip(found["alone"], found["journal"], strict=True)
            ],
            "extra_share": round(
                statistics.median(b / a - 1 for a, b in zip(found["alone"], found["journal"], strict=True)), 4
            ),
            "note_ns": round(note_ns()),
            "notes_per_frame": round(spans / frames, 2),
            "trace": {"events": events, "bytes_per_frame": round(size / frames), "write_s": round(write_s, 3)},
        },
        options.output,
    )


if __name__ == "__main__":
    main()
