"""How INT8 graphs depend on how they were calibrated: methods, and the sizes of the faces.

python benchmarks/int8_calibration.py BUNDLE --data ferplus:PATH --output benchmarks/results/int8-calibration

Ranges come from the training split, figures from the test split. ``--graph NAME=FILE.onnx`` adds graphs of other tools
(see modelopt_int8.py); ``--calibration FILE.npz`` writes the calibration faces for them.
"""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from fsrfer.calibration import CalibrationSet, Int8Config, RangeMethod
from fsrfer.calibration.activation_histograms import measure_histograms
from fsrfer.calibration.int8_builder import INT8_KINDS, Int8Builder
from fsrfer.calibration.judging import Int8Judge
from fsrfer.calibration.mix_speed import speed_ratio
from fsrfer.calibration.pooled_shortcuts import merge_pooled_shortcuts
from fsrfer.calibration.quantization_plan import prepared
from fsrfer.core import ArtifactKind, GraphSpec, ModelBundle
from fsrfer.core.fidelity import FidelityReport
from fsrfer.core.files import write_json, write_text
from fsrfer.core.provenance import installed_versions
from fsrfer.core.schema import to_mapping
from fsrfer.datasets import FaceDataset, evenly_spread, open_dataset

SIZES = (48, 24, 16, 12, 8)
METHODS = {
    "minmax": Int8Config(method=RangeMethod.MINMAX),
    "percentile 99.9": Int8Config(method=RangeMethod.PERCENTILE, percentile=99.9),
    "percentile 99.99": Int8Config(method=RangeMethod.PERCENTILE, percentile=99.99),
    "percentile 99.999": Int8Config(method=RangeMethod.PERCENTILE, percentile=99.999),
    "MSE": Int8Config(method=RangeMethod.MSE),
    "entropy": Int8Config(method=RangeMethod.ENTROPY),
}
TARGETS = {ArtifactKind.ONNX_INT8_TENSORRT: "TensorRT", ArtifactKind.ONNX_INT8_CPU: "CPU"}


def noise_batch(names: GraphSpec, side: int) -> dict[str, np.ndarray]:
    """Return 32 faces of noise, by the names of a graph's inputs."""
    feed = {names.faces_input: np.random.default_rng(0).integers(0, 256, (32, 1, side, side), dtype=np.uint8)}
    if names.face_size_input is not None:
        feed[names.face_size_input] = np.full(32, 16, np.float32)
    return feed


def row_of(report: FidelityReport) -> list[str]:
    """Return the points lost by size, and the equal decisions over all sizes."""
    found = [band.overall for band in report.bands if band.overall is not None]
    return [f"{100 * one.drop.value:+.2f}" for one in found] + [f"{np.mean([one.agreement for one in found]):.2%}"]


def table(title: str, first: str, rows: dict[str, list[str]], more: tuple[str, ...] = ()) -> str:
    """Return a Markdown table of points lost."""
    columns = (first, *(f"{size} px" for size in SIZES), "same decision", *more)
    lines = [f"**{title}**", "", "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return "\n".join([*lines, *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()), ""])


def ranges_by_size(study: "Study") -> str:
    """Return a table of the width of each layer's input by face size, relative to that of 48 px faces."""
    model = prepared(merge_pooled_shortcuts(study.source))
    inputs = {node.input[0]: node.name for node in model.graph.node if node.op_type == "Conv"}
    widths: dict[int, dict[str, float]] = {}
    for size in SIZES:
        histograms = measure_histograms(model, partial(study.draw((size,)).feeds, study.names))
        widths[size] = {
            layer: max(histograms[name].quantile(0.9995), -histograms[name].quantile(0.0005))
            for name, layer in inputs.items()
        }
    lines = ["**Width of each layer's input (99.9 % of its values), relative to faces of 48 px**", ""]
    lines += ["| layer | " + " | ".join(f"{size} px" for size in SIZES) + " |", "|---" * (len(SIZES) + 1) + "|"]
    for layer, full in widths[SIZES[0]].items():
        lines.append(f"| {layer} | " + " | ".join(f"{widths[size][layer] / full:.2f}" for size in SIZES) + " |")
    return "\n".join(lines) + "\n"


@dataclass
class Study:
    """A bundle, faces to calibrate and to judge on, and what was found so far."""

    bundle: ModelBundle
    train: FaceDataset
    test: FaceDataset
    samples: int
    rounds: int
    reports: dict[str, FidelityReport] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = self.bundle.manifest.graph
        self.source = onnx.load(self.bundle.artifact_path(ArtifactKind.ONNX_FP32))

    @cached_property
    def judges(self) -> dict[ArtifactKind, Int8Judge]:
        """What compares graphs for TensorRT and for CPUs with FP32."""
        return {kind: Int8Judge(self.source, self.bundle.manifest, kind, self.test, SIZES) for kind in INT8_KINDS}

    def draw(self, sizes: tuple[int, ...]) -> CalibrationSet:
        """Return calibration faces of some sizes."""
        spec = self.bundle.manifest.preprocess
        return CalibrationSet.draw(self.train, spec, samples=self.samples, sizes=sizes, seed=0)

    def judge(self, name: str, graph: onnx.ModelProto, kind: ArtifactKind, *, timed: bool) -> list[str]:
        """Compare a graph with FP32 on the test faces and return its row."""
        report = self.judges[kind].compare(graph, name)
        self.reports[name] = report
        row = row_of(report)
        if timed:
            side = self.bundle.manifest.preprocess.height
            row.append(f"{speed_ratio(graph, self.source, noise_batch(self.names, side), rounds=self.rounds):.2f}")
        print(name, *row, flush=True)
        return row

    def plain_onnxruntime(self, kind: ArtifactKind) -> onnx.ModelProto:
        """Return what ONNX Runtime's own static quantisation makes of the graph, with its defaults."""
        faces = self.draw(SIZES)

        class Faces(CalibrationDataReader):
            def __init__(self, feeds: Iterable[dict[str, np.ndarray]]) -> None:
                self._feeds = iter(feeds)

            def get_next(self) -> dict[str, np.ndarray] | None:
                return next(self._feeds, None)

        activations = QuantType.QUInt8 if kind is ArtifactKind.ONNX_INT8_CPU else QuantType.QInt8
        symmetric = {"ActivationSymmetric": True, "QuantizeBias": False} if activations is QuantType.QInt8 else {}
        with TemporaryDirectory() as folder:
            path = Path(folder) / "int8.onnx"
            quantize_static(
                self.bundle.artifact_path(ArtifactKind.ONNX_FP32),
                path,
                Faces(faces.feeds(self.names)),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=activations,
                weight_type=QuantType.QInt8,
                extra_options=symmetric,
            )
            return onnx.load(path)

    def methods(self, others: list[str]) -> str:
        """Compare methods on faces of all sizes, and graphs of other tools."""
        faces, rows = self.draw(SIZES), {}
        for method, config in METHODS.items():
            builder = Int8Builder.measured(self.source, self.names, faces, config)
            for kind in INT8_KINDS:
                name = f"{method}, {TARGETS[kind]}"
                rows[name] = self.judge(name, builder.build(kind), kind, timed=True)
        for kind in INT8_KINDS:
            name = f"ONNX Runtime's quantize_static, {TARGETS[kind]}"
            rows[name] = self.judge(name, self.plain_onnxruntime(kind), kind, timed=True)
        for entry in others:
            name, _, path = entry.partition("=")
            rows[name] = self.judge(name, onnx.load(path), ArtifactKind.ONNX_INT8_TENSORRT, timed=True)
        return table("Points of accuracy lost by method", "method, graph for", rows, ("times FP32's speed here",))

    def sizes(self) -> str:
        """Compare calibration on faces of one size with calibration on all."""
        rows = {}
        for label, sizes in {"48 px only": (48,), "8 px only": (8,), "all sizes": SIZES}.items():
            builder = Int8Builder.measured(self.source, self.names, self.draw(sizes), METHODS["percentile 99.99"])
            for kind in INT8_KINDS:
                name = f"{label}, {TARGETS[kind]}"
                rows[name] = self.judge(name, builder.build(kind), kind, timed=False)
        title = "Points of accuracy lost by the sizes of the calibration faces, percentile 99.99"
        return table(title, "calibrated on, graph for", rows)


def main() -> None:
    """Run both studies and write them down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", required=True, help="labelled faces, such as ferplus:PATH")
    parser.add_argument("--samples", type=int, default=512, help="faces to measure ranges on")
    parser.add_argument("--faces", type=int, help="faces of the test split; all by default")
    parser.add_argument("--rounds", type=int, default=40, help="paired runs for the speed")
    parser.add_argument("--graph", action="append", default=[], help="NAME=FILE.onnx of another tool")
    parser.add_argument("--calibration", type=Path, help="write the calibration faces to this .npz file and stop")
    parser.add_argument("--output", type=Path, help="folder for int8-calibration.json and .md")
    options = parser.parse_args()
    test = evenly_spread(open_dataset(options.data, "test"), options.faces)
    train = open_dataset(options.data, "train")
    study = Study(ModelBundle.load(options.bundle), train, test, options.samples, options.rounds)
    if options.calibration:
        feeds = list(study.draw(SIZES).feeds(study.names))
        np.savez(options.calibration, **{name: np.concatenate([feed[name] for feed in feeds]) for name in feeds[0]})
        return
    text = "\n".join([study.methods(options.graph), study.sizes(), ranges_by_size(study)])
    print(text)
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        chosen = f" --faces {options.faces}" if options.faces else ""
        chosen += f" --samples {options.samples} --rounds {options.rounds}"
        chosen += "".join(f" --graph '{entry.partition('=')[0]}=FILE.onnx'" for entry in options.graph)
        data = options.data.partition(":")[0]
        described = {
            "command": f"python benchmarks/int8_calibration.py BUNDLE --data {data}:PATH{chosen}",
            "bundle": study.bundle.manifest.name,
            "weights": study.bundle.manifest.artifacts[ArtifactKind.WEIGHTS.value].sha256,
            "calibrated_on": to_mapping(study.draw(SIZES).manifest),
            "versions": installed_versions(),
            "reports": {name: to_mapping(report) for name, report in study.reports.items()},
        }
        write_json(options.output / "int8-calibration.json", described)
        write_text(options.output / "int8-calibration.md", text)


if __name__ == "__main__":
    main()
