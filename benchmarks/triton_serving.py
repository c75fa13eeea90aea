"""Faces read by the real Triton server on this machine, against the same graph in the process itself.

python benchmarks/triton_serving.py --output FILE

It profiles the bundle, exports it with that profile, and starts the server. Then:

- closed: so many clients, each asking again as soon as it has an answer, here and there;
- open: requests that come at random (Poisson), at shares of what the closed clients got through, on the server only;
  the last is half as much again as it can read, and `lost` says what became of the rest;
- cameras: four edge boxes with a drawn crowd each, 10 frames/s, their faces read here and there;
- outage: the same, the server killed in the middle and started again.

Clients, cameras, detection by known boxes and server share the processor: what the server could do on a machine of its
own is more. A batch is what the server's own statistics say: faces, and requests, in one run of the model.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from record import record
from triton_server import TritonServer, prepare
from tritonclient import grpc as triton_grpc

from fsrfer.core import ModelBundle, Precision
from fsrfer.core.files import write_json
from fsrfer.core.processor import read_processor
from fsrfer.core.schema import to_mapping
from fsrfer.datasets.procedural import CrowdClip
from fsrfer.export.triton import TritonOptions, export_repository
from fsrfer.runtime import ExpressionClassifier, StreamPipeline, default_bundle_path, open_bundle
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.profiling import ProfileConfig, profile_bundle
from fsrfer.runtime.triton.settings import parse_triton

FRAMES_PER_SECOND = 10
CLIP_S = 3.0
PEOPLE = 16
THREADS = 64  # that ask at random moments
OVERLOAD = 1.5  # of what can be read
OVERLOAD_DEADLINE_MS = 200  # short enough that so many threads feel the overload, and do not only wait for each other

Open = Callable[[], ExpressionClassifier]


@dataclass
class Asked:
    """What came of asking."""

    latencies_s: list[float] = field(default_factory=list)
    faces: int = 0
    losses: Counter = field(default_factory=Counter)

    def row(self, seconds: float) -> dict:
        """Return the figures."""
        latencies_ms = 1e3 * np.array(self.latencies_s or [np.nan])
        return {
            "faces_per_s": round(self.faces / seconds, 1),
            **{f"p{share}_ms": round(float(np.percentile(latencies_ms, share)), 2) for share in (50, 95, 99)},
            "requests": len(self.latencies_s) + sum(self.losses.values()),
            "lost": {reason: count for reason, count in self.losses.items() if count},
        }


class Batches:
    """The server's own account of what it ran since this was made."""

    def __init__(self, address: str, model: str) -> None:
        self._address, self._model = address, model
        self._before = self._now()

    def _now(self) -> np.ndarray:
        with triton_grpc.InferenceServerClient(self._address) as client:
            (found,) = client.get_inference_statistics(self._model).model_stats
        times = found.inference_stats
        return np.array(
            [found.inference_count, found.execution_count, times.success.count, times.queue.ns, times.compute_infer.ns]
        )

    def row(self) -> dict:
        """Return the figures."""
        faces, runs, requests, queue_ns, compute_ns = self._now() - self._before
        return {
            "mean_batch_faces": round(float(faces / max(runs, 1)), 2),
            "mean_batch_requests": round(float(requests / max(runs, 1)), 2),
            "runs": int(runs),
            "queue_ms": round(float(queue_ns / max(requests, 1)) / 1e6, 3),
            "compute_ms": round(float(compute_ns / max(requests, 1)) / 1e6, 3),
        }


def crops_of(count: int, seed: int) -> list[np.ndarray]:
    """Random faces of 8 to 48 px."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in rng.integers(8, 49, count)]


def ask(classifier: ExpressionClassifier, crops: list[np.ndarray], since_s: float, asked: Asked) -> None:
    """Have faces read, and note how long that took."""
    readings = classifier.read(crops)
    reason = next((loss for loss in readings.losses if loss is not None), None)
    if reason is None:
        asked.latencies_s.append(time.perf_counter() - since_s)
        asked.faces += len(crops)
    else:
        asked.losses[reason.value] += 1


def closed(opened: list[ExpressionClassifier], faces: int, seconds: float) -> dict:
    """Ask from every classifier at the same time, again and again."""
    begin = threading.Barrier(len(opened) + 1)

    def work(number: int) -> Asked:
        asked, crops = Asked(), crops_of(faces, number)
        begin.wait()
        until_s = time.perf_counter() + seconds
        while (now_s := time.perf_counter()) < until_s:
            ask(opened[number], crops, now_s, asked)
        return asked

    with ThreadPoolExecutor(len(opened)) as pool:
        futures = [pool.submit(work, number) for number in range(len(opened))]
        begin.wait()
        started_s = time.perf_counter()
        parts = [future.result() for future in futures]
        took_s = time.perf_counter() - started_s
    return joined(parts).row(took_s)


def opened_at_random(classifier: ExpressionClassifier, faces: int, rate_per_s: float, seconds: float) -> dict:
    """Ask at random moments, whether or not earlier answers are there; waiting for a thread counts as latency."""
    rng, crops, asked = np.random.default_rng(0), crops_of(faces, 0), []
    moments_s = np.cumsum(rng.exponential(1 / rate_per_s, int(rate_per_s * seconds)))
    with ThreadPoolExecutor(THREADS) as pool:
        started_s = time.perf_counter()
        for moment_s in moments_s:
            time.sleep(max(started_s + moment_s - time.perf_counter(), 0.0))
            asked.append(Asked())
            pool.submit(ask, classifier, crops, time.perf_counter(), asked[-1])
        took_s = time.perf_counter() - started_s
    return {"offered_faces_per_s": round(len(moments_s) * faces / took_s, 1), **joined(asked).row(took_s)}


def joined(parts: list[Asked]) -> Asked:
    """Add up."""
    total = Asked()
    for part in parts:
        total.latencies_s += part.latencies_s
        total.faces += part.faces
        total.losses += part.losses
    return total


class CrowdCamera:
    """A drawn crowd as a camera shows it, over and over; it knows where its faces are."""

    reconnects = 0
    score_threshold = 0.3

    def __init__(self, seed: int) -> None:
        self.name = f"camera-{seed}"
        clip = CrowdClip(seed, fps=FRAMES_PER_SECOND, seconds=CLIP_S, people=PEOPLE)
        self._frames = [clip.frame(index) for index in range(clip.frame_count)]

    def frames(self, stop: threading.Event) -> Iterator[Frame]:
        """Give frames until the end is asked for."""
        index = 0
        while not stop.wait(1 / FRAMES_PER_SECOND):
            yield Frame(self.name, index, time.time(), Clock.WALL, self._frames[index % len(self._frames)].image)
            index += 1

    def detect_batch(self, images: list[np.ndarray]) -> list[FaceDetections]:
        """Return the true boxes of one's own frames."""
        known = {frame.image.ctypes.data: frame.boxes for frame in self._frames}
        boxes = [np.asarray(known[image.ctypes.data], np.float32).reshape(-1, 4) for image in images]
        return [FaceDetections(one, np.full(len(one), 0.9, np.float32)) for one in boxes]


def cameras(open_one: Open, count: int, seconds: float, meanwhile: Callable[[list[StreamPipeline]], dict]) -> dict:
    """Run so many edge boxes of one camera each, side by side."""
    with ExitStack() as stack:
        boxes = [CrowdCamera(seed) for seed in range(count)]
        pipelines = [StreamPipeline([box], stack.enter_context(open_one()), box) for box in boxes]
        threads = [threading.Thread(target=pipeline.run, args=([],)) for pipeline in pipelines]
        for thread in threads:
            thread.start()
        found = meanwhile(pipelines)
        time.sleep(seconds)
        reports = [pipeline.report() for pipeline in pipelines]
        for pipeline in pipelines:
            pipeline.stop()
        for thread in threads:
            thread.join()
    elapsed_s = max(report.elapsed_s for report in reports)
    ages = [age for report in reports for age in report.result_age_s.values()]
    lost: Counter = sum((Counter(report.lost_readings) for report in reports), Counter())
    return {
        "frames_per_s": round(sum(report.frames for report in reports) / elapsed_s, 1),
        "frames_dropped": sum(report.dropped for report in reports),
        "readings_per_s": round(sum(report.readings for report in reports) / elapsed_s, 1),
        "lost": dict(lost),
        "result_age_ms": {
            f"p{share}": round(1e3 * max(age.quantile(share / 100) or 0.0 for age in ages), 1) for share in (50, 95)
        },
        **found,
    }


def outage(server: TritonServer) -> Callable[[list[StreamPipeline]], dict]:
    """Kill the server in the middle of a run, start it again, and see when faces are read again."""

    def readings(pipelines: list[StreamPipeline]) -> list[int]:
        return [pipeline.report().readings for pipeline in pipelines]

    def act(pipelines: list[StreamPipeline]) -> dict:
        time.sleep(3.0)
        server.kill()
        time.sleep(2.0)
        before = readings(pipelines)
        server.start()
        ready_s = time.monotonic()
        while any(now == then for now, then in zip(readings(pipelines), before, strict=True)):
            time.sleep(0.005)
        return {"all_cameras_read_again_after_s": round(time.monotonic() - ready_s, 2)}

    return act


@contextmanager
def serving(bundle: Path, options: argparse.Namespace) -> Iterator[tuple[TritonServer, str, dict]]:
    """Profile, export, serve."""
    with tempfile.TemporaryDirectory() as folder:
        loaded, precision = ModelBundle.load(bundle), Precision(options.precision)
        config = ProfileConfig(precisions=(precision,), batches=(1, 4, 16, 64), threads=(options.threads,))
        report = profile_bundle(loaded, config)
        profile, repository = Path(folder, "profile.json"), Path(folder, "repository")
        write_json(profile, to_mapping(report))
        chosen = TritonOptions(
            precision=precision, latency_budget_ms=options.budget_ms, queue_limits=options.queue_limits
        )
        exported = export_repository(loaded, repository, chosen, profile=profile)
        with TritonServer(repository, log=Path(folder, "log"), folder=prepare()) as server:
            yield server, exported.name, to_mapping(exported.plan)


def measure(options: argparse.Namespace) -> dict:
    """Measure everything."""
    bundle = options.bundle or default_bundle_path()
    precision = Precision(options.precision)
    with serving(bundle, options) as (server, model, plan):
        address = f"triton://{server.grpc_address}/{model}#deadline_ms={options.deadline_ms}"

        def here() -> ExpressionClassifier:
            return open_bundle(bundle, precision=precision, threads=options.threads)

        def there() -> ExpressionClassifier:
            return open_bundle(bundle, precision=precision, backend=parse_triton(address))

        result: dict = {"server": server.versions(), "plan": plan, "closed": [], "open": [], "cameras": {}}
        most = 0.0
        for clients, faces in ((1, 1), (1, 8), (1, 32), (4, 1), (4, 4), (8, 4), (16, 4), (32, 1)):
            row: dict = {"clients": clients, "faces_in_a_request": faces}
            for place, open_one in (("here", here), ("server", there)):
                with ExitStack() as stack:
                    opened = [stack.enter_context(open_one()) for _ in range(clients if place == "server" else 1)]
                    batches = Batches(server.grpc_address, model)
                    row[place] = closed(opened * (clients // len(opened)), faces, options.seconds)
                    if place == "server":
                        row[place] |= batches.row()
            if faces == 4:
                most = max(most, row["server"]["faces_per_s"])
            print(row, file=sys.stderr, flush=True)
            result["closed"].append(row)
        for share in (0.3, 0.6, 0.8, OVERLOAD):
            with ExitStack() as stack:
                deadline_ms = OVERLOAD_DEADLINE_MS if share == OVERLOAD else options.deadline_ms
                classifier = stack.enter_context(with_many(bundle, precision, server.grpc_address, model, deadline_ms))
                batches = Batches(server.grpc_address, model)
                row = {"share_of_capacity": share, "faces_in_a_request": 4, "deadline_ms": deadline_ms}
                row |= opened_at_random(classifier, 4, share * most / 4, options.seconds) | batches.row()
            print(row, file=sys.stderr, flush=True)
            result["open"].append(row)
        result["cameras"]["here"] = cameras(here, 4, options.seconds, lambda _: {})
        batches = Batches(server.grpc_address, model)
        result["cameras"]["server"] = cameras(there, 4, options.seconds, lambda _: {}) | batches.row()
        result["cameras"]["server_killed"] = cameras(there, 4, 3.0, outage(server))
    return result


def with_many(bundle: Path, precision: Precision, host: str, model: str, deadline_ms: int) -> ExpressionClassifier:
    """Open a client that may have many requests under way."""
    address = f"triton://{host}/{model}#deadline_ms={deadline_ms}&in_flight={THREADS}"
    return open_bundle(bundle, precision=precision, backend=parse_triton(address))


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, help="default: the model that comes with fsrfer")
    parser.add_argument("--precision", default="int8", choices=("fp32", "int8"))
    parser.add_argument("--threads", type=int, default=max(int(read_processor().usable_cores), 1))
    parser.add_argument("--budget-ms", type=float, default=500.0, help="latency budget of the export")
    parser.add_argument("--queue-limits", action="store_true", help="let the server reject; see docs/triton.md")
    parser.add_argument("--deadline-ms", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=10.0, help="time of each row")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    record(measure(options), options.output)


if __name__ == "__main__":
    main()
