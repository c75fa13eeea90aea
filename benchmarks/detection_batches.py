"""What batches of frames and tiles cost a face detector, in time and memory.

First, eight frames of one size in runs of one, two, four or eight; settings take turns, so that what else the machine
does hits all of them. Second, one frame of 3840x2160 at its own size, as a whole, by tiles, and by tiles in batches:
time, and the peak memory of a process that does nothing else.

    python benchmarks/detection_batches.py --detector retinaface --detector yunet --threads 1 --json FILE
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from fsrfer.core.files import write_json
from fsrfer.runtime.detection import DetectorConfig, FaceDetector, TilingConfig, open_detector

Image = npt.NDArray[np.uint8]

FRAMES = 8
FRAME_SIZE = (640, 360)
LARGE_SIZE = (3840, 2160)
TILES = TilingConfig(side=768, overlap=128, whole_frame=False)
CONFIG = DetectorConfig(max_enlargement=1.0, max_side=max(LARGE_SIZE), scales=(1.0,))


@dataclass(frozen=True)
class Batches:
    """Eight frames of 640x360 in runs of ``max_batch``: milliseconds a frame, medians over the rounds."""

    detector: str
    max_batch: int
    cpu_ms: float
    wall_ms: float


@dataclass(frozen=True)
class LargeFrame:
    """One frame of 3840x2160: milliseconds of the processor, and peak memory of the process."""

    detector: str
    way: str
    cpu_ms: float
    peak_mib: float


def main() -> None:
    """Measure, print, and write the results if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", action="append", help="as for fsrfer-run; may be given several times")
    parser.add_argument("--photo", type=Path, default=Path("../shared/media/photos/crowd-17.jpg"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results here")
    options = parser.parse_args()
    batches: list[Batches] = []
    large: list[LargeFrame] = []
    for spec in options.detector or ["retinaface"]:
        batches += measure_batches(spec, photo(options.photo, FRAME_SIZE), options)
        for way in ("whole", "tiles one by one", "tiles in batches of 8"):
            large.append(in_a_process_of_its_own(spec, way, options))
            print(large[-1], flush=True)
    if options.json is not None:
        results = {"batches": [asdict(line) for line in batches], "large_frame": [asdict(line) for line in large]}
        write_json(options.json, {"threads": options.threads, "rounds": options.rounds, **results})


def photo(path: Path, size: tuple[int, int]) -> Image:
    """Read a picture at a size, RGB."""
    picture = cv2.resize(cv2.imread(str(path), cv2.IMREAD_COLOR), size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(picture[..., ::-1])


def measure_batches(spec: str, frame: Image, options: argparse.Namespace) -> list[Batches]:
    """Run eight frames in runs of several sizes, in turns."""
    frames = [np.ascontiguousarray(np.roll(frame, 37 * index, axis=1)) for index in range(FRAMES)]
    times: dict[int, list[tuple[float, float]]] = {1: [], 2: [], 4: [], 8: []}
    with open_detector(spec, CONFIG, threads=options.threads) as detector:
        for _ in range(options.rounds + 1):
            for max_batch, measured in times.items():
                sized = detector.with_config(DetectorConfig(max_enlargement=1.0, scales=(1.0,), max_batch=max_batch))
                measured.append(timed(lambda sized=sized: sized.detect_batch(frames)))  # type: ignore[misc]
    lines = []
    for max_batch, measured in times.items():
        cpu, wall = np.median(measured[1:], axis=0) * 1000.0 / FRAMES
        lines.append(Batches(spec.partition(":")[0], max_batch, round(float(cpu), 2), round(float(wall), 2)))
        print(lines[-1], flush=True)
    return lines


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of the processor and of the clock that some work takes."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def in_a_process_of_its_own(spec: str, way: str, options: argparse.Namespace) -> LargeFrame:
    """Look at the large frame in a new process, whose peak memory is that of this way alone."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure_large, (spec, way, options.photo, options.threads))


def measure_large(spec: str, way: str, path: Path, threads: int) -> LargeFrame:
    """Look at the large frame, three times."""
    frame = photo(path, LARGE_SIZE)
    with open_large(spec, way, threads) as detector:
        seconds = [timed(lambda: detector.detect(frame))[0] for _ in range(3)]
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return LargeFrame(spec.partition(":")[0], way, round(1000.0 * min(seconds), 1), round(peak_kib / 1024, 1))


def open_large(spec: str, way: str, threads: int) -> FaceDetector:
    """Open the detector for one way to look at the large frame."""
    max_batch = 8 if way.endswith("8") else 1
    config = DetectorConfig(max_enlargement=1.0, max_side=max(LARGE_SIZE), scales=(1.0,), max_batch=max_batch)
    return open_detector(spec, config, tiling=None if way == "whole" else TILES, threads=threads)


if __name__ == "__main__":
    main()
