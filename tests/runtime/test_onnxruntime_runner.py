"""ONNX Runtime behind the runner's contract."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from fsrfer.core.bundle import ArtifactKind
from fsrfer.core.errors import BackendUnavailableError, EngineBuildError, InputSpecError
from fsrfer.runtime import OnnxRuntimeRunner, SessionOptions, onnxruntime_runner


@pytest.fixture
def graph(make_bundle, tmp_path):
    return make_bundle(tmp_path / "bundle", size=24).artifact_path(ArtifactKind.ONNX_FP32)


def faces(count: int, size: int = 24) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 3, size, size), dtype=np.uint8)


def test_it_says_what_the_graph_takes_and_gives(graph):
    with OnnxRuntimeRunner(graph) as runner:
        assert runner.inputs["faces"].describe() == "uint8 (?, 3, 24, 24)"
        assert runner.outputs["logits"].describe() == "float32 (?, 3)"
        assert list(runner.outputs) == ["logits", "probabilities"]
        assert runner.provider == "CPUExecutionProvider"


def test_it_equals_a_plain_session(graph):
    batch = faces(5)
    expected = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"]).run(None, {"faces": batch})
    with OnnxRuntimeRunner(graph) as runner:
        result = runner.infer({"faces": batch})
    np.testing.assert_array_equal(result["logits"], expected[0])
    np.testing.assert_array_equal(result["probabilities"], expected[1])


def test_a_graph_may_come_as_bytes(graph):
    with OnnxRuntimeRunner(graph.read_bytes()) as runner:
        assert runner.infer({"faces": faces(2)})["logits"].shape == (2, 3)


def test_results_belong_to_the_caller(graph):
    with OnnxRuntimeRunner(graph) as runner:
        first = runner.infer({"faces": faces(2)})["logits"]
        kept = first.copy()
        runner.infer({"faces": 255 - faces(2)})
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize(
    "feed",
    [
        {},
        {"faces": faces(1), "extra": faces(1)},
        {"face": faces(1)},
        {"faces": faces(1).astype(np.float32)},
        {"faces": faces(1, size=25)},
        {"faces": faces(1)[0]},
    ],
    ids=["nothing", "too much", "other name", "dtype", "size", "no batch axis"],
)
def test_a_wrong_feed_is_refused_before_the_graph_runs(graph, feed):
    with OnnxRuntimeRunner(graph) as runner, pytest.raises(InputSpecError, match="wrong input"):
        runner.infer(feed)


def test_a_provider_that_is_not_there_is_no_silent_fallback(graph):
    with pytest.raises(BackendUnavailableError, match="CUDAExecutionProvider"):
        OnnxRuntimeRunner(graph, SessionOptions(providers=("CUDAExecutionProvider", "CPUExecutionProvider")))


def test_a_broken_graph_is_named(tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a graph")
    with pytest.raises(EngineBuildError, match=r"broken\.onnx"):
        OnnxRuntimeRunner(broken)
    with pytest.raises(EngineBuildError, match=r"absent\.onnx"):
        OnnxRuntimeRunner(tmp_path / "absent.onnx")


def test_a_trace_is_written_where_asked(graph, tmp_path):
    with OnnxRuntimeRunner(graph, SessionOptions(profile_prefix=str(tmp_path / "trace"))) as runner:
        runner.infer({"faces": faces(1)})
        trace = runner.end_profiling()
    assert trace.parent == tmp_path
    assert "Conv" in trace.read_text()


def quantised_convolution(weight: np.ndarray) -> bytes:
    """A convolution of uint8 activations and int8 weights, as the graphs for CPUs have it."""

    def scalar(name, value, dtype):
        return numpy_helper.from_array(np.array(value, dtype), name)

    weights = [
        scalar("x_scale", 1 / 255, np.float32),
        scalar("x_zero", 0, np.uint8),
        numpy_helper.from_array(weight, "w"),
        numpy_helper.from_array(np.full(len(weight), 1 / 127, np.float32), "w_scale"),
        numpy_helper.from_array(np.zeros(len(weight), np.int8), "w_zero"),
        scalar("y_scale", 1.0, np.float32),
        scalar("y_zero", 0, np.uint8),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "x_scale", "x_zero"], ["x_q"]),
        helper.make_node("DequantizeLinear", ["x_q", "x_scale", "x_zero"], ["x_f"]),
        helper.make_node("DequantizeLinear", ["w", "w_scale", "w_zero"], ["w_f"], axis=0),
        helper.make_node("Conv", ["x_f", "w_f"], ["y_f"], kernel_shape=[3, 3]),
        helper.make_node("QuantizeLinear", ["y_f", "y_scale", "y_zero"], ["y_q"]),
        helper.make_node("DequantizeLinear", ["y_q", "y_scale", "y_zero"], ["y"]),
    ]
    size = [None, weight.shape[1], 8, 8]
    graph = helper.make_graph(
        nodes,
        "quantised",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, size)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, len(weight), 6, 6])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


@pytest.mark.parametrize("channels", [16, 32, 64])
def test_large_numbers_do_not_saturate_in_int8_whatever_the_processor(channels):
    # Two products of 255 and 127 exceed 16 bits: processors without VNNI would lose what is above.
    with OnnxRuntimeRunner(quantised_convolution(np.full((8, channels, 3, 3), 127, np.int8))) as runner:
        found = runner.infer({"x": np.ones((1, channels, 8, 8), np.float32)})["y"]
    expected = min(9 * channels, 255)
    assert np.unique(found).tolist() == [expected]


@pytest.mark.parametrize("may_saturate", [True, False])
def test_exact_products_are_asked_for_only_where_they_saturate(monkeypatch, may_saturate):
    monkeypatch.setattr(onnxruntime_runner, "may_saturate_int8", lambda: may_saturate)
    options = onnxruntime.SessionOptions()
    onnxruntime_runner.keep_int8_exact(options)
    name, value = onnxruntime_runner.EXACT_INT8
    if may_saturate:
        assert options.get_session_config_entry(name) == value
    else:
        with pytest.raises(RuntimeError, match=name):
            options.get_session_config_entry(name)
