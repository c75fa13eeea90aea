"""The adapter against the real API of each TensorRT version, and its behaviour on the oldest."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from fsrfer.core import ArtifactKind, Backend, Precision
from fsrfer.core.errors import BackendUnavailableError, EngineBuildError, MissingDependencyError
from fsrfer.core.gpu import Gpu
from fsrfer.export import tensorrt_api
from fsrfer.export.engine_config import EngineBuildConfig
from fsrfer.export.tensorrt_api import GUARDED, TensorRtApi, load_tensorrt
from fsrfer.export.tensorrt_compiler import TensorRtCompiler
from fsrfer.runtime import tensorrt_module

ORIN = Gpu("Orin", "8.7")
USED = {
    "Builder": {
        "build_serialized_network",
        "create_builder_config",
        "create_network",
        "create_optimization_profile",
        "num_DLA_cores",
    },
    "BuilderFlag": {"FP16", "GPU_FALLBACK", "INT8", "STRIP_PLAN", "VERSION_COMPATIBLE"},
    "ComputeCapability": set(),
    "DeviceType": {"DLA"},
    "EngineInspector": {"get_engine_information"},
    "HardwareCompatibilityLevel": {"AMPERE_PLUS"},
    "IBuilderConfig": {
        "DLA_core",
        "add_optimization_profile",
        "builder_optimization_level",
        "can_run_on_DLA",
        "create_timing_cache",
        "default_device_type",
        "get_timing_cache",
        "hardware_compatibility_level",
        "num_compute_capabilities",
        "profiling_verbosity",
        "progress_monitor",
        "set_compute_capability",
        "set_flag",
        "set_memory_pool_limit",
        "set_timing_cache",
    },
    "ICudaEngine": {"create_engine_inspector"},
    "ILayer": {"get_output", "name", "num_outputs", "type"},
    "ILogger": {"Severity", "log"},
    "INetworkDefinition": {"get_input", "get_layer", "num_inputs", "num_layers"},
    "IOptimizationProfile": {"set_shape"},
    "IProgressMonitor": {"phase_finish", "phase_start", "step_complete"},
    "ITensor": {"dtype", "name", "shape"},
    "ITimingCache": {"serialize"},
    "LayerInformationFormat": {"JSON"},
    "MemoryPoolType": {"WORKSPACE"},
    "NetworkDefinitionCreationFlag": {"EXPLICIT_BATCH", "STRONGLY_TYPED"},
    "OnnxParser": {"get_error", "num_errors", "parse_from_file"},
    "ParserError": {"desc", "node", "node_name", "node_operator"},
    "ProfilingVerbosity": {"DETAILED"},
    "Runtime": {"DLA_core", "deserialize_cuda_engine", "engine_host_code_allowed"},
}
"""Every class and attribute of TensorRT that engine building touches."""
SEVERITIES = {"ERROR", "INFO", "INTERNAL_ERROR", "WARNING"}
SOURCES = [
    Path(tensorrt_api.__file__),
    Path(tensorrt_api.__file__).with_name("tensorrt_compiler.py"),
    Path(tensorrt_module.__file__),
]


@pytest.fixture(scope="module")
def rtx():
    return pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed")


def attributes_in_sources() -> set[str]:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    found = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    found |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return found | {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


def test_the_table_of_used_attributes_is_complete(rtx):
    everything = {name for kind in dir(rtx) for name in dir(getattr(rtx, kind)) if not name.startswith("_")}
    everything |= {name for name in dir(rtx) if not name.startswith("_")}
    ordinary = {name for kind in (str, dict, list, set, bytes, memoryview, Path) for name in dir(kind)}
    # Names of our own objects and of `logging` that some class of TensorRT happens to have too.
    own = {
        "BF16",
        "DEBUG",
        "compile",
        "device",
        "engine",
        "errors",
        "load",
        "max",
        "min",
        "opt",
        "read",
        "source",
        "tensorrt_rtx",
        "value",
        "version",
    }
    named = {name for names in USED.values() for name in names} | set(USED) | SEVERITIES
    unlisted = (attributes_in_sources() & everything) - named - ordinary - own
    assert not unlisted
    assert named <= attributes_in_sources() | {"IBuilderConfig", "INetworkDefinition", "ITensor", "ParserError"} | {
        "EngineInspector",
        "ICudaEngine",
        "ILayer",
        "IOptimizationProfile",
        "ITimingCache",
    }


def test_the_real_classes_have_what_is_used(rtx):
    absent = {
        f"{kind}.{name}" for kind, names in USED.items() for name in names if not hasattr(getattr(rtx, kind), name)
    }
    assert absent <= GUARDED
    assert absent == {"BuilderFlag.FP16", "BuilderFlag.INT8", "NetworkDefinitionCreationFlag.EXPLICIT_BATCH"}


def test_every_version_has_what_is_used_or_it_is_guarded(tensorrt_names):
    for version in tensorrt_names.BINDINGS:
        surface = tensorrt_names.surface(version)
        for kind, names in USED.items():
            absent = {f"{kind}.{name}" for name in names - surface[kind]} if kind in surface else {kind}
            assert absent <= GUARDED, version


def test_every_guard_is_needed(tensorrt_names):
    surfaces = [tensorrt_names.surface(version) for version in tensorrt_names.BINDINGS]
    for guarded in GUARDED:
        kind, _, name = guarded.partition(".")
        assert any(kind not in surface or (name and name not in surface[kind]) for surface in surfaces), guarded


def test_the_list_of_names_is_that_of_the_installed_module(tensorrt_names, rtx):
    for kind, names in tensorrt_names.everything().items():
        found = names & set(dir(getattr(rtx, kind, None)))
        assert found == tensorrt_names.surface("rtx").get(kind, set()), kind


def test_the_list_of_names_is_that_of_the_real_bindings(tensorrt_names, shared):
    """The whole surface of each version, as its bindings have it, is part of the development data only."""
    for version in tensorrt_names.BINDINGS:
        real = json.loads((shared / "data" / "trt_api" / f"api_{version}.json").read_text())
        listed = tensorrt_names.surface(version)
        for kind, names in tensorrt_names.everything().items():
            assert (kind in real) is (kind in listed), f"{kind} in {version}"
            assert names & set(real.get(kind, ())) == listed.get(kind, set()), f"{kind} in {version}"


class FlagSetter:
    def __init__(self) -> None:
        self.flags = []

    def set_flag(self, flag):
        self.flags.append(flag)


def module_of(surface: dict[str, set[str]]) -> SimpleNamespace:
    """Stand-in for a version's module: its classes with its members, flags numbered in order."""
    kinds = {
        kind: type(kind, (), {name: position for position, name in enumerate(sorted(members))})
        for kind, members in surface.items()
    }
    return SimpleNamespace(__version__="stand-in", **kinds)


@pytest.mark.parametrize(
    ("version", "strong", "flags", "fp16_source"),
    [
        ("8.6.1", False, ["FP16"], ArtifactKind.ONNX_FP32),
        ("10.3.0", True, [], ArtifactKind.ONNX_FP16),
        ("11.4.0.106", True, [], ArtifactKind.ONNX_FP16),
    ],
)
def test_precision_comes_from_the_graph_where_it_can_and_from_flags_else(
    tensorrt_names, version, strong, flags, fp16_source
):
    trt = module_of(tensorrt_names.surface(version))
    api = TensorRtApi(trt, ORIN)
    config = FlagSetter()
    api.allow_precision(config, Precision.FP16)
    assert api.strongly_typed is strong
    assert config.flags == [getattr(trt.BuilderFlag, name) for name in flags]
    created = []
    api.create_network(SimpleNamespace(create_network=created.append))
    expected = [
        name for name in ("EXPLICIT_BATCH", "STRONGLY_TYPED") if hasattr(trt.NetworkDefinitionCreationFlag, name)
    ]
    assert created == [sum(1 << getattr(trt.NetworkDefinitionCreationFlag, name) for name in expected)]
    compiler = TensorRtCompiler(api)
    build = EngineBuildConfig(Backend.TENSORRT, Precision.FP16)
    assert compiler.source(build) is fp16_source
    assert (compiler.device(build), compiler.compute_capabilities(build)) == ("Orin", ("8.7",))


def test_the_oldest_version_reports_errors_and_builds_without_progress(tensorrt_names):
    api = TensorRtApi(module_of(tensorrt_names.surface("8.6.1")), ORIN)
    assert api.watch(FlagSetter(), print) is None
    error = SimpleNamespace(desc=lambda: "no\n such op", node=lambda: 4)
    assert api.describe_error(error) == "node 4: no such op"


def test_without_a_driver_tensorrt_is_not_even_imported(monkeypatch):
    monkeypatch.setattr(tensorrt_api, "first_gpu", lambda: "no driver")
    with pytest.raises(BackendUnavailableError, match=r"found no driver.*Next: run this on the Jetson"):
        load_tensorrt(Backend.TENSORRT)


@pytest.mark.parametrize(
    ("backend", "advice"),
    [(Backend.TENSORRT, "python3-libnvinfer"), (Backend.TENSORRT_RTX, r"fsrfer\[tensorrt-rtx\]")],
)
def test_a_missing_package_is_named(backend, advice, monkeypatch):
    monkeypatch.setattr(tensorrt_api, "first_gpu", lambda: ORIN)
    for name in ("tensorrt", "tensorrt_rtx"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(MissingDependencyError, match=advice):
        load_tensorrt(backend)


def test_log_lines_reach_logging_and_errors_are_kept(rtx, caplog):
    log = tensorrt_module.TensorRtLog(rtx)
    severity = rtx.ILogger.Severity
    with caplog.at_level("DEBUG"):
        log.trt_logger.log(severity.WARNING, "careful\n")
        log.trt_logger.log(severity.ERROR, "broken")
        log.trt_logger.log(severity.VERBOSE, "chatter")
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "careful"),
        ("INFO", "broken"),
        ("DEBUG", "chatter"),
    ]
    assert log.errors == ["broken"]
    for index in range(1000):
        log.trt_logger.log(severity.ERROR, f"error {index}")
    assert len(log.errors) <= 100
    assert log.reason.endswith("error 999")


class Accelerated:
    """A builder, a configuration and a network with two layers, of which an accelerator can take one."""

    def __init__(self, accelerators: int) -> None:
        self.num_DLA_cores = accelerators
        self.flags = []
        self.num_layers = 2

    def set_flag(self, flag):
        self.flags.append(flag)

    def get_layer(self, index):
        return SimpleNamespace(name=("backbone.stem.0", "softmax")[index])

    def can_run_on_DLA(self, layer):  # noqa: N802 - TensorRT's name
        return layer.name.startswith("backbone")


@pytest.mark.parametrize("version", ["8.6.1", "10.3.0", "11.4.0.106"])
def test_an_accelerator_is_chosen_with_its_fallback(tensorrt_names, version):
    trt = module_of(tensorrt_names.surface(version))
    jetson = Accelerated(2)
    TensorRtApi(trt, ORIN).use_dla(jetson, jetson, 1, gpu_fallback=True)
    assert jetson.DLA_core == 1
    assert jetson.default_device_type == trt.DeviceType.DLA
    assert jetson.flags == [trt.BuilderFlag.GPU_FALLBACK]
    assert TensorRtApi(trt, ORIN).dla_layers(jetson, jetson) == (("backbone.stem.0",), ("softmax",))


@pytest.mark.parametrize("accelerators", [0, 1])
def test_an_accelerator_that_is_not_there_is_refused(tensorrt_names, accelerators):
    machine = Accelerated(accelerators)
    api = TensorRtApi(module_of(tensorrt_names.surface("10.3.0")), ORIN)
    with pytest.raises(EngineBuildError, match=r"no accelerator 1 here.*leave --dla-core out"):
        api.use_dla(machine, machine, 1, gpu_fallback=False)


def test_weights_are_left_out_where_the_version_can(tensorrt_names):
    new, config = module_of(tensorrt_names.surface("10.3.0")), FlagSetter()
    TensorRtApi(new, ORIN).strip_weights(config)
    assert config.flags == [new.BuilderFlag.STRIP_PLAN]
    with pytest.raises(EngineBuildError, match=r"cannot leave weights out.*TensorRT 10\.0 or later"):
        TensorRtApi(module_of(tensorrt_names.surface("8.6.1")), ORIN).strip_weights(FlagSetter())


def test_an_engine_is_inspected_only_where_there_is_a_gpu():
    class Loading:
        def __init__(self, logger):
            made.append(self)

        def deserialize_cuda_engine(self, plan):
            return SimpleNamespace(create_engine_inspector=lambda: self) if plan == b"plan" else None

        def get_engine_information(self, form):
            return '{"Layers": ["backbone.stem.0"]}'

    made = []
    trt = SimpleNamespace(Runtime=Loading, LayerInformationFormat=SimpleNamespace(JSON=1))
    log = SimpleNamespace(trt_logger=None)
    assert TensorRtApi(trt, ORIN).inspect(b"plan", log) == {"Layers": ["backbone.stem.0"]}
    assert vars(made[-1]) == {}
    assert TensorRtApi(trt, ORIN).inspect(b"plan", log, version_compatible=True, dla_core=1) is not None
    assert vars(made[-1]) == {"engine_host_code_allowed": True, "DLA_core": 1}
    assert TensorRtApi(trt, ORIN).inspect(b"plan for other GPUs", log) is None
    assert TensorRtApi(trt, "no driver").inspect(b"plan", log) is None


COLUMNS = {
    "8.6.1": ("8.6.1",),
    "10.3": ("10.3.0",),
    "10.13, 10.16": ("10.13.3.9", "10.16.1.11"),
    "11.0, 11.4": ("11.0.0.114", "11.4.0.106"),
    "RTX 1.7.1": ("rtx",),
}


def test_the_documented_table_is_that_of_the_real_bindings(tensorrt_names):
    """docs/engines.md says which version has which name."""
    text = (Path(__file__).parents[2] / "docs" / "engines.md").read_text(encoding="utf-8")
    table = text[text.index("| what |") :].split("\n\n")[0].splitlines()
    header = [cell.strip() for cell in table[0].strip("|").split("|")][1:]
    assert header == list(COLUMNS)
    rows = table[2:]
    documented = {name for row in rows for name in re.findall(r"`(\w+\.\w+)`", row)}
    assert documented == {f"{kind}.{name}" for kind, names in tensorrt_names.everything().items() for name in names}
    for row in rows:
        names, *cells = [cell.strip() for cell in row.strip("|").split("|")]
        for column, cell in zip(header, cells, strict=True):
            for name in re.findall(r"`(\w+)\.(\w+)`", names):
                found = {name[1] in tensorrt_names.surface(version).get(name[0], ()) for version in COLUMNS[column]}
                assert found == {cell == "yes"}, f"{name} in {column}"
