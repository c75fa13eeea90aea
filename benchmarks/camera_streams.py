"""Many RTSP cameras on this machine for a while: latency, drops, memory, and where the processor's time goes.

python benchmarks/camera_streams.py --clips FOLDER --detector yunet:FILE.onnx --seconds 600 --output FILE.json

Each camera is a process of its own that serves a clip over RTSP at 25 frames a second for ever (GStreamer; the Debian
packages of .ci/run). They share the processor with what is measured, and their time is told apart.
"""

import argparse
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import av
import numpy as np
from record import record

from fsrfer.core.options import Precision
from fsrfer.core.processor import read_processor
from fsrfer.runtime import PipelineOptions, StreamPipeline, default_bundle_path, open_bundle
from fsrfer.runtime.detection import DetectorConfig, open_detector
from fsrfer.runtime.pipeline_report import PipelineReport
from fsrfer.runtime.sources import SourceStatus, open_source, parse_sources
from fsrfer.runtime.telemetry import HistogramSnapshot

SERVER = Path(__file__).parent.parent / "tests/runtime/sources/rtsp_server.py"
SAMPLE_S = 5.0
FPS = 25
CORES = max(int(read_processor().usable_cores), 1)


class BusyTime:
    """Processor time of the calling thread inside some methods of an object, which is otherwise as it was."""

    def __init__(self, inner: object, *names: str) -> None:
        self._inner = inner
        self.seconds = 0.0
        for name in names:
            setattr(self, name, self._timed(getattr(inner, name)))

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: object, **options: object) -> Any:
            started = time.thread_time()
            try:
                return method(*args, **options)
            finally:
                self.seconds += time.thread_time() - started

        return call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def to_annexb(clip: Path, target: Path) -> None:
    """Encode a clip as the bare H.264 that the cameras send: access unit delimiters, a key frame a second."""
    options = {
        "tune": "zerolatency",
        "preset": "veryfast",
        "x264-params": f"aud=1:keyint={FPS}:repeat-headers=1:annexb=1",
    }
    with av.open(str(clip)) as source, av.open(str(target), "w", format="h264") as sink:
        video = source.streams.video[0]
        stream = sink.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = video.width, video.height, "yuv420p"
        for frame in source.decode(video):
            frame.pts = None
            sink.mux(stream.encode(frame))
        sink.mux(stream.encode(None))


def start_cameras(stack: ExitStack, clips: Sequence[Path], count: int) -> tuple[list[str], list[subprocess.Popen]]:
    """Start the servers; return their addresses and processes."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    streams = []
    for clip in clips:
        streams.append(folder / f"{clip.stem}.h264")
        to_annexb(clip, streams[-1])
    addresses, processes = [], []
    for number in range(count):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        words = ["/usr/bin/python3", str(SERVER), str(streams[number % len(streams)]), str(port)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        stack.callback(process.kill)
        if process.stdout.readline().strip() != "ready":
            raise SystemExit("the RTSP server does not start: install the Debian packages of .ci/run")
        addresses.append(f"rtsp://127.0.0.1:{port}/camera")
        processes.append(process)
    return addresses, processes


def resident_mb() -> float:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def processor_s(process_ids: Sequence[int]) -> float:
    """Processor time of other processes so far."""
    ticks = 0
    for number in process_ids:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def threads_s() -> dict[str, float]:
    """Processor time of this process by kind of thread: of sources, of detection, of ONNX Runtime, others."""
    kinds = {"fsrfer-source": "capture", "fsrfer-connection": "capture", "fsrfer-detect": "detection"}
    known = {thread.native_id: kinds.get(thread.name.partition(" ")[0], "python") for thread in threading.enumerate()}
    found = {"capture": 0.0, "detection": 0.0, "python": 0.0, "inference": 0.0}
    for task in Path("/proc/self/task").iterdir():
        try:
            fields = (task / "stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:  # it has ended
            continue
        found[known.get(int(task.name), "inference")] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def measure(options: argparse.Namespace) -> dict:
    """Run the cameras and return what was seen."""
    clips = sorted(options.clips.glob("*.mp4"))
    clips = [clip for clip in clips if not options.only or clip.stem in options.only]
    with ExitStack() as stack:
        addresses, servers = start_cameras(stack, clips, options.cameras)
        classifier = stack.enter_context(
            open_bundle(default_bundle_path(), precision=Precision(options.precision), threads=options.threads)
        )
        config = DetectorConfig(max_side=options.detector_side)
        detector = stack.enter_context(open_detector(options.detector, config, threads=options.threads))
        timed_classifier = BusyTime(classifier, "read")
        every = None if options.detect_every == "auto" else int(options.detect_every)
        pipeline = StreamPipeline(
            [open_source(spec) for spec in parse_sources(addresses)],
            timed_classifier,
            detector,
            PipelineOptions(detect_every=every, detect_lanes=options.lanes, max_staleness_s=options.max_staleness),
        )
        samples: list[tuple[float, float, int]] = []
        started = time.monotonic()

        def tick() -> None:
            elapsed = time.monotonic() - started
            if not samples or elapsed - samples[-1][0] >= SAMPLE_S:
                samples.append((elapsed, resident_mb(), pipeline.report().detect_every))
                frames = pipeline.report().frames
                print(f"{elapsed:6.0f} s {samples[-1][1]:6.1f} MB {frames} frames", file=sys.stderr, flush=True)
            if elapsed >= options.seconds:
                last.update(threads=threads_s(), servers_s=processor_s([server.pid for server in servers]))
                pipeline.stop()

        last: dict = {}
        report = pipeline.run([], tick=tick)
        total_s = time.process_time()
    return {
        "seconds": round(report.elapsed_s, 1),
        "cameras": [camera_row(source, report) for source in report.sources],
        "memory": memory_row(samples),
        "processor": processor_row(last, total_s, timed_classifier.seconds, report.elapsed_s),
        "frames_per_s": round(report.frames / report.elapsed_s, 2),
        "faces_per_s": round(report.faces / report.elapsed_s, 2),
        "readings_per_s": round(report.readings / report.elapsed_s, 2),
        "detect_every": sorted({every for _, _, every in samples}),
        "stages_ms": {
            stage.value: {
                f"p{share:.0%}".rstrip("%"): round(1e3 * times.quantile(share), 2) for share in (0.5, 0.95, 0.99)
            }
            for stage, times in report.stages.items()
            if times.count
        },
    }


def quantiles_ms(times: HistogramSnapshot) -> dict[str, float]:
    """Median and tails in milliseconds."""
    return {f"p{percent}": round(1e3 * (times.quantile(percent / 100) or 0.0), 2) for percent in (50, 95, 99)}


def camera_row(source: SourceStatus, report: PipelineReport) -> dict:
    """What became of one camera."""
    captured = source.frames + source.dropped
    return {
        "state": source.state.value,
        "frames": source.frames,
        "drops": {reason.value: count for reason, count in source.drops.items()},
        "dropped_share": round(source.dropped / max(captured, 1), 4),
        "reconnects": source.reconnects,
        "capture_to_result_ms": quantiles_ms(report.result_age_s[source.name]),
    }


def memory_row(samples: Sequence[tuple[float, float, int]]) -> dict:
    """Memory, and how fast it grows after the first fifth of the time."""
    times, sizes = np.array([row[0] for row in samples]), np.array([row[1] for row in samples])
    warm = times >= times[-1] / 5
    slope = np.polyfit(times[warm] / 60, sizes[warm], 1)[0] if warm.sum() > 2 else float("nan")
    return {
        "first_mb": round(float(sizes[0]), 1),
        "last_mb": round(float(sizes[-1]), 1),
        "most_mb": round(float(sizes.max()), 1),
        "slope_mb_per_min": round(float(slope), 3),
    }


def processor_row(last: dict, total_s: float, classify_s: float, elapsed_s: float) -> dict:
    """Where the processor's time went, in shares of this process's own."""
    threads = last["threads"]
    inference_s = threads["inference"] + threads["detection"] + classify_s
    own_s = sum(threads.values())
    return {
        "cores_used": round(total_s / elapsed_s, 3),
        "cores_used_by_the_servers": round(last["servers_s"] / elapsed_s, 3),
        "detection_and_classification": round(inference_s / own_s, 4),
        "capture_and_decoding": round(threads["capture"] / own_s, 4),
        "everything_else": round(1 - (inference_s + threads["capture"]) / own_s, 4),
    }


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder of .mp4 files")
    parser.add_argument("--only", nargs="*", default=(), help="names of some of them, without the suffix")
    parser.add_argument("--detector", required=True)
    parser.add_argument("--detector-side", type=int, default=640)
    parser.add_argument("--detect-every", default="auto")
    parser.add_argument("--max-staleness", type=float)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=CORES, help="frames that are searched at the same time")
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    record(measure(options), options.output)


if __name__ == "__main__":
    main()
