"""ONNX Runtime's traces, real and damaged."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fsrfer.core.errors import EngineBuildError
from fsrfer.runtime.onnxruntime_runner import OnnxRuntimeRunner, SessionOptions
from fsrfer.runtime.profiling.trace import read_trace
from fsrfer.runtime.profiling.workload import face_crops, ready_feed


@pytest.fixture(scope="module")
def trace_file(make_bundle, tmp_path_factory):
    pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("trace")
    bundle = make_bundle(folder / "bundle")
    options = SessionOptions(threads=1, profile_prefix=str(folder / "trace"))
    with OnnxRuntimeRunner(bundle.path / "model.onnx", options) as runner:
        for _ in range(5):
            runner.infer(ready_feed(face_crops(3), bundle.manifest))
        return runner.end_profiling()


def test_every_node_has_a_time_in_every_run(trace_file):
    trace = read_trace(trace_file)
    assert trace.node_ms.shape == (5, len(trace.nodes))
    assert trace.whole_ms.shape == (5,)
    assert (trace.node_ms.sum(axis=1) <= trace.whole_ms).all()
    assert {node.operator for node in trace.nodes} >= {"Conv", "Softmax"}
    conv = next(node for node in trace.nodes if node.operator == "Conv")
    assert conv.output_bytes >= 4 * 3 * 4 * 12 * 12  # vector units may want more channels than there are
    assert conv.input_bytes >= 4 * 3 * 3 * 24 * 24


def test_runs_that_warmed_up_are_left_out(trace_file):
    whole, later = read_trace(trace_file), read_trace(trace_file, skip=2)
    assert np.array_equal(later.node_ms, whole.node_ms[2:])
    assert later.nodes == whole.nodes


def test_a_trace_without_a_run_is_refused(trace_file):
    with pytest.raises(EngineBuildError, match="more than 5 runs"):
        read_trace(trace_file, skip=5)


def test_runs_of_different_nodes_are_refused(trace_file, tmp_path):
    events = json.loads(trace_file.read_text())
    kernels = [event for event in events if event["name"].endswith("_kernel_time")]
    kernels[-1]["name"] = "other_kernel_time"
    (tmp_path / "trace.json").write_text(json.dumps(events))
    with pytest.raises(EngineBuildError, match="the same nodes"):
        read_trace(tmp_path / "trace.json")
    events.remove(kernels[-1])
    (tmp_path / "trace.json").write_text(json.dumps(events))
    with pytest.raises(EngineBuildError, match="executed nodes"):
        read_trace(tmp_path / "trace.json")
