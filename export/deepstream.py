"""A folder with all that DeepStream needs to read expressions: graph, labels, configurations, a pipeline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from string import Template

from ..calibration.onnx_packages import import_onnx
from ..core.bundle import ArtifactKind, BundleManifest, ModelBundle
from ..core.errors import UsageError
from ..core.files import atomic_path, write_text
from ..core.golden import GoldenVectors
from ..core.options import Precision
from ..core.preprocess import ColorMode
from .metadata import set_metadata
from .nvinfer_graph import NvinferProof, nvinfer_graph, prove

GRAPH_FILE = "model.nvinfer.onnx"
LABELS_FILE = "labels.txt"
CLASSIFIER_FILE = "config_infer_expression.txt"
APP_FILE = "deepstream_app.txt"
PIPELINE_FILE = "pipeline.py"
README_FILE = "README.md"

_NETWORK_MODE = {Precision.FP32: 0, Precision.FP16: 2}
_COLOR_FORMAT = {ColorMode.RGB: 0, ColorMode.GRAY: 2}
_CUBIC_ON_GPU = 2  # NvBufSurfTransformInter_Algo1: cubic where the GPU scales; the default is nearest


@dataclass(frozen=True)
class DeepStreamOptions:
    """How the classifier stands in a pipeline.

    Attributes:
        face_size_px: Native face size that the model is told for every face; ``nvinfer`` does not tell it.
        batch: Most faces in one inference.
        precision: Arithmetic of the engine that ``nvinfer`` builds: FP32 or FP16.
        min_face_px: Faces whose box, as the detector gives it, is smaller in width or height are not read.
        threshold: Probability below which a face gets no label, 0 to 1.
        detector_id: ``gie-unique-id`` of the face detector.
        face_class: Class that it gives to faces.
        classifier_id: ``gie-unique-id`` of the classifier.
    """

    face_size_px: float = 12.0
    batch: int = 16
    precision: Precision = Precision.FP16
    min_face_px: int = 8
    threshold: float = 0.0
    detector_id: int = 1
    face_class: int = 0
    classifier_id: int = 2

    def __post_init__(self) -> None:
        numbers_ok = min(self.batch, self.min_face_px) >= 1 and self.face_size_px >= 1 and 0 <= self.threshold < 1
        ids_ok = min(self.detector_id, self.face_class, self.classifier_id) >= 0
        if not numbers_ok or not ids_ok or self.detector_id == self.classifier_id:
            raise UsageError(
                "impossible options for DeepStream",
                expected="sizes and batch of 1 or more, a threshold from 0 to below 1, different ids of 0 or more",
                found=self,
            )
        if self.precision not in _NETWORK_MODE:
            raise UsageError(
                "nvinfer does not build this engine from a graph",
                expected="fp32 or fp16",
                found=self.precision.value,
                fix="build an INT8 engine with trtexec, and name it as model-engine-file",
            )


def export_deepstream(bundle: ModelBundle, output: Path, options: DeepStreamOptions) -> NvinferProof:
    """Write the folder, after the derived graph has been proved to equal the bundle's.

    Args:
        bundle: A bundle with its fused graph and golden vectors.
        output: The folder; files of the same names are replaced.
        options: How the classifier stands in a pipeline.

    Returns:
        The proof.

    Raises:
        BundleError: The bundle has no fused graph.
        EngineBuildError: The graph cannot be brought into the form that ``nvinfer`` needs.
        ParityError: The derived graph differs from the bundle's; nothing is written.
        MissingDependencyError: ``onnx`` or ``onnxruntime`` is not installed.
    """
    onnx = import_onnx()
    manifest = bundle.manifest
    model = onnx.load(bundle.artifact_path(ArtifactKind.ONNX_FP32))
    golden = GoldenVectors.read(bundle.artifact_path(ArtifactKind.GOLDEN))
    derived = nvinfer_graph(model, manifest, options.face_size_px)
    set_metadata(derived, {"fsrfer.nvinfer": json.dumps({"face_size_px": options.face_size_px})})
    proof = prove(derived, model, manifest, golden, options.face_size_px)
    with atomic_path(output / GRAPH_FILE) as temporary:
        onnx.save(derived, temporary)
    for name, text in _texts(manifest, options).items():
        write_text(output / name, text)
    return proof


def nvinfer_properties(manifest: BundleManifest, options: DeepStreamOptions) -> dict[str, str]:
    """Return the ``[property]`` group of ``nvinfer``'s configuration file, as text by key.

    Keys and values after NVIDIA's manual of Gst-nvinfer and ``gstnvinfer_property_parser.h``.
    """
    spec = manifest.preprocess
    precision = options.precision.value
    return {
        "gpu-id": "0",
        "onnx-file": GRAPH_FILE,
        "model-engine-file": f"{GRAPH_FILE}_b{options.batch}_gpu0_{precision}.engine",
        "labelfile-path": LABELS_FILE,
        "batch-size": str(options.batch),
        "network-mode": str(_NETWORK_MODE[options.precision]),
        "network-type": "1",
        "process-mode": "2",
        "gie-unique-id": str(options.classifier_id),
        "operate-on-gie-id": str(options.detector_id),
        "operate-on-class-ids": str(options.face_class),
        "infer-dims": f"{spec.channels};{spec.height};{spec.width}",
        "model-color-format": str(_COLOR_FORMAT[spec.color]),
        "net-scale-factor": "1",
        "offsets": ";".join(["0"] * spec.channels),
        "maintain-aspect-ratio": "1",
        "symmetric-padding": "1",
        "scaling-filter": str(_CUBIC_ON_GPU),
        "scaling-compute-hw": "1",
        "input-object-min-width": str(options.min_face_px),
        "input-object-min-height": str(options.min_face_px),
        "secondary-reinfer-interval": "0",
        "classifier-async-mode": "0",
        "classifier-type": "expression",
        "classifier-threshold": f"{options.threshold:g}",
        "output-blob-names": manifest.graph.probabilities_output,
    }


def _texts(manifest: BundleManifest, options: DeepStreamOptions) -> Mapping[str, str]:
    values = {
        "name": manifest.name,
        "graph": GRAPH_FILE,
        "labels": LABELS_FILE,
        "classifier": CLASSIFIER_FILE,
        "app": APP_FILE,
        "pipeline": PIPELINE_FILE,
        "margin": f"{manifest.preprocess.crop_margin:g}",
        "batch": str(options.batch),
        "face_size": f"{options.face_size_px:g}",
        "min_face": str(options.min_face_px),
        "detector_id": str(options.detector_id),
        "face_class": str(options.face_class),
        "classifier_id": str(options.classifier_id),
        "precision": options.precision.value,
    }
    properties = "\n".join(f"{key}={value}" for key, value in nvinfer_properties(manifest, options).items())
    filled = partial(_filled, values)
    return {
        # One line an output, its labels apart by semicolons, is how nvinfer reads the labels of a classifier.
        LABELS_FILE: ";".join(manifest.labels) + "\n",
        CLASSIFIER_FILE: f"{filled('classifier')}[property]\n{properties}\n",
        APP_FILE: filled("app"),
        PIPELINE_FILE: filled("pipeline"),
        README_FILE: filled("readme"),
    }


def _filled(values: Mapping[str, str], name: str) -> str:
    template = resources.files(__package__) / "deepstream_files" / f"{name}.template"
    return Template(template.read_text(encoding="utf-8")).substitute(values)
