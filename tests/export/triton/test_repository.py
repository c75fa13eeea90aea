"""Model repositories as they are written; what the real server says to them is in test_real_server.py."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import onnx
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from fsrfer.core import ArtifactKind, Precision
from fsrfer.core.errors import BundleError, EngineCompatibilityError, MissingDependencyError, UsageError
from fsrfer.core.files import sha256_of_file
from fsrfer.core.processor import may_saturate_int8
from fsrfer.export.triton import TritonBackend, TritonOptions, export_repository, python_model_path
from fsrfer.runtime.engine_record import BatchProfile


def config_of(repository, name="tiny"):
    return text_format.Parse((repository / name / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


def export(bundle, repository, **options):
    return export_repository(bundle, repository, TritonOptions(**options))


def test_the_python_variant_holds_all_that_a_cpu_needs(bundle, tmp_path):
    exported = export(bundle, tmp_path / "repository", threads=3, instances=2, max_batch=32)
    folder = tmp_path / "repository" / "tiny"
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) == [
        *("1", "1/model.onnx", "1/model.py", "README.md", "config.pbtxt", "labels.txt"),
    ]
    assert (folder / "labels.txt").read_text().split() == list(bundle.manifest.labels)
    assert sha256_of_file(folder / "1" / "model.onnx") == exported.model_sha256
    config = config_of(tmp_path / "repository")
    assert (config.backend, config.default_model_filename, config.max_batch_size) == ("python", "model.py", 32)
    assert config.version_policy.latest.num_versions == 1
    assert {entry.name: (entry.data_type, list(entry.dims)) for entry in config.input} == {
        "faces": (model_config_pb2.TYPE_UINT8, [3, 24, 24]),
        "face_size": (model_config_pb2.TYPE_FP32, [1]),
    }
    # One number a face has no axis of its own in the graph.
    reshaped = {entry.name: entry.HasField("reshape") and list(entry.reshape.shape) for entry in config.input}
    assert reshaped == {"faces": False, "face_size": []}
    assert {entry.name: entry.label_filename for entry in config.output} == {
        "logits": "",
        "probabilities": "labels.txt",
    }
    (group,) = config.instance_group
    assert (group.kind, group.count) == (model_config_pb2.ModelInstanceGroup.KIND_CPU, 2)
    assert [warm.batch_size for warm in config.model_warmup] == [1, 32]
    assert not config.dynamic_batching.preferred_batch_size
    assert config.HasField("dynamic_batching")
    assert not config.dynamic_batching.HasField("default_queue_policy")
    parameters = {key: value.string_value for key, value in config.parameters.items()}
    assert parameters["fsrfer.threads"] == "3"
    assert parameters["fsrfer.labels"] == ",".join(bundle.manifest.labels)
    assert parameters["fsrfer.graph_sha256"] == bundle.manifest.artifacts["onnx-fp32"].sha256


def test_limits_of_the_queue_are_written_where_they_are_wanted(bundle, tmp_path):
    export(bundle, tmp_path, queue_limits=True, max_batch=32, latency_budget_ms=250.0)
    policy = config_of(tmp_path).dynamic_batching.default_queue_policy
    assert policy.timeout_action == model_config_pb2.ModelQueuePolicy.REJECT
    assert (policy.max_queue_size, policy.default_timeout_microseconds) == (256, 250_000)
    assert "rejected after 250000 us" in (tmp_path / "tiny" / "README.md").read_text()


def test_a_model_without_face_sizes_has_one_input(make_bundle, tmp_path):
    export(make_bundle(tmp_path / "plain", channels=1), tmp_path / "repository")
    config = config_of(tmp_path / "repository")
    assert [(entry.name, list(entry.dims)) for entry in config.input] == [("faces", [1, 24, 24])]


def test_the_graph_is_that_of_the_precision_and_the_device(bundle, tmp_path):
    on_cpu = export(bundle, tmp_path / "a", precision=Precision.INT8)
    on_gpu = export(bundle, tmp_path / "b", precision=Precision.INT8, backend=TritonBackend.ONNXRUNTIME)
    parameters = [config_of(tmp_path / name).parameters["fsrfer.graph"].string_value for name in "ab"]
    assert parameters == ["onnx-int8-cpu", "onnx-int8-tensorrt"]
    assert on_cpu.model_sha256 == bundle.manifest.artifacts["onnx-int8-cpu"].sha256
    assert on_gpu.model_sha256 == bundle.manifest.artifacts["onnx-int8-tensorrt"].sha256


def test_the_onnx_variant_asks_for_tensorrt(bundle, tmp_path):
    export(bundle, tmp_path, backend=TritonBackend.ONNXRUNTIME, precision=Precision.FP16, name="onnx", max_batch=48)
    config = config_of(tmp_path, "onnx")
    (accelerator,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.name == "tensorrt"
    assert accelerator.parameters["precision_mode"] == "FP16"
    assert accelerator.parameters["trt_profile_min_shapes"] == "faces:1x3x24x24,face_size:1"
    assert accelerator.parameters["trt_profile_max_shapes"] == "faces:48x3x24x24,face_size:48"
    assert not any("calibration" in key for key in accelerator.parameters)
    assert config.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_GPU
    assert (tmp_path / "onnx" / "1" / "model.onnx").is_file()
    readme = (tmp_path / "onnx" / "README.md").read_text()
    assert "tritonserver:24.0" in readme
    assert "IR version" in readme


def test_the_engine_variant_names_the_versions_that_it_needs(bundle, with_engine, tmp_path):
    with_engine(bundle)
    exported = export(bundle, tmp_path / "r", backend=TritonBackend.TENSORRT, precision=Precision.FP16)
    config = config_of(tmp_path / "r")
    assert config.max_batch_size == 32  # the engine's largest, not the 64 of the options
    assert list(config.instance_group[0].profile) == ["0"]
    assert (tmp_path / "r" / "tiny" / "1" / "model.plan").read_bytes() == b"engine"
    parameters = config.parameters
    assert parameters["fsrfer.model_sha256"].string_value == exported.model_sha256
    assert parameters["fsrfer.graph_sha256"].string_value == bundle.manifest.artifacts["onnx-fp16"].sha256
    readme = (tmp_path / "r" / "tiny" / "README.md").read_text()
    assert "TensorRT 10.3.0, exactly" in readme
    assert "tritonserver:24.08-py3" in readme
    assert "compute capability 8.9" in readme
    assert "Never executed" in readme
    with_engine(bundle, options={"version_compatible": True})
    export(bundle, tmp_path / "r", backend=TritonBackend.TENSORRT, precision=Precision.FP16)
    readme = (tmp_path / "r" / "tiny" / "README.md").read_text()
    assert "`--backend-config=tensorrt,version-compatible=true`" in readme


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"options": {"strip_weights": True}}, EngineCompatibilityError, "has no weights"),
        ({"batch": BatchProfile(8, 8, 8)}, EngineCompatibilityError, r"does not take every batch.*--batch 1:16:64"),
        ({"engine_sha256": "0" * 64}, EngineCompatibilityError, "missing or was altered"),
        ({"source_sha256": "0" * 64}, EngineCompatibilityError, "built from another graph"),
        ({"precision": Precision.INT8}, BundleError, r"no fp16 engine.*found tensorrt int8"),
    ],
)
def test_an_engine_that_triton_cannot_serve_is_refused(bundle, with_engine, tmp_path, changes, error, said):
    with_engine(bundle, **changes)
    with pytest.raises(error, match=said):
        export(bundle, tmp_path / "r", backend=TritonBackend.TENSORRT, precision=Precision.FP16)
    assert not (tmp_path / "r").exists()


def test_tensors_that_are_not_those_of_the_bundle_are_found(bundle, tmp_path):
    def renamed(target):
        model = onnx.load(bundle.path / "model.onnx")
        model.graph.input[0].name = "images"
        for node in model.graph.node:
            node.input[:] = ["images" if name == "faces" else name for name in node.input]
        onnx.save(model, target)

    changed = bundle.store(ArtifactKind.ONNX_FP32, renamed)
    with pytest.raises(BundleError, match=r"are not those of the bundle.*'faces'.*'images'"):
        export(changed, tmp_path / "r")


def test_a_second_export_takes_the_place_of_the_first(bundle, with_engine, tmp_path):
    export(bundle, tmp_path / "r")
    export(bundle, tmp_path / "r", name="other")
    export(with_engine(bundle), tmp_path / "r", backend=TritonBackend.TENSORRT, precision=Precision.FP16)
    assert [path.name for path in (tmp_path / "r" / "tiny" / "1").iterdir()] == ["model.plan"]
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["other", "tiny"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "r"]  # nothing is left over


def test_an_export_that_cannot_be_put_in_place_leaves_the_earlier_one(bundle, tmp_path, monkeypatch):
    exported = export_repository(bundle, tmp_path / "repository")
    folder = tmp_path / "repository" / exported.name
    before = (folder / "config.pbtxt").read_text()
    rename = Path.rename

    def failing(path, target):
        if path.name == "new":
            raise OSError("the disk is gone")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="the disk is gone"):
        export_repository(bundle, tmp_path / "repository", TritonOptions(max_batch=7))
    assert (folder / "config.pbtxt").read_text() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_is_no_export_is_never_replaced(bundle, tmp_path):
    (tmp_path / "r" / "tiny").mkdir(parents=True)
    (tmp_path / "r" / "tiny" / "thesis.tex").touch()
    with pytest.raises(UsageError, match="in the way"):
        export(bundle, tmp_path / "r")
    assert (tmp_path / "r" / "tiny" / "thesis.tex").exists()


def test_without_the_client_library_the_extra_is_named(bundle, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tritonclient.grpc.model_config_pb2", None)
    with pytest.raises(MissingDependencyError, match=r"fsrfer\[triton\]"):
        export(bundle, tmp_path / "r")
    assert not (tmp_path / "r").exists()


@pytest.fixture
def python_model(monkeypatch):
    """The module that runs inside the server."""
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", ModuleType("triton_python_backend_utils"))
    spec = importlib.util.spec_from_file_location("fsrfer_tests_python_model", python_model_path())
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "cpuinfo",
    [
        "flags\t\t: fpu avx2 avx512_vnni\n",
        "flags\t\t: fpu avx2\n",
        "flags : avx_vnni\n",
        "CPU part\t: 0xd0b\n",
        "processor : 0\n",
        "",
        None,
    ],
)
def test_the_server_tells_saturating_processors_as_the_runtime_does(python_model, tmp_path, cpuinfo):
    (tmp_path / "proc").mkdir()
    if cpuinfo is not None:
        (tmp_path / "proc" / "cpuinfo").write_text(cpuinfo)
    assert python_model.may_saturate_int8(tmp_path / "proc" / "cpuinfo") == may_saturate_int8(tmp_path)


def test_the_exported_file_is_the_one_that_is_tested(bundle, tmp_path):
    export(bundle, tmp_path / "r")
    assert (tmp_path / "r" / "tiny" / "1" / "model.py").read_bytes() == python_model_path().read_bytes()
