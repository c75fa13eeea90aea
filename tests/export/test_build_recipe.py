"""Builds written down for another machine."""

from __future__ import annotations

import json
import shlex

import pytest

from fsrfer.calibration import Int8Config, calibrate_int8
from fsrfer.core import Backend, Precision
from fsrfer.core.errors import BundleError, UsageError
from fsrfer.core.files import sha256_of_file
from fsrfer.export.build_recipe import plan_recipe
from fsrfer.export.engine_config import EngineBuildConfig
from fsrfer.export.older_opset import to_opset_17
from fsrfer.runtime.engine_record import BatchProfile

PROFILE = BatchProfile(1, 4, 8)


@pytest.fixture(scope="module")
def bundle(networks, noise, tmp_path_factory):
    written = networks.write_residual_bundle(tmp_path_factory.mktemp("recipes") / "bundle", conditioned=True)
    return calibrate_int8(written, noise, Int8Config(samples=24, held_out=12, sizes=(24, 12), min_agreement=0.5))


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
        Precision.INT8,
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
        "--onnx=model.int8.onnx",
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
    assert plan_recipe(bundle, EngineBuildConfig(Backend.TENSORRT, Precision.INT8)).trtexec_8_6 is None


def test_graphs_of_operator_set_17_are_for_tensorrt_8_6_too(networks, tmp_path):
    model = networks.residual_model()
    to_opset_17(model)
    bundle = networks.write_residual_bundle(tmp_path / "bundle", model=model)
    recipe = plan_recipe(bundle, EngineBuildConfig(Backend.TENSORRT))
    assert recipe.opset == 17
    assert "--stronglyTyped" not in recipe.trtexec_8_6
    assert recipe.trtexec == recipe.trtexec_8_6 + " --stronglyTyped"


@pytest.mark.parametrize("backend", [Backend.ONNXRUNTIME, Backend.TENSORRT_RTX])
def test_what_builds_here_needs_no_recipe(bundle, backend):
    with pytest.raises(UsageError, match="needs no recipe"):
        plan_recipe(bundle, EngineBuildConfig(backend))


def test_a_precision_that_was_not_made_says_how(bundle):
    with pytest.raises(BundleError, match=r"has no onnx-fp16.*fsrfer-export fp16"):
        plan_recipe(bundle, EngineBuildConfig(Backend.TENSORRT, Precision.FP16))
