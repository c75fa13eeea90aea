"""Builds written down for another machine."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from fsrfer.calibration import Int8Config, calibrate_int8
from fsrfer.core import Backend, Precision
from fsrfer.core.errors import BundleError, UsageError
from fsrfer.core.files import sha256_of_file
from fsrfer.export.build_recipe import plan_recipe
from fsrfer.export.engine_config import EngineBuildConfig
from fsrfer.export.float16 import export_float16
from fsrfer.export.older_opset import to_opset_17
from fsrfer.runtime.engine_record import BatchProfile

PROFILE = BatchProfile(1, 4, 8)


@pytest.fixture(scope="module")
def bundle(networks, noise, tmp_path_factory):
    written = networks.write_residual_bundle(tmp_path_factory.mktemp("recipes") / "bundle", conditioned=True)
    calibrated = calibrate_int8(written, noise, Int8Config(samples=24, held_out=12, sizes=(24, 12), min_agreement=0.5))
    return export_float16(calibrated)[0]


def test_a_recipe_names_the_graph_its_hash_and_its_shapes(bundle, tmp_path):
    recipe = plan_recipe(bundle, EngineBuildConfig(Backend.TENSORRT, Precision.INT8, PROFILE))
    assert recipe.graph == "model.int8.onnx"
    assert recipe.graph_sha256 == sha256_of_file(bundle.path / recipe.graph)
    assert recipe.profiles["faces"] == ((1, 3, 24, 24), (4, 3, 24, 24), (8, 3, 24, 24))
    assert recipe.profiles["face_size"] == ((1,), (4,), (8,))
    assert recipe.opset == 18
    recipe.write(tmp_path / "recipe.json")
    assert json.loads((tmp_path / "recipe.json").read_text())["precision"] == "int8"


def test_the_commands_say_all_that_was_asked_for(bundle):
    config = EngineBuildConfig(
        Backend.TENSORRT,
        Precision.FP16,
        BatchProfile(8, 8, 8),
        workspace_mib=256,
        optimization_level=4,
        version_compatible=True,
        dla_core=1,
        gpu_fallback=True,
    )
    recipe = plan_recipe(bundle, config)
    words = shlex.split(recipe.trtexec)
    assert words[0] == "trtexec"
    assert {
        "--onnx=model.fp16.onnx",
        "--minShapes=faces:8x3x24x24,face_size:8",
        "--maxShapes=faces:8x3x24x24,face_size:8",
        "--stronglyTyped",
        "--memPoolSize=workspace:256M",
        "--builderOptimizationLevel=4",
        "--useDLACore=1",
        "--allowGPUFallback",
        "--versionCompatible",
    } <= set(words)
    assert recipe.fsrfer == config.command(bundle.path.relative_to(bundle.path.parent))


def test_tensorrt_8_6_is_offered_only_a_graph_that_it_reads(bundle):
    recipe = plan_recipe(bundle, EngineBuildConfig(Backend.TENSORRT, Precision.INT8))
    assert (recipe.trtexec_8_6, recipe.graph_8_6, recipe.graph_8_6_sha256) == (None, None, None)


@pytest.fixture
def older(networks, noise, tmp_path):
    """A bundle in operator set 17, with FP16 and INT8 graphs."""
    model = networks.residual_model()
    to_opset_17(model)
    bundle = networks.write_residual_bundle(tmp_path / "bundle", model=model)
    config = Int8Config(samples=24, held_out=12, sizes=(24,), min_agreement=0.5)
    return export_float16(calibrate_int8(bundle, noise, config))[0]


@pytest.mark.parametrize(
    ("precision", "graph", "flags"),
    [
        (Precision.FP32, "model.onnx", set()),
        (Precision.FP16, "model.onnx", {"--fp16"}),
        (Precision.INT8, "model.int8.onnx", {"--int8"}),
    ],
)
def test_tensorrt_8_6_takes_number_formats_from_flags(older, precision, graph, flags):
    """As the adapter does it: one flag, and for FP16 the FP32 graph."""
    recipe = plan_recipe(older, EngineBuildConfig(Backend.TENSORRT, precision))
    assert recipe.opset == 17
    words = set(shlex.split(recipe.trtexec_8_6))
    assert f"--onnx={graph}" in words
    assert words & {"--fp16", "--int8", "--stronglyTyped"} == flags
    assert (recipe.graph_8_6, recipe.graph_8_6_sha256) == (graph, sha256_of_file(older.path / graph))
    assert "--stronglyTyped" in shlex.split(recipe.trtexec)


def test_tensorrt_8_6_cannot_leave_weights_out(older):
    recipe = plan_recipe(older, EngineBuildConfig(Backend.TENSORRT, strip_weights=True))
    assert "--stripWeights" in shlex.split(recipe.trtexec)
    assert recipe.trtexec_8_6 is None


def test_the_engine_goes_where_it_is_wanted(older):
    recipe = plan_recipe(older, EngineBuildConfig(Backend.TENSORRT), output=Path("my engines/a.engine"))
    assert "--saveEngine=my engines/a.engine" in shlex.split(recipe.trtexec)
    assert shlex.split(recipe.fsrfer)[-2:] == ["--output", "my engines/a.engine"]


@pytest.mark.parametrize("backend", [Backend.ONNXRUNTIME, Backend.TENSORRT_RTX])
def test_what_builds_here_needs_no_recipe(bundle, backend):
    with pytest.raises(UsageError, match="needs no recipe"):
        plan_recipe(bundle, EngineBuildConfig(backend))


def test_a_precision_that_was_not_made_says_how(bundle):
    with pytest.raises(BundleError, match=r"has no onnx-bf16.*fsrfer-export bf16"):
        plan_recipe(bundle, EngineBuildConfig(Backend.TENSORRT, Precision.BF16))
