"""Eight sources in one process against eight processes of one source each, on the same clips.

python benchmarks/shared_batches.py --clips FOLDER --detector yunet:FILE.onnx --output FILE.json

Both are run in turn, several times; the ratio of their throughputs is taken within each round. Clocks begin when
everything is loaded. Once it also looks whether every face gets the same result in the shared batch as alone.
"""

import argparse
import json
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from record import record

from fsrfer.core.options import Precision
from fsrfer.core.processor import read_processor
from fsrfer.runtime import PipelineOptions, StreamPipeline, default_bundle_path, open_bundle
from fsrfer.runtime.detection import DetectorConfig, open_detector
from fsrfer.runtime.results import FrameResult
from fsrfer.runtime.sources import open_source, parse_sources

CORES = max(int(read_processor().usable_cores), 1)


def worker(options: argparse.Namespace) -> None:
    """Wait for the word, read the sources, and print when that began and ended, and how much it was."""
    with ExitStack() as stack:
        pipeline = pipeline_of(stack, options, options.worker, track=options.track)
        print("ready", flush=True)
        sys.stdin.readline()
        began = time.time()
        report = pipeline.run([])
        print(json.dumps({"began": began, "ended": time.time(), "frames": report.frames, "faces": report.faces}))


def pipeline_of(stack: ExitStack, options: argparse.Namespace, clips: list[str], *, track: bool) -> StreamPipeline:
    """Open everything."""
    classifier = stack.enter_context(
        open_bundle(default_bundle_path(), precision=Precision(options.precision), threads=options.threads)
    )
    config = DetectorConfig(max_side=options.detector_side)
    lanes = min(len(clips), options.lanes)
    threads = options.threads if lanes == 1 or options.threads else max(CORES // lanes, 1)  # as fsrfer-run does
    detector = stack.enter_context(open_detector(options.detector, config, threads=threads))
    sources = [open_source(spec) for spec in parse_sources(clips)]
    limits = PipelineOptions(max_frames=options.frames, detect_lanes=lanes)
    return StreamPipeline(sources, classifier, detector, limits if track else replace(limits, follow=None))


def throughput(groups: list[list[str]]) -> float:
    """Frames a second of processes that each read a group of clips at the same time."""
    told = [word for word in sys.argv[1:] if word != "--check"]
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, *told, "--worker", *group],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for group in groups
    ]
    for process in processes:
        if process.stdout.readline().strip() != "ready":
            raise SystemExit("a worker failed")
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    rows = [json.loads(process.communicate()[0].splitlines()[-1]) for process in processes]
    seconds = max(row["ended"] for row in rows) - min(row["began"] for row in rows)
    return sum(row["frames"] for row in rows) / seconds


def largest_difference(options: argparse.Namespace, clips: list[str]) -> dict[str, float]:
    """Compare every face of a run of all sources with the run of its source alone, each face read by itself."""

    def results(names: list[str]) -> dict[tuple[str, int], FrameResult]:
        with ExitStack() as stack:
            found = pipeline_of(stack, options, names, track=False).results()
            return {(result.frame.source.partition("#")[0], result.frame.index): result for result in found}

    unique = sorted(set(clips))
    together = results(unique)
    worst, faces, labels = 0.0, 0, 0
    for clip in unique:
        for key, alone in results([clip]).items():
            shared = together[key]
            if not np.array_equal(alone.boxes, shared.boxes):
                raise SystemExit(f"boxes of {key} differ")
            difference = np.abs(alone.predictions.probabilities - shared.predictions.probabilities)
            worst = max(worst, float(difference.max(initial=0.0)))
            labels += int((alone.predictions.label_index != shared.predictions.label_index).sum())
            faces += len(alone)
    return {"faces": faces, "other_labels": labels, "largest_difference_of_a_probability": worst}


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder of .mp4 files")
    parser.add_argument("--only", nargs="*", default=(), help="names of some of them, without the suffix")
    parser.add_argument("--detector", required=True)
    parser.add_argument("--detector-side", type=int, default=640)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, help="threads of each network; default: as fsrfer-run takes them")
    parser.add_argument("--lanes", type=int, default=CORES, help="frames that are searched at once, by several sources")
    parser.add_argument("--frames", type=int, default=60, help="frames of each source")
    parser.add_argument("--sources", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--track", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--check", action="store_true", help="also compare the results face by face")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options)
        return
    found = [str(clip) for clip in sorted(options.clips.glob("*.mp4")) if not options.only or clip.stem in options.only]
    clips = [found[number % len(found)] for number in range(options.sources)]
    rounds = []
    for number in range(options.rounds):
        one, many = throughput([clips]), throughput([[clip] for clip in clips])
        rounds.append({"one_process": round(one, 2), "many_processes": round(many, 2), "ratio": round(one / many, 3)})
        print(f"round {number + 1}: {rounds[-1]}", file=sys.stderr, flush=True)
    measured = {
        "frames_per_s": rounds,
        "median_ratio": median(row["ratio"] for row in rounds),
        "results": largest_difference(options, clips) if options.check else None,
    }
    record(measured, options.output)


if __name__ == "__main__":
    main()
