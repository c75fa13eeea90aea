"""What surrounds the graph when faces are classified: from crops of mixed sizes to smoothed probabilities.

python benchmarks/classification_overhead.py --output FILE.json

The whole is what `fsrfer-run` does with the faces that the model reads: resizing uint8 crops of 8 to 48 px, the graph,
temperature, softmax, and the smoothing of each track. It takes turns with the bare `session.run` of the same session on
the same batch, ready-made. Ratios are taken within a round: 1.10 means that what surrounds the graph takes 10 % of it.
"""

import argparse
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from paired_rounds import ratio_of, round_medians_ms
from record import record

from fsrfer.core import ModelBundle, Precision
from fsrfer.runtime import ExpressionClassifier, OnnxRuntimeRunner, SessionOptions, default_bundle_path
from fsrfer.runtime.opening import artifact_for
from fsrfer.runtime.profiling.workload import crop_batches, ready_feed
from fsrfer.runtime.tracking import ExpressionSmoother

DISTINCT = 16
FRAME_S = 0.1


def whole(classifier: ExpressionClassifier, batches: list[list[np.ndarray]]) -> Callable[[], object]:
    """Return what classifies and smooths one batch after another, as of tracks that are read in every frame."""
    smoother = ExpressionSmoother(classifier.labels)
    turns = itertools.cycle(batches)
    frames = itertools.count()

    def run() -> object:
        crops = next(turns)
        ids, now = np.arange(1, len(crops) + 1), FRAME_S * next(frames)
        readings = classifier.classify(crops)
        smoother.add(ids, readings, now)
        return smoother.predictions_of(ids, readings.face_size_px, now).probabilities

    return run


def bare(runner: OnnxRuntimeRunner, feeds: list[dict[str, np.ndarray]]) -> Callable[[], object]:
    """Return what runs the session on one ready batch after another."""
    session = runner._session  # the very one that the classifier runs, without the runner's checks
    turns = itertools.cycle(feeds)
    return lambda: session.run(None, next(turns))


def measure(bundle: ModelBundle, precision: Precision, batch: int, options: argparse.Namespace) -> dict[str, object]:
    """Compare the two ways for one graph and one batch."""
    graph = bundle.artifact_path(artifact_for(precision))
    batches = crop_batches(batch, count=DISTINCT)
    feeds = [ready_feed(crops, bundle.manifest) for crops in batches]
    with OnnxRuntimeRunner(graph, SessionOptions(threads=options.threads)) as runner:
        classifier = ExpressionClassifier(runner, bundle.manifest, max_batch=batch)
        ways = {"whole": whole(classifier, batches), "bare": bare(runner, feeds)}
        medians = round_medians_ms(
            ways, rounds=options.rounds, seconds=options.seconds / options.rounds, warmup_s=options.warmup
        )
    return {
        "precision": precision.value,
        "batch": batch,
        "threads": options.threads,
        "whole_ms": round(float(np.median(medians["whole"])), 4),
        "bare_ms": round(float(np.median(medians["bare"])), 4),
        "whole_over_bare": ratio_of(medians["whole"], medians["bare"]),
    }


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=default_bundle_path())
    parser.add_argument("--precision", nargs="+", type=Precision, default=[Precision.FP32, Precision.INT8])
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=12.0, help="of each way, all rounds together")
    parser.add_argument("--warmup", type=float, default=1.0)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    bundle = ModelBundle.load(options.bundle)
    pairs = itertools.product(options.precision, options.batch)
    rows = [measure(bundle, precision, batch, options) for precision, batch in pairs]
    record({"rounds": options.rounds, "seconds": options.seconds, "rows": rows}, options.output)


if __name__ == "__main__":
    main()
