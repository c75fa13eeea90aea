"""A folder for DeepStream: the derived graph equals the bundle's, and every file says what DeepStream understands."""

from __future__ import annotations

import configparser
import importlib.util
import json
import subprocess
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from fsrfer.core import ArtifactKind, ModelBundle
from fsrfer.core.crop import square_boxes
from fsrfer.core.errors import BundleError, EngineBuildError, ParityError, UsageError
from fsrfer.core.golden import GoldenVectors
from fsrfer.core.options import Precision
from fsrfer.core.predictions import softmax
from fsrfer.core.temperature import temperatures_for
from fsrfer.export.deepstream import (
    APP_FILE,
    CLASSIFIER_FILE,
    GRAPH_FILE,
    LABELS_FILE,
    PIPELINE_FILE,
    README_FILE,
    DeepStreamOptions,
    export_deepstream,
)
from fsrfer.export.golden import golden_vectors
from fsrfer.export.nvinfer_graph import nvinfer_graph, prove
from fsrfer.runtime import OnnxRuntimeRunner
from fsrfer.runtime.classifier import ExpressionClassifier
from fsrfer.runtime.shipped import default_bundle_path

NVINFER_KEYS = {
    # CONFIG_GROUP_INFER_* of NVIDIA's sources/gst-plugins/gst-nvinfer/gstnvinfer_property_parser.h, which the manual
    # describes at https://docs.nvidia.com/metropolis/deepstream/dev-guide/text/DS_plugin_gst-nvinfer.html
    "gie-unique-id",
    "process-mode",
    "interval",
    "labelfile-path",
    "gpu-id",
    "secondary-reinfer-interval",
    "output-tensor-meta",
    "enable-dla",
    "use-dla-core",
    "batch-size",
    "tensor-meta-pool-size",
    "network-mode",
    "model-engine-file",
    "int8-calib-file",
    "workspace-size",
    "output-blob-names",
    "is-classifier",
    "network-type",
    "force-implicit-batch-dim",
    "infer-dims",
    "output-io-formats",
    "layer-device-precision",
    "model-color-format",
    "net-scale-factor",
    "offsets",
    "mean-file",
    "maintain-aspect-ratio",
    "symmetric-padding",
    "scaling-filter",
    "scaling-compute-hw",
    "network-input-order",
    "input-tensor-from-meta",
    "custom-lib-path",
    "parse-bbox-func-name",
    "parse-bbox-instance-mask-func-name",
    "engine-create-func-name",
    "parse-classifier-func-name",
    "custom-network-config",
    "model-file",
    "proto-file",
    "uff-file",
    "uff-input-order",
    "input-dims",
    "uff-input-dims",
    "uff-input-blob-name",
    "tlt-encoded-model",
    "tlt-model-key",
    "onnx-file",
    "num-detected-classes",
    "enable-dbscan",
    "cluster-mode",
    "classifier-type",
    "classifier-threshold",
    "classifier-async-mode",
    "segmentation-threshold",
    "segmentation-output-order",
    "output-instance-mask",
    "input-object-min-width",
    "input-object-min-height",
    "input-object-max-width",
    "input-object-max-height",
    "operate-on-gie-id",
    "operate-on-class-ids",
    "filter-out-class-ids",
}


@pytest.fixture(scope="module")
def shipped() -> ModelBundle:
    return ModelBundle.load(default_bundle_path())


@pytest.fixture(scope="module")
def folder(shipped, tmp_path_factory):
    output = tmp_path_factory.mktemp("deepstream") / "out"
    export_deepstream(shipped, output, DeepStreamOptions(face_size_px=12.0, batch=8, min_face_px=10, threshold=0.4))
    return output


@pytest.fixture(scope="module")
def pipeline(folder):
    spec = importlib.util.spec_from_file_location("exported_pipeline", folder / PIPELINE_FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def with_golden(bundle: ModelBundle) -> ModelBundle:
    model = onnx.load(bundle.artifact_path(ArtifactKind.ONNX_FP32))
    return bundle.store(ArtifactKind.GOLDEN, golden_vectors(model, bundle.manifest).write)


def probabilities(graph: bytes, faces: np.ndarray) -> np.ndarray:
    with OnnxRuntimeRunner(graph) as runner:
        return runner.infer({"faces": faces.astype(np.float32)})["probabilities"]


@pytest.mark.parametrize("face_size", [8.0, 16.0, 48.0])
@pytest.mark.parametrize("count", [1, 7])
def test_the_graph_is_the_bundles_at_its_face_size(shipped, face_size, count):
    model = onnx.load(shipped.artifact_path(ArtifactKind.ONNX_FP32))
    derived = nvinfer_graph(model, shipped.manifest, face_size)
    faces = np.random.default_rng(count).integers(0, 256, (count, 1, 48, 48), dtype=np.uint8)
    sizes = np.full(count, face_size, np.float32)
    with ExpressionClassifier(OnnxRuntimeRunner(model.SerializeToString()), shipped.manifest) as classifier:
        logits = classifier.logits(faces, sizes)
    temperature = temperatures_for(sizes, shipped.manifest.temperatures)
    assert len(set(np.round(temperature, 4))) == 1
    assert temperature[0] != 1.0
    expected = softmax(logits / temperature[:, None])
    np.testing.assert_allclose(probabilities(derived.SerializeToString(), faces), expected, atol=1e-5)


def test_the_graph_has_one_float_input_and_one_output(folder, shipped):
    model = onnx.load(folder / GRAPH_FILE)
    (image,), (output,) = model.graph.input, model.graph.output
    assert (image.name, image.type.tensor_type.elem_type) == ("faces", TensorProto.FLOAT)
    assert [axis.dim_value for axis in image.type.tensor_type.shape.dim[1:]] == [1, 48, 48]
    assert image.type.tensor_type.shape.dim[0].dim_param
    assert (output.name, output.type.tensor_type.elem_type) == ("probabilities", TensorProto.FLOAT)
    # TensorRT reads no uint8 inside a graph.
    assert not [
        node for node in model.graph.node if node.op_type == "Cast" and node.attribute[0].i == TensorProto.UINT8
    ]
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(metadata["fsrfer.nvinfer"]) == {"face_size_px": 12.0}
    assert json.loads(metadata["fsrfer.labels"]) == list(shipped.manifest.labels)


def test_tensorrt_rtx_builds_the_graph(folder):
    """The one TensorRT that compiles without a GPU; DeepStream has the other, and the same parser."""
    trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed")
    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, trt.Logger(trt.Logger.ERROR))
    assert parser.parse((folder / GRAPH_FILE).read_bytes()), parser.get_error(0).desc()
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    profile.set_shape("faces", (1, 1, 48, 48), (8, 1, 48, 48), (8, 1, 48, 48))
    config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    assert engine is not None
    assert engine.nbytes > 1_000_000


@pytest.mark.parametrize("conditioned", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_bundle_has_its_folder(make_bundle, tmp_path, conditioned, channels):
    bundle = with_golden(make_bundle(tmp_path / "bundle", conditioned=conditioned, channels=channels))
    proof = export_deepstream(bundle, tmp_path / "out", DeepStreamOptions(precision=Precision.FP32))
    assert proof.faces == 10
    assert proof.max_error < 1e-5
    properties = read(tmp_path / "out" / CLASSIFIER_FILE)["property"]
    assert properties["model-color-format"] == {1: "2", 3: "0"}[channels]
    assert properties["offsets"] == ";".join("0" * channels)
    assert properties["infer-dims"] == f"{channels};24;24"
    assert properties["network-mode"] == "0"


def read(path) -> configparser.ConfigParser:
    # What GLib's key files and this parser agree on: comments have lines of their own, keys are not repeated.
    parser = configparser.ConfigParser(interpolation=None, comment_prefixes=("#",), inline_comment_prefixes=None)
    parser.optionxform = str
    parser.read_string(path.read_text())
    return parser


def test_nvinfers_configuration_has_known_keys_and_fits_the_graph(folder):
    parsed = read(folder / CLASSIFIER_FILE)
    assert parsed.sections() == ["property"]
    properties = dict(parsed["property"])
    assert set(properties) <= NVINFER_KEYS
    model = onnx.load(folder / properties["onnx-file"])
    assert properties["output-blob-names"] == model.graph.output[0].name
    shape = model.graph.input[0].type.tensor_type.shape
    assert [int(side) for side in properties["infer-dims"].split(";")] == [axis.dim_value for axis in shape.dim[1:]]
    # Pixels reach the graph as they are.
    assert (float(properties["net-scale-factor"]), properties["offsets"]) == (1.0, "0")
    # A classifier of objects, in every frame, by cubic interpolation on the GPU.
    assert (properties["network-type"], properties["process-mode"]) == ("1", "2")
    assert (properties["secondary-reinfer-interval"], properties["classifier-async-mode"]) == ("0", "0")
    assert (properties["scaling-filter"], properties["scaling-compute-hw"]) == ("2", "1")
    assert (properties["maintain-aspect-ratio"], properties["symmetric-padding"]) == ("1", "1")
    assert (properties["input-object-min-width"], properties["input-object-min-height"]) == ("10", "10")
    assert (properties["classifier-threshold"], properties["batch-size"]) == ("0.4", "8")
    assert properties["model-engine-file"] == f"{GRAPH_FILE}_b8_gpu0_fp16.engine"


def test_labels_are_one_line_in_the_order_of_the_probabilities(folder, shipped):
    labels = read(folder / CLASSIFIER_FILE)["property"]["labelfile-path"]
    assert labels == LABELS_FILE
    lines = (folder / labels).read_text().splitlines()
    assert [line.split(";") for line in lines] == [list(shipped.manifest.labels)]


def test_the_applications_configuration_names_the_classifier_behind_detector_and_tracker(folder):
    parsed = read(folder / APP_FILE)
    sections = parsed.sections()
    assert sections.index("primary-gie") < sections.index("tracker") < sections.index("secondary-gie0")
    secondary, classifier = parsed["secondary-gie0"], read(folder / CLASSIFIER_FILE)["property"]
    assert (folder / secondary["config-file"]).is_file()
    for key in ("gie-unique-id", "operate-on-gie-id", "operate-on-class-ids", "batch-size"):
        assert secondary[key] == classifier[key]
    assert parsed["primary-gie"]["gie-unique-id"] == classifier["operate-on-gie-id"]
    assert int(parsed["streammux"]["batched-push-timeout"]) > 0


def test_nothing_is_left_to_fill_in_but_what_the_user_brings(folder):
    for name in (CLASSIFIER_FILE, APP_FILE, PIPELINE_FILE, README_FILE):
        assert "$" not in (folder / name).read_text(), name
    text = (folder / README_FILE).read_text()
    assert all(f"`{name}`" in text for name in (GRAPH_FILE, LABELS_FILE, CLASSIFIER_FILE, PIPELINE_FILE, APP_FILE))


boxes = st.tuples(st.floats(0, 1800), st.floats(0, 1000), st.floats(4, 300), st.floats(4, 300))


@given(boxes)
def test_widened_boxes_are_even_squares_inside_the_frame(pipeline, box):
    left, top, width, height = pipeline.widened(*box, 1920, 1080)
    assert width == height
    assert all(value == int(value) and value % 2 == 0 for value in (left, top, width, height))
    assert left >= 0
    assert top >= 0
    assert left + width <= 1920
    assert top + height <= 1080


@given(st.tuples(st.floats(400, 1400), st.floats(400, 600), st.floats(4, 300), st.floats(4, 300)))
def test_widened_boxes_are_the_crops_of_serving_up_to_even_pixels(pipeline, box):
    left, top, width, height = pipeline.widened(*box, 1920, 1080)
    corners = np.array([[box[0], box[1], box[0] + box[2], box[1] + box[3]]], np.float32)
    expected = square_boxes(corners, 0.1)[0]
    found = np.array([left, top, left + width, top + height])
    assert np.abs(found - expected).max() <= 2


def test_a_box_larger_than_the_frame_becomes_what_there_is(pipeline):
    assert pipeline.widened(0, 0, 640, 480, 641, 361) == (140, 0, 360, 360)


def test_the_pipeline_is_printed_without_deepstream(folder):
    done = subprocess.run(
        [
            sys.executable,
            folder / PIPELINE_FILE,
            "--detector",
            "faces.txt",
            "--print-pipeline",
            "rtsp://a/1",
            'file:///b c ! d"e',
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    text = done.stdout.strip()
    assert text.startswith("nvstreammux name=mux batch-size=2 ")
    assert " live-source=1 " in text
    order = [text.index(part) for part in ('nvinfer config-file-path="faces.txt"', "nvtracker", "name=expression")]
    assert order == sorted(order)
    assert str(folder / CLASSIFIER_FILE) in text
    assert 'uridecodebin uri="rtsp://a/1" ! mux.sink_0' in text
    assert r'uridecodebin uri="file:///b c ! d\"e" ! mux.sink_1' in text


class Cell:
    def __init__(self, data, following):
        self.data, self._following = data, following

    @property
    def next(self):
        if self._following is None:
            raise StopIteration
        return self._following


class FakeMeta:
    """DeepStream's metadata as its Python bindings show it: lists of cells, of which the last raises at its next.

    The bindings do not install without DeepStream; their names and shapes are those of NVIDIA's deepstream_python_apps.
    """

    UNTRACKED = 2**64 - 1

    def __init__(self, frames):
        self.batch = SimpleNamespace(frame_meta_list=self.linked(frames))
        same = SimpleNamespace(cast=lambda data: data)
        self.NvDsFrameMeta = self.NvDsObjectMeta = self.NvDsClassifierMeta = self.NvDsLabelInfo = same

    def gst_buffer_get_nvds_batch_meta(self, buffer):
        return self.batch

    @staticmethod
    def linked(items):
        cell = None
        for item in reversed(items):
            cell = Cell(item, cell)
        return cell


def face_meta(box, label=None, *, detector=1):
    rect = SimpleNamespace(**dict(zip(("left", "top", "width", "height"), box, strict=True)))
    labels = FakeMeta.linked([SimpleNamespace(result_label=label, result_prob=0.75)]) if label else None
    found = FakeMeta.linked([SimpleNamespace(unique_component_id=2, label_info_list=labels)]) if label else None
    return SimpleNamespace(
        unique_component_id=detector,
        class_id=0,
        object_id=FakeMeta.UNTRACKED,
        rect_params=rect,
        classifier_meta_list=found,
    )


def test_boxes_are_widened_before_the_classifier_and_put_back_behind_it(pipeline, capsys):
    # The second is less high than the 10 px that are read: nvinfer has to see that, and not a crop of 14 px.
    given_boxes = [(100.0, 100.0, 20.0, 30.0), (301.0, 52.0, 12.0, 9.0), (7.0, 8.0, 10.0, 10.0)]
    faces = [face_meta(box, label) for box, label in zip(given_boxes, ("fear", None, "anger"), strict=True)]
    stranger = face_meta((1.0, 2.0, 3.0, 4.0), detector=9)
    frames = [
        SimpleNamespace(
            pad_index=0, frame_num=5, buf_pts=40, obj_meta_list=FakeMeta.linked([faces[0], stranger, faces[1]])
        ),
        SimpleNamespace(pad_index=1, frame_num=5, buf_pts=41, obj_meta_list=FakeMeta.linked([faces[2]])),
    ]
    gst = SimpleNamespace(PadProbeReturn=SimpleNamespace(OK="ok"))
    crops = pipeline.Crops(gst, FakeMeta(frames))
    info = SimpleNamespace(get_buffer=object)
    assert crops.widen(None, info) == "ok"
    for face, box in zip(faces, given_boxes, strict=True):
        left_as_it_is = box == given_boxes[1]
        seen = box if left_as_it_is else pipeline.widened(*box, 1920, 1080)
        assert tuple(vars(face.rect_params).values()) == seen
        assert (min(seen[2:]) < 10) == left_as_it_is
    assert crops.tell(None, info) == "ok"
    assert [tuple(vars(face.rect_params).values()) for face in faces] == given_boxes
    assert tuple(vars(stranger.rect_params).values()) == (1.0, 2.0, 3.0, 4.0)
    assert not crops.boxes
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["source"], line["expression"], line["box"]) for line in lines] == [
        (0, "fear", list(given_boxes[0])),
        (1, "anger", list(given_boxes[2])),
    ]


def test_what_nvinfer_makes_of_a_crop_is_read_almost_alike(folder, shipped):
    """Emulated: cut at even pixels, cubic to the input's size, on the golden faces of even sides."""
    golden = GoldenVectors.read(shipped.artifact_path(ArtifactKind.GOLDEN))
    grey = [crop if crop.ndim == 2 else cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) for crop in golden.crops]
    emulated = np.stack([cv2.resize(crop, (48, 48), interpolation=cv2.INTER_CUBIC) for crop in grey])[:, None]
    graph = (folder / GRAPH_FILE).read_bytes()
    expected, found = probabilities(graph, golden.faces), probabilities(graph, emulated)
    assert np.abs(found - expected).max() < 1e-3
    nearest = np.stack([cv2.resize(crop, (48, 48), interpolation=cv2.INTER_NEAREST) for crop in grey])[:, None]
    assert np.abs(probabilities(graph, nearest) - expected).max() > 0.05  # what a missing scaling-filter would do


def test_a_graph_that_differs_is_not_written(shipped):
    model = onnx.load(shipped.artifact_path(ArtifactKind.ONNX_FP32))
    golden = GoldenVectors.read(shipped.artifact_path(ArtifactKind.GOLDEN))
    with pytest.raises(ParityError, match="graph for nvinfer differs"):
        prove(nvinfer_graph(model, shipped.manifest, 8.0), model, shipped.manifest, golden, 40.0)


def test_a_graph_that_reads_pixels_otherwise_is_refused(make_bundle, tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    model = onnx.load(bundle.artifact_path(ArtifactKind.ONNX_FP32))
    model.graph.node.append(helper.make_node("Shape", ["faces"], ["unused"], name="measure"))
    with pytest.raises(EngineBuildError, match=r"cannot take floats for pixels.*Shape measure"):
        nvinfer_graph(model, bundle.manifest, 16.0)


def test_a_bundle_without_golden_vectors_says_how_to_make_them(make_bundle, tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    with pytest.raises(BundleError, match="fsrfer-export onnx"):
        export_deepstream(bundle, tmp_path / "out", DeepStreamOptions())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"batch": 0}, "impossible options"),
        ({"face_size_px": 0.5}, "impossible options"),
        ({"threshold": 1.0}, "impossible options"),
        ({"detector_id": 2}, "different ids"),
        ({"precision": Precision.INT8}, "trtexec"),
    ],
)
def test_impossible_options_are_refused(changes, told):
    with pytest.raises(UsageError, match=told):
        DeepStreamOptions(**changes)
