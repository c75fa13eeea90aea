"""Graphs for TensorRT 8.6."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from fsrfer.core.errors import EngineBuildError
from fsrfer.export.older_opset import to_opset_17


def model_of(*nodes, weights=(), outputs=(("y", ("N", 4, 6, 6)),)):
    source = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4, 6, 6])
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights]
    graph = helper.make_graph(list(nodes), "g", [source], results, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(model):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": np.random.default_rng(0).normal(size=(2, 4, 6, 6)).astype(np.float32)})


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("operator", ["ReduceMean", "ReduceMax"])
def test_reductions_compute_the_same(operator, keepdims):
    reduce = helper.make_node(operator, ["x", "axes"], ["y"], keepdims=keepdims)
    shape = ("N", 4, 1, 1) if keepdims else ("N", 4)
    model = model_of(reduce, weights=[("axes", np.array([2, 3], np.int64))], outputs=[("y", shape)])
    before = run(model)
    to_opset_17(model)
    assert [entry.version for entry in model.opset_import] == [17]
    assert not model.graph.initializer
    np.testing.assert_array_equal(run(model)[0], before[0])


def test_a_reduction_over_everything_is_left():
    model = model_of(helper.make_node("ReduceMean", ["x"], ["y"], keepdims=0), outputs=[("y", ())])
    before = run(model)
    to_opset_17(model)
    np.testing.assert_array_equal(run(model)[0], before[0])


def test_splits_compute_the_same():
    equal = helper.make_node("Split", ["x"], ["a", "b"], axis=1, num_outputs=2)
    given = helper.make_node("Split", ["b", "sizes"], ["y", "z"], axis=2)
    outputs = [("a", ("N", 2, 6, 6)), ("y", ("N", 2, 2, 6)), ("z", ("N", 2, 4, 6))]
    model = model_of(equal, given, weights=[("sizes", np.array([2, 4], np.int64))], outputs=outputs)
    before = run(model)
    to_opset_17(model)
    for one, other in zip(run(model), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_not_rewritten_is_refused():
    pad = helper.make_node("Pad", ["x", "pads"], ["y"], name="pad_1")
    model = model_of(pad, weights=[("pads", np.zeros(8, np.int64))])
    with pytest.raises(EngineBuildError, match=r"Pad pad_1 cannot be written for operator set 17.*--opset 18"):
        to_opset_17(model)


def test_computed_axes_are_refused():
    shape = helper.make_node("Shape", ["x"], ["axes"], start=0, end=1)
    model = model_of(shape, helper.make_node("ReduceMean", ["x", "axes"], ["y"], name="mean"))
    with pytest.raises(EngineBuildError, match="axes of ReduceMean mean are computed"):
        to_opset_17(model)
