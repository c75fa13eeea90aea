"""Accuracy of a bundle by face size as PyTorch, fused ONNX and INT8, as the Markdown table of the README.

python benchmarks/accuracy_table.py my-bundle --data ferplus:PATH --json benchmarks/results/accuracy.json
"""

import argparse
from pathlib import Path

from fsrfer.core import ModelBundle, Precision
from fsrfer.core.files import write_json
from fsrfer.core.provenance import installed_versions
from fsrfer.datasets import open_dataset
from fsrfer.datasets.evaluation import EvaluationReport, evaluate_by_size
from fsrfer.datasets.subset import with_labels
from fsrfer.runtime import open_bundle
from fsrfer.training import classify_with
from fsrfer.training.models import load_network

RUNNERS = ("PyTorch", "ONNX FP32", "ONNX INT8")


def evaluate(bundle: ModelBundle, runner: str, data: str, sizes: list[int]) -> EvaluationReport:
    """Evaluate one implementation on the test split."""
    dataset = with_labels(open_dataset(data, "test"), bundle.manifest.labels)
    spec = bundle.manifest.preprocess
    if runner == "PyTorch":
        return evaluate_by_size(classify_with(load_network(bundle)), dataset, spec, sizes)
    precision = Precision.FP32 if runner.endswith("FP32") else Precision.INT8
    with open_bundle(bundle.path, precision=precision) as classifier:
        return evaluate_by_size(classifier.logits, dataset, spec, sizes)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", required=True, help="data set, such as ferplus:PATH")
    parser.add_argument("--sizes", type=int, nargs="+", default=[48, 24, 16, 12, 8], help="face sizes in pixels")
    parser.add_argument("--json", type=Path, help="also write everything to this file")
    options = parser.parse_args()
    bundle = ModelBundle.load(options.bundle)
    reports = {runner: evaluate(bundle, runner, options.data, options.sizes) for runner in RUNNERS}
    print("| accuracy at | " + " | ".join(f"{size} px" for size in options.sizes) + " |")
    print("|---" * (len(options.sizes) + 1) + "|")
    for runner, report in reports.items():
        print(f"| {runner} | " + " | ".join(f"{100 * row.accuracy.value:.2f} %" for row in report.sizes) + " |")
    if options.json:
        described = {runner: report.to_json() for runner, report in reports.items()}
        recipe, provenance = bundle.manifest.recipe, bundle.manifest.provenance
        write_json(
            options.json,
            {
                "command": f"python benchmarks/accuracy_table.py BUNDLE --data {options.data.partition(':')[0]}:PATH",
                "bundle": bundle.manifest.name,
                "recipe": recipe,
                "dataset_ids": list(provenance.dataset_ids),
                "versions": installed_versions(),
                "runners": described,
            },
        )


if __name__ == "__main__":
    main()
