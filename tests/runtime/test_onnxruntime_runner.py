"""ONNX Runtime behind the runner's contract."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from fsrfer.core.bundle import ArtifactKind
from fsrfer.core.errors import BackendUnavailableError, EngineBuildError, InputSpecError
from fsrfer.runtime import OnnxRuntimeRunner, SessionOptions


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
