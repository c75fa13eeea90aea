"""Engines of real libraries: ONNX Runtime, and TensorRT-RTX, which needs no GPU to build."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from fsrfer.calibration import Int8Config, calibrate_int8
from fsrfer.core import ArtifactKind, Backend, ModelBundle, Precision
from fsrfer.core.errors import BackendUnavailableError, BundleError, EngineBuildError, EngineCompatibilityError
from fsrfer.core.files import sha256_of_file
from fsrfer.core.gpu import first_gpu
from fsrfer.export.build_engine import build_engine, compiler_for, plan_engine
from fsrfer.export.engine_config import EngineBuildConfig
from fsrfer.export.float16 import export_float16
from fsrfer.export.tensorrt_api import TensorRtApi
from fsrfer.export.tensorrt_compiler import TensorRtCompiler
from fsrfer.runtime.engine_record import BatchProfile, EngineRecord, find_engine, record_path

ORT = EngineBuildConfig(Backend.ONNXRUNTIME)
RTX = EngineBuildConfig(Backend.TENSORRT_RTX, compute_capabilities=("8.6",))


@pytest.fixture(scope="session")
def rtx():
    return pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed")


@pytest.fixture(scope="module")
def whole(networks, noise, tmp_path_factory):
    """A bundle with graphs of all precisions."""
    bundle = networks.write_residual_bundle(tmp_path_factory.mktemp("engines") / "bundle", conditioned=True)
    config = Int8Config(samples=24, held_out=12, sizes=(24, 12), min_agreement=0.5)
    return export_float16(calibrate_int8(bundle, noise, config))[0]


@pytest.fixture
def bundle(networks, tmp_path) -> ModelBundle:
    return networks.write_residual_bundle(tmp_path / "bundle")


@pytest.mark.parametrize(
    ("backend", "precision"),
    [
        (Backend.ONNXRUNTIME, Precision.FP32),
        (Backend.ONNXRUNTIME, Precision.INT8),
        (Backend.TENSORRT_RTX, Precision.FP32),
        (Backend.TENSORRT_RTX, Precision.FP16),
        (Backend.TENSORRT_RTX, Precision.INT8),
    ],
)
def test_an_engine_is_built_recorded_and_found(whole, backend, precision, request):
    if backend is Backend.TENSORRT_RTX:
        request.getfixturevalue("rtx")
    config = EngineBuildConfig(backend, precision)
    record = build_engine(whole, config)
    path = whole.path / "engines" / record.file
    assert record.engine_sha256 == sha256_of_file(path)
    assert record.size_bytes == path.stat().st_size > 1000
    assert EngineRecord.read(record_path(path)) == record
    assert record.source_sha256 == whole.manifest.artifacts[record.source.value].sha256
    assert find_engine(whole, backend, precision, library_version=record.library_version) == (path, record)


def test_an_engine_that_is_up_to_date_is_not_built_again(bundle):
    first = build_engine(bundle, ORT)
    path = bundle.path / "engines" / first.file
    stamp = path.stat().st_mtime_ns
    assert build_engine(bundle, ORT) == first
    assert path.stat().st_mtime_ns == stamp
    build_engine(bundle, ORT, force=True)
    assert path.stat().st_mtime_ns > stamp


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"x"), lambda path: path.unlink()])
def test_a_damaged_or_absent_engine_is_built_again(bundle, damage):
    record = build_engine(bundle, ORT)
    path = bundle.path / "engines" / record.file
    damage(path)
    with pytest.raises(EngineCompatibilityError, match=r"was altered|is missing"):
        find_engine(bundle, Backend.ONNXRUNTIME, Precision.FP32, library_version=record.library_version)
    assert build_engine(bundle, ORT).engine_sha256 == sha256_of_file(path)


def test_a_record_of_another_layout_is_replaced(bundle):
    record = build_engine(bundle, ORT)
    path = record_path(bundle.path / "engines" / record.file)
    path.write_text(json.dumps({"schema_version": 0}))
    build_engine(bundle, ORT)
    assert EngineRecord.read(path).build_key == record.build_key


def test_a_model_that_was_exported_anew_makes_its_engine_stale(bundle, networks):
    record = build_engine(bundle, ORT)
    changed = bundle.store(ArtifactKind.ONNX_FP32, lambda path: onnx.save(networks.residual_model(seed=7), path))
    with pytest.raises(EngineCompatibilityError, match=r"another graph.*Next: fsrfer-export build-engine"):
        find_engine(changed, Backend.ONNXRUNTIME, Precision.FP32, library_version=record.library_version)
    again = build_engine(changed, ORT)
    assert again.build_key != record.build_key
    assert find_engine(changed, Backend.ONNXRUNTIME, Precision.FP32, library_version=again.library_version)[1] == again


def test_int8_graphs_of_another_model_are_refused(networks, noise, tmp_path):
    bundle = networks.write_residual_bundle(tmp_path / "bundle")
    config = Int8Config(samples=24, held_out=12, sizes=(24,), min_agreement=0.5)
    calibrated = calibrate_int8(bundle, noise, config)
    int8 = EngineBuildConfig(Backend.ONNXRUNTIME, Precision.INT8)
    mixed = calibrated.record(calibration={**calibrated.manifest.calibration, "source_sha256": "0" * 64})
    with pytest.raises(BundleError, match=r"calibrated on another model.onnx.*Next: fsrfer-calibrate int8"):
        build_engine(mixed, int8)
    changed = calibrated.store(ArtifactKind.ONNX_FP32, lambda path: onnx.save(networks.residual_model(seed=7), path))
    with pytest.raises(BundleError, match=r"has no onnx-int8-cpu.*Next: fsrfer-calibrate int8"):
        build_engine(changed, int8)


def test_a_graph_that_was_altered_by_hand_is_refused(bundle):
    path = bundle.path / "model.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(BundleError, match="not the file that the bundle names"):
        build_engine(bundle, ORT)


def test_a_precision_that_was_not_made_says_how(bundle):
    with pytest.raises(BundleError, match="Next: fsrfer-calibrate int8"):
        build_engine(bundle, EngineBuildConfig(Backend.ONNXRUNTIME, Precision.INT8))


def test_an_engine_can_go_elsewhere(bundle, tmp_path):
    target = tmp_path / "elsewhere" / "mine.onnx"
    record = build_engine(bundle, ORT, output=target)
    assert record.file == "mine.onnx"
    assert shlex.split(record.command)[-2:] == ["--output", str(target)]
    assert EngineRecord.read(record_path(target)) == record
    assert not (bundle.path / "engines").exists()


def test_a_plan_changes_nothing(bundle):
    plan = plan_engine(bundle, ORT, compiler_for(Backend.ONNXRUNTIME))
    assert plan.up_to_date is None
    assert not (bundle.path / "engines").exists()
    record = build_engine(bundle, ORT)
    assert plan_engine(bundle, ORT, compiler_for(Backend.ONNXRUNTIME)).up_to_date == record


def test_a_failed_build_leaves_nothing_behind(bundle, rtx):
    unknown = EngineBuildConfig(Backend.TENSORRT_RTX, compute_capabilities=("8.7",))
    with pytest.raises(EngineBuildError, match=r"capability 8\.7; expected 7\.5, 8\.0.*--backend tensorrt"):
        build_engine(bundle, unknown)
    assert list((bundle.path / "engines").iterdir()) == []


def test_full_tensorrt_is_refused_without_a_gpu(bundle):
    if not isinstance(first_gpu(), str):
        pytest.skip("this machine has a GPU")
    with pytest.raises(BackendUnavailableError, match="an NVIDIA GPU with its driver"):
        build_engine(bundle, EngineBuildConfig(Backend.TENSORRT))


def test_progress_is_told_in_phases(bundle, rtx):
    steps = []
    build_engine(bundle, RTX, on_progress=lambda *step: steps.append(step))
    assert steps[0] == ("Building engine", 0, 6)
    assert steps[-1] == ("Building engine", 6, 6)
    assert all(0 <= done <= total for _, done, total in steps)
    assert len({phase for phase, _, _ in steps}) > 3


def test_the_options_of_full_tensorrt_are_accepted_by_the_real_builder(bundle, rtx, tmp_path):
    """TensorRT-RTX has TensorRT 11's API; only what its build refuses without a GPU is left out."""
    compiler = TensorRtCompiler(TensorRtApi(rtx, "no GPU"))
    config = EngineBuildConfig(Backend.TENSORRT, batch=BatchProfile(2, 4, 8), workspace_mib=256, optimization_level=2)
    compiler.compile(bundle.artifact_path(ArtifactKind.ONNX_FP32), tmp_path / "plan", config, None)
    assert (tmp_path / "plan").stat().st_size > 1000


@pytest.mark.filterwarnings("ignore:.*Timing cache operations are no-ops:DeprecationWarning")
def test_the_timing_cache_is_kept_and_taken_up_again(bundle, rtx, tmp_path):
    compiler = TensorRtCompiler(TensorRtApi(rtx, "no GPU"))
    cache = tmp_path / "kernels.cache"
    config = EngineBuildConfig(Backend.TENSORRT, timing_cache=cache)
    graph = bundle.artifact_path(ArtifactKind.ONNX_FP32)
    compiler.compile(graph, tmp_path / "first", config, None)
    kept = cache.read_bytes()
    assert len(kept) > 0
    compiler.compile(graph, tmp_path / "second", config, None)
    assert cache.read_bytes() == kept
    assert (tmp_path / "second").stat().st_size > 1000


def test_compatibility_options_reach_the_real_configuration(bundle, rtx, caplog):
    """Building with them takes libraries that TensorRT-RTX lacks, and a GPU; configuring does not."""
    compiler = TensorRtCompiler(TensorRtApi(rtx, "no GPU"))
    graph = bundle.artifact_path(ArtifactKind.ONNX_FP32)
    flags = rtx.BuilderFlag

    def configured(**options):
        _builder, _network, made, _log = compiler._prepare(graph, EngineBuildConfig(Backend.TENSORRT, **options))
        return [made.get_flag(flag) for flag in (flags.VERSION_COMPATIBLE, flags.STRIP_PLAN)]

    assert configured() == [False, False]
    assert configured(version_compatible=True) == [True, False]
    assert configured(strip_weights=True) == [False, True]
    said = "setHardwareCompatibilityLevel() is unsupported in TensorRT-RTX"  # so it was called
    assert said not in caplog.text
    configured(hardware_compatible=True)
    assert said in caplog.text


def test_larger_profiles_make_other_engines(bundle, rtx):
    first = build_engine(bundle, RTX)
    second = build_engine(bundle, EngineBuildConfig(Backend.TENSORRT_RTX, batch=BatchProfile(1, 1, 1)))
    assert first.file != second.file
    assert first.compute_capabilities == ("8.6",)
    assert second.compute_capabilities == ("8.0", "8.6", "8.9", "12.0")


def compile_by_rtx(rtx, model: onnx.ModelProto, folder: Path) -> None:
    onnx.save(model, folder / "model.onnx")
    TensorRtCompiler(TensorRtApi(rtx, "no GPU")).compile(folder / "model.onnx", folder / "plan", RTX, None)


def test_quantised_biases_are_named_in_the_error(whole, rtx, tmp_path):
    model = onnx.load(whole.artifact_path(ArtifactKind.ONNX_INT8_CPU))
    with pytest.raises(EngineBuildError, match=r"cannot parse .*DequantizeLinear a1\.b_.*: .*Int32"):
        compile_by_rtx(rtx, model, tmp_path)


def test_unknown_operators_are_named_in_the_error(networks, rtx, tmp_path):
    model = networks.residual_model()
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    relu.op_type, relu.domain = "Wobble", "nobody"
    model.opset_import.append(helper.make_opsetid("nobody", 1))
    with pytest.raises(EngineBuildError, match="Wobble relu_stem_active"):
        compile_by_rtx(rtx, model, tmp_path)


def test_mixed_types_are_refused(networks, rtx, tmp_path):
    model = networks.residual_model()
    cast = next(node for node in model.graph.node if node.op_type == "Cast")
    cast.attribute[0].i = TensorProto.FLOAT16
    with pytest.raises(EngineBuildError, match="TensorRT"):
        compile_by_rtx(rtx, model, tmp_path)


def test_a_fixed_batch_is_refused(networks, rtx, tmp_path):
    model = networks.residual_model()
    for info in (*model.graph.input, *model.graph.output):
        info.type.tensor_type.shape.dim[0].dim_value = 4
    with pytest.raises(EngineBuildError, match="faces cannot be batched"):
        compile_by_rtx(rtx, model, tmp_path)


def test_no_graph_at_all_is_refused(rtx, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(EngineBuildError, match="cannot parse"):
        TensorRtCompiler(TensorRtApi(rtx, "no GPU")).compile(tmp_path / "model.onnx", tmp_path / "plan", RTX, None)
