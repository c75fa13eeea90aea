"""Explicit Q/DQ graphs: one for TensorRT, one for CPUs, from the same histograms.

No graph serves both. TensorRT takes symmetric int8 activations only. ONNX Runtime computes uint8 activations with int8
weights in one instruction (VNNI, and its relatives on Arm) and is two to three times faster with them.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .onnx_packages import import_onnx, import_quantization
from .quantization_plan import COMPUTE_OPS, ELEMENTWISE_OPS, QuantizationPlan
from .range_methods import Ranges

if TYPE_CHECKING:
    import onnx


def quantize_for_tensorrt(model: onnx.ModelProto, plan: QuantizationPlan, ranges: Ranges) -> onnx.ModelProto:
    """Return a graph with symmetric int8 activations and int8 weights, one scale an output channel.

    Q/DQ pairs stand in front of what convolutions read, not behind them: TensorRT fuses activation, shortcut and
    requantisation into the convolution. Biases stay float; TensorRT refuses int32 ones.

    Args:
        model: Floating-point graph, prepared.
        plan: Which nodes to quantise.
        ranges: Range of each activation.
    """
    quant_type = import_quantization("quant_utils").QuantType
    options = {
        "ActivationSymmetric": True,
        "WeightSymmetric": True,
        "QuantizeBias": False,
        "AddQDQPairToWeight": False,
        "DedicatedQDQPair": False,
        "OpTypesToExcludeOutputQuantization": sorted(COMPUTE_OPS),
    }
    quantizer = _quantizer(model, plan.compute, ranges, quant_type.QInt8, options)
    for tensor in plan.residual_skips:
        quantizer.quantize_activation_tensor(tensor)
    return _finished(quantizer)


def quantize_for_cpu(model: onnx.ModelProto, plan: QuantizationPlan, ranges: Ranges) -> onnx.ModelProto:
    """Return a graph with uint8 activations and int8 weights, one scale an output channel.

    Everything that works on feature maps is quantised, so that the whole trunk stays in integers; ReLUs vanish into
    the ranges of what precedes them.

    Args:
        model: Floating-point graph, prepared.
        plan: Which nodes to quantise.
        ranges: Range of each activation.
    """
    quant_type = import_quantization("quant_utils").QuantType
    return _finished(_quantizer(model, [*plan.compute, *plan.elementwise], ranges, quant_type.QUInt8, {}))


def _quantizer(
    model: onnx.ModelProto, nodes: Sequence[str], ranges: Ranges, activation_type: Any, options: dict[str, Any]
) -> Any:
    calibrate = import_quantization("calibrate")
    pairs = {name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.items()}
    return import_quantization("qdq_quantizer").QDQQuantizer(
        copy.deepcopy(model),
        per_channel=True,
        reduce_range=False,
        weight_qType=import_quantization("quant_utils").QuantType.QInt8,
        activation_qType=activation_type,
        tensors_range=calibrate.TensorsData(calibrate.CalibrationMethod.MinMax, pairs),
        nodes_to_quantize=list(nodes),
        nodes_to_exclude=[],
        op_types_to_quantize=sorted(COMPUTE_OPS | ELEMENTWISE_OPS),
        extra_options=options,
    )


def _finished(quantizer: Any) -> onnx.ModelProto:
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    model: onnx.ModelProto = quantizer.model.model
    used = {node.domain for node in model.graph.node}
    imports = [entry for entry in model.opset_import if entry.domain in used or entry.domain == ""]
    del model.opset_import[:]
    model.opset_import.extend(imports)
    import_onnx().checker.check_model(model, full_check=True)
    return model
