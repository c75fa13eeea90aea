"""INT8 graphs of one model with any choice of layers, from ranges that were measured once."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..core.bundle import ArtifactKind, GraphSpec
from .activation_histograms import measure_histograms
from .calibration_set import CalibrationSet
from .int8_config import Int8Config
from .pooled_shortcuts import merge_pooled_shortcuts
from .quantization_plan import QuantizationPlan, plan_quantization, prepared, residual_skips
from .quantize import quantize_for_cpu, quantize_for_tensorrt
from .range_methods import Grid, Ranges, select_ranges

if TYPE_CHECKING:
    import onnx

_LEAST_DEPTH = 16
"""Products in a sum below which a first convolution stays in float on CPUs.

Their instructions add four products of 8 bits at a time and want whole rows of them: the first convolution of a grey
face (nine products) took 3.2 ms in INT8 and 0.5 in float, a tenth of the whole network, and was the layer that INT8
harmed most (docs/engines.md).
"""

INT8_KINDS = (ArtifactKind.ONNX_INT8_TENSORRT, ArtifactKind.ONNX_INT8_CPU)


@dataclass(frozen=True)
class Int8Builder:
    """Makes INT8 graphs.

    Attributes:
        model: The floating-point graph, prepared.
        plan: All that can be quantised.
        ranges: Range of each activation, for both grids.
    """

    model: onnx.ModelProto
    plan: QuantizationPlan
    ranges: dict[Grid, Ranges]

    @classmethod
    def measured(
        cls, source: onnx.ModelProto, names: GraphSpec, faces: CalibrationSet, config: Int8Config
    ) -> Int8Builder:
        """Measure ranges.

        Args:
            source: The fused floating-point graph.
            names: Names of its tensors.
            faces: What to measure on.
            config: Method, and what stays in floating point whatever is chosen.

        Raises:
            CalibrationError: The faces or the options are unusable.
        """
        model = prepared(merge_pooled_shortcuts(source))
        plan = plan_quantization(model, config.keep_float)
        histograms = measure_histograms(model, lambda: faces.feeds(names))
        ranges = {grid: select_ranges(histograms, config.method, grid, config.percentile) for grid in Grid}
        return cls(model, plan, ranges)

    def build(self, kind: ArtifactKind, keep: Collection[str] = ()) -> onnx.ModelProto:
        """Return a graph with all that can be quantised in INT8, but for some nodes.

        Args:
            kind: :data:`INT8_KINDS`: for TensorRT or for CPUs.
            keep: Names of nodes that stay in floating point, with the ReLUs behind them.
        """
        kept = self._with_activations({*keep, *self._shallow(kind)})
        compute = tuple(name for name in self.plan.compute if name not in kept)
        elementwise = tuple(name for name in self.plan.elementwise if name not in kept)
        skips = self.plan.residual_skips if not kept else residual_skips(self.model, compute, elementwise)
        return self._quantized(kind, replace(self.plan, compute=compute, elementwise=elementwise, residual_skips=skips))

    def layers(self, kind: ArtifactKind) -> tuple[str, ...]:
        """Return the names of all nodes that can be chosen for this kind of graph; a ReLU follows what it reads."""
        if kind is ArtifactKind.ONNX_INT8_TENSORRT:
            return self.plan.compute
        rectifiers = {node.name for node in self.model.graph.node if node.op_type == "Relu"}
        left_out = {*rectifiers, *self._shallow(kind)}
        return tuple(name for name in (*self.plan.compute, *self.plan.elementwise) if name not in left_out)

    def build_only(self, kind: ArtifactKind, layer: str) -> onnx.ModelProto:
        """Return a graph with one node in INT8 and all others in floating point."""
        return self.build(kind, set(self.layers(kind)) - {layer})

    def _shallow(self, kind: ArtifactKind) -> set[str]:
        """Return the convolutions that come first and sum up too little to pay in INT8 on a CPU."""
        if kind is not ArtifactKind.ONNX_INT8_CPU:
            return set()
        depths = {tensor.name: math.prod(tensor.dims[1:]) for tensor in self.model.graph.initializer}
        shallow: set[str] = set()
        behind_weights: set[str] = set()
        for node in self.model.graph.node:
            is_first = behind_weights.isdisjoint(node.input)
            if node.name in self.plan.compute and is_first and depths[node.input[1]] < _LEAST_DEPTH:
                shallow.add(node.name)
            if node.name in self.plan.compute or not is_first:
                behind_weights.update(node.output)
        return shallow

    def _with_activations(self, keep: Collection[str]) -> set[str]:
        kept = set(keep)
        floating = {name for node in self.model.graph.node if node.name in kept for name in node.output}
        behind = {n.name for n in self.model.graph.node if n.op_type == "Relu" and not floating.isdisjoint(n.input)}
        return kept | behind

    def _quantized(self, kind: ArtifactKind, plan: QuantizationPlan) -> onnx.ModelProto:
        # In the graph for TensorRT, what lies between the layers follows them.
        if not plan.compute and (kind is ArtifactKind.ONNX_INT8_TENSORRT or not plan.elementwise):
            return self.model
        if kind is ArtifactKind.ONNX_INT8_CPU:
            return quantize_for_cpu(self.model, plan, self.ranges[Grid.UINT8_ASYMMETRIC])
        return quantize_for_tensorrt(self.model, plan, self.ranges[Grid.INT8_SYMMETRIC])
