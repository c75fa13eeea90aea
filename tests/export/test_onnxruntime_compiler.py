"""Graphs that ONNX Runtime optimised once."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core import Backend, Precision
from fsrfer.core.errors import EngineBuildError
from fsrfer.export.engine_config import EngineBuildConfig
from fsrfer.export.onnxruntime_compiler import OnnxRuntimeCompiler
from fsrfer.runtime import OnnxRuntimeRunner, SessionOptions

CONFIG = EngineBuildConfig(Backend.ONNXRUNTIME)


def test_the_optimised_graph_gives_the_same_numbers_without_optimising(networks, tmp_path):
    import onnx

    source, target = tmp_path / "model.onnx", tmp_path / "engine.onnx"
    onnx.save(networks.residual_model(), source)
    steps = []
    OnnxRuntimeCompiler().compile(source, target, CONFIG, lambda *step: steps.append(step))
    faces = np.random.default_rng(0).integers(0, 256, (5, 3, 24, 24), dtype=np.uint8)
    with OnnxRuntimeRunner(source) as plain, OnnxRuntimeRunner(target, SessionOptions(optimize=False)) as engine:
        assert np.allclose(plain.infer({"faces": faces})["logits"], engine.infer({"faces": faces})["logits"], atol=1e-5)
    assert steps == [("Optimising the graph", 0, 1), ("Optimising the graph", 1, 1)]
    assert len(onnx.load(target).graph.node) < len(onnx.load(source).graph.node)


def test_a_broken_graph_is_refused(tmp_path):
    source = tmp_path / "model.onnx"
    source.write_bytes(b"no graph")
    with pytest.raises(EngineBuildError, match="cannot load"):
        OnnxRuntimeCompiler().compile(source, tmp_path / "engine.onnx", CONFIG, None)


def test_int8_is_compiled_from_the_graph_for_cpus():
    compiler = OnnxRuntimeCompiler()
    assert compiler.source(EngineBuildConfig(Backend.ONNXRUNTIME, Precision.INT8)).value == "onnx-int8-cpu"
    assert compiler.source(CONFIG).value == "onnx-fp32"
