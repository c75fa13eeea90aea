"""Which forms of a model there are, and which of them run here."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fsrfer.calibration import Int8Config, calibrate_int8
from fsrfer.core import Backend
from fsrfer.core.errors import BundleError
from fsrfer.export.build_engine import build_engine
from fsrfer.export.engine_config import EngineBuildConfig
from fsrfer.export.float16 import export_float16
from fsrfer.export.forms import FP32_GRAPH, forms_of


@pytest.fixture(scope="module")
def bundle(networks, noise, tmp_path_factory):
    written = networks.write_residual_bundle(tmp_path_factory.mktemp("forms") / "bundle", conditioned=True)
    written, _ = export_float16(written)
    return calibrate_int8(written, noise, Int8Config(samples=48, held_out=24, sizes=(24, 12), min_agreement=0.7))


def test_all_graphs_are_forms_the_reference_first(bundle):
    names = [form.name for form in forms_of(bundle)]
    assert names == [FP32_GRAPH, "ONNX FP16", "ONNX INT8 for CPUs", "ONNX INT8 for TensorRT"]


def test_a_form_classifies(bundle):
    faces = np.random.default_rng(0).integers(0, 256, (3, 3, 24, 24), dtype=np.uint8)
    sizes = np.array([24, 12, 8], np.float32)
    with forms_of(bundle)[0].open() as reference, forms_of(bundle)[2].open() as candidate:
        wanted, found = reference(faces, sizes), candidate(faces, sizes)
    assert wanted.shape == found.shape == (3, 4)
    assert 0 < np.abs(wanted - found).max() < 1.0


def test_an_engine_of_this_machine_runs_and_one_of_another_says_why(networks, tmp_path):
    bundle = networks.write_residual_bundle(tmp_path / "bundle")
    build_engine(bundle, EngineBuildConfig(backend=Backend.ONNXRUNTIME))
    assert forms_of(bundle)[-1].open is not None
    record = next((bundle.path / "engines").glob("*.json"))
    value = json.loads(record.read_text())
    record.write_text(json.dumps({**value, "device": "another processor"}))
    form = forms_of(bundle)[-1]
    assert form.open is None
    assert "built for another processor" in form.reason
    record.write_text(json.dumps({**value, "backend": "tensorrt", "device": "Orin"}))
    assert "run on a GPU" in forms_of(bundle)[-1].reason


def test_without_a_reference_there_is_nothing(make_bundle, tmp_path):
    with pytest.raises(BundleError, match="has no onnx-fp32"):
        forms_of(make_bundle(tmp_path / "bundle", kinds=()))
