"""Names that a person knows."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from fsrfer.export.node_names import name_nodes


def graph_of(*nodes):
    shape = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])
    weight = numpy_helper.from_array(np.zeros((4, 4), np.float32), "network.classifier.predict.weight")
    return helper.make_model(helper.make_graph(list(nodes), "g", [shape], [result], [weight]))


def node(op, inputs, output, scopes=None):
    made = helper.make_node(op, inputs, [output], name=f"node_{output}", doc_string="written by")
    if scopes is not None:
        made.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=repr(scopes))
        made.metadata_props.add(key="pkg.torch.onnx.stack_trace", value='File "/home/somebody/model.py", line 3')
    return made


def test_nodes_are_called_after_their_modules():
    model = graph_of(
        node("Relu", ["x"], "a", ["", "network", "network.generator", "relu"]),
        node("Relu", ["a"], "b", ["", "network", "network.generator", "relu_1"]),
        node("Gemm", ["b", "network.classifier.predict.weight"], "c", ["", "network", "network.classifier", "linear"]),
        node("Softmax", ["c"], "d", ["", "softmax"]),
        node("Identity", ["d"], "y"),
    )
    name_nodes(model)
    names = [one.name for one in model.graph.node]
    assert names == ["generator.relu", "generator.relu_2", "classifier.predict", "softmax", "identity"]


def test_nothing_of_the_machine_stays():
    model = graph_of(node("Relu", ["x"], "y", ["", "network", "relu"]))
    model.metadata_props.add(key="pkg.torch.export.graph", value="/home/somebody")
    model.graph.input[0].metadata_props.add(key="pkg.torch", value="/home/somebody")
    name_nodes(model)
    assert b"/home/" not in model.SerializeToString()
    assert b"written by" not in model.SerializeToString()
