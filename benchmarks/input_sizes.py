"""What a smaller input would save, and what it would cost: the same weights, fed with smaller pictures.

python benchmarks/input_sizes.py --data ferplus:PATH --output FILE.json

All faces are brought to one input, 48 px; a smaller input would have fewer pixels to compute. The network's weights fit
any input that its strides divide, so they are evaluated at smaller ones as they are. A network that was trained for a
smaller input would be better there than this one: the accuracies are what such an input costs without training.
"""

import argparse
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from paired_rounds import ratio_of, round_medians_ms
from record import record

from fsrfer.core import ModelBundle
from fsrfer.core.schema import to_mapping
from fsrfer.datasets import evaluate_by_size, evenly_spread, open_dataset, with_labels
from fsrfer.runtime import default_bundle_path
from fsrfer.runtime.profiling.workload import crop_batches, ready_feed
from fsrfer.training.evaluation import classify_with
from fsrfer.training.models.cost import count_cost_of
from fsrfer.training.models.network import load_network


def runs_of(bundle: ModelBundle, side: int, batch: int, classify: Callable) -> Callable[[], object]:
    """Return what classifies one ready batch after another at an input of this side."""
    manifest = bundle.manifest
    smaller = replace(manifest, preprocess=replace(manifest.preprocess, height=side, width=side))
    feeds = [list(ready_feed(crops, smaller).values()) for crops in crop_batches(batch, count=8)]
    sizes = [np.full(batch, 16.0, np.float32)]
    turns = itertools.cycle([(feed + sizes)[:2] for feed in feeds])
    return lambda: classify(*next(turns))


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=default_bundle_path())
    parser.add_argument("--data", required=True)
    parser.add_argument("--faces", type=int, default=1200)
    parser.add_argument("--sides", nargs="+", type=int, default=[48, 40, 32, 24, 16])
    parser.add_argument("--sizes", nargs="+", type=int, default=[24, 16, 12, 8])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each side, all rounds together")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    bundle = ModelBundle.load(options.bundle)
    network = load_network(bundle)
    classify = classify_with(network)
    faces = with_labels(evenly_spread(open_dataset(options.data, "test"), options.faces), bundle.manifest.labels)
    ways = {str(side): runs_of(bundle, side, options.batch, classify) for side in options.sides}
    medians = round_medians_ms(
        ways, rounds=options.rounds, seconds=options.seconds / options.rounds, warmup_s=options.seconds / options.rounds
    )
    rows = []
    for side in options.sides:
        spec = replace(bundle.manifest.preprocess, height=side, width=side)
        report = evaluate_by_size(classify, faces, spec, options.sizes)
        rows.append(
            {
                "input_px": side,
                "million_macs": round(count_cost_of(network, spec.color.channels, side, 16.0).macs / 1e6, 2),
                "times_as_long": ratio_of(medians[str(side)], medians[str(options.sides[0])]),
                "accuracy_by_face_px": {str(row.face_size_px): to_mapping(row.accuracy) for row in report.sizes},
            }
        )
    record({"dataset_id": faces.dataset_id, "batch": options.batch, "rows": rows}, options.output)


if __name__ == "__main__":
    main()
