"""The TensorRT runner under a strict emulation of CUDA and TensorRT, and its names against the real module."""

from __future__ import annotations

import ast
import gc
import importlib
import importlib.util
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsrfer.core import ArtifactKind, Backend, Precision
from fsrfer.core.errors import (
    BackendUnavailableError,
    DeviceError,
    EngineBuildError,
    EngineCompatibilityError,
    InputSpecError,
)
from fsrfer.runtime import cuda as cuda_module
from fsrfer.runtime import tensorrt_lane, tensorrt_module, tensorrt_runner
from fsrfer.runtime.cuda import LIBRARIES, Cuda, PinnedArray
from fsrfer.runtime.engine_record import BatchProfile, EngineRecord
from fsrfer.runtime.profiling import engine_clocks
from fsrfer.runtime.tensorrt_runner import LANES, TensorRtRunner

PROFILE = (1, 4, 8)


def load_emulator():
    name = "fsrfer_tests_tensorrt_emulator"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "tensorrt_emulator.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


emulator = load_emulator()


@pytest.fixture(scope="module")
def graph(make_bundle, tmp_path_factory) -> bytes:
    bundle = make_bundle(tmp_path_factory.mktemp("graph") / "bundle", conditioned=True, channels=1)
    return bundle.artifact_path(ArtifactKind.ONNX_FP32).read_bytes()


@pytest.fixture
def engine(graph, tmp_path):
    """Write an engine for a profile and return its path."""

    def write(profile=PROFILE, content: bytes | None = None) -> Path:
        path = tmp_path / "model.engine"
        path.write_bytes(emulator.plan_of(graph, profile) if content is None else content)
        return path

    return write


def record_for(**options: object) -> EngineRecord:
    return EngineRecord(
        file="model.engine",
        backend=Backend.TENSORRT,
        precision=Precision.FP16,
        batch=BatchProfile(*PROFILE),
        library_version="10.3.0",
        device="Orin",
        compute_capabilities=("8.7",),
        platform="linux-aarch64",
        source=ArtifactKind.ONNX_FP16,
        source_sha256="0" * 64,
        engine_sha256="0" * 64,
        size_bytes=1,
        build_seconds=1.0,
        build_key="key",
        created="2026-01-01T00:00:00Z",
        command="fsrfer-export build-engine bundle --backend tensorrt",
        options=dict(options),
    )


def runner_on(gpu, engine: Path, **options) -> TensorRtRunner:
    return TensorRtRunner(engine, record_for(), gpu.trt, Cuda(gpu.cudart), **options)


def feed_of(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    faces = rng.integers(0, 256, (rows, 1, 24, 24), dtype=np.uint8)
    return {"faces": faces, "face_size": rng.uniform(8, 24, rows).astype(np.float32)}


def expected(graph: bytes, feed) -> np.ndarray:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(["logits"], feed)[0]


def assert_nothing_is_left(gpu) -> None:
    gc.collect()
    assert gpu.cudart.leaks() == {}
    assert not gpu.cudart.captured
    assert not list(gpu.trt.contexts)
    assert not list(gpu.trt.engines)
    assert not list(gpu.trt.runtimes)


@pytest.mark.parametrize("graphs", [None, ()], ids=["with CUDA graphs", "without"])
def test_results_are_those_of_the_graph_at_every_batch_size(engine, graph, graphs):
    gpu = emulator.emulation()
    with runner_on(gpu, engine(), graph_batches=graphs) as runner:
        assert runner.batch == BatchProfile(*PROFILE)
        assert set(runner.inputs) == {"faces", "face_size"}
        assert runner.inputs["faces"].describe() == "uint8 (?, 1, 24, 24)"
        for rows in (1, 2, 3, 4, 5, 8, 1, 4, 8):
            feed = feed_of(rows, seed=rows)
            found = runner.infer(feed)["logits"]
            np.testing.assert_allclose(found, expected(graph, feed), atol=1e-6)
    del runner
    assert_nothing_is_left(gpu)


def test_the_common_batch_sizes_are_launched_as_graphs(engine):
    gpu = emulator.emulation()
    with runner_on(gpu, engine()) as runner:
        gpu.cudart.calls.clear()
        for rows in (1, 4, 8, 3):
            runner.infer(feed_of(rows))
        assert gpu.cudart.calls.count("cudaGraphLaunch") == 3
        assert gpu.cudart.calls.count("cudaMemcpyAsync") == 4  # the batch of 3: two inputs, two outputs


def test_a_call_takes_no_memory_of_the_device(engine):
    gpu = emulator.emulation()
    with runner_on(gpu, engine()) as runner:
        gpu.cudart.calls.clear()
        for rows in (1, 2, 8, 5):
            runner.infer(feed_of(rows))
        taking = {"cudaMalloc", "cudaHostAlloc", "cudaStreamCreateWithFlags", "cudaEventCreateWithFlags"}
        assert not taking & set(gpu.cudart.calls)
        assert len(list(gpu.trt.contexts)) == LANES * (1 + 3)


def test_copying_and_computing_overlap(engine, graph):
    """The second batch is handed to the device before the first one's result is waited for."""
    gpu = emulator.emulation()
    feeds = [feed_of(4, seed=seed) for seed in range(5)]
    with runner_on(gpu, engine()) as runner:
        gpu.cudart.calls.clear()
        found = [result["logits"] for result in runner.infer_each(feeds)]
        steps = [name for name in gpu.cudart.calls if name in ("cudaGraphLaunch", "cudaEventSynchronize")]
    assert steps[:3] == ["cudaGraphLaunch", "cudaGraphLaunch", "cudaEventSynchronize"]
    for feed, logits in zip(feeds, found, strict=True):
        np.testing.assert_allclose(logits, expected(graph, feed), atol=1e-6)


def test_results_belong_to_the_caller(engine):
    gpu = emulator.emulation()
    with runner_on(gpu, engine()) as runner:
        first = runner.infer(feed_of(4, seed=1))["logits"]
        kept = first.copy()
        for seed in range(4):
            runner.infer(feed_of(4, seed=seed + 2))
        np.testing.assert_array_equal(first, kept)


def test_batches_below_the_smallest_are_filled_up(engine, graph):
    gpu = emulator.emulation()
    with runner_on(gpu, engine((4, 4, 4))) as runner:
        for rows in (1, 3, 4):
            feed = feed_of(rows, seed=rows)
            found = runner.infer(feed)["logits"]
            assert found.shape[0] == rows
            np.testing.assert_allclose(found, expected(graph, feed), atol=1e-6)


@pytest.mark.parametrize(
    "feed",
    [
        feed_of(9),
        {key: value[:0] for key, value in feed_of(1).items()},
        {**feed_of(4), "face_size": np.zeros(3, np.float32)},
        {"faces": feed_of(1)["faces"]},
        {**feed_of(1), "faces": feed_of(1)["faces"].astype(np.float32)},
        {**feed_of(1), "faces": np.zeros((1, 1, 48, 48), np.uint8)},
    ],
    ids=["too many", "none", "uneven", "absent", "wrong type", "wrong shape"],
)
def test_what_cannot_be_fed_is_refused_and_the_next_batch_runs(engine, graph, feed):
    gpu = emulator.emulation()
    with runner_on(gpu, engine()) as runner:
        with pytest.raises(InputSpecError):
            runner.infer(feed)
        good = feed_of(2)
        np.testing.assert_allclose(runner.infer(good)["logits"], expected(graph, good), atol=1e-6)
    del runner
    assert_nothing_is_left(gpu)


@pytest.mark.parametrize("content", [b"", b"ftrt of another version"])
def test_an_engine_that_does_not_load_names_the_command_that_rebuilds_it(engine, content):
    gpu = emulator.emulation()
    with pytest.raises(
        EngineCompatibilityError, match=r"cannot load model.engine.*stdVersionRead.*Next: fsrfer-export"
    ):
        runner_on(gpu, engine(content=content))
    assert_nothing_is_left(gpu)


def test_an_engine_of_an_accelerator_is_loaded_for_its_core(engine):
    gpu = emulator.emulation()
    for options, core in (({}, -1), ({"dla_core": 1}, 1), ({"dla_core": 0}, 0)):
        with TensorRtRunner(engine(), record_for(**options), gpu.trt, Cuda(gpu.cudart)) as runner:
            assert [runtime._core_when_loading for runtime in gpu.trt.runtimes] == [core]
        del runner
        assert_nothing_is_left(gpu)


def test_a_version_compatible_engine_may_bring_its_own_loader(engine):
    gpu = emulator.emulation()
    runner = TensorRtRunner(engine(), record_for(version_compatible=True), gpu.trt, Cuda(gpu.cudart))
    assert [runtime.engine_host_code_allowed for runtime in gpu.trt.runtimes] == [True]
    with runner:
        pass


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        ("create_execution_context", "no execution context.*out of memory"),
        ("set_tensor_address", "refuses the address"),
        ("set_input_shape", "refuses 1 rows"),
        ("execute_async_v3", "cannot run a batch of 1.*enqueueV3"),
    ],
)
def test_what_tensorrt_refuses_at_the_start_is_told_and_nothing_leaks(engine, refusal, said):
    gpu = emulator.emulation(refuse={refusal})
    runner = runner_on(gpu, engine())
    with pytest.raises(DeviceError, match=said), runner:
        pytest.fail("it must not be entered")
    del runner
    gc.collect()
    assert gpu.cudart.leaks() == {}
    assert not list(gpu.trt.contexts)


def test_a_failing_run_is_told_and_the_runner_goes_on(engine, graph):
    gpu = emulator.emulation()
    with runner_on(gpu, engine(), graph_batches=()) as runner:
        gpu.trt.refuse.add("execute_async_v3")
        with pytest.raises(DeviceError, match="cannot run a batch of 3"):
            runner.infer(feed_of(3))
        gpu.trt.refuse.clear()
        feed = feed_of(3, seed=7)
        np.testing.assert_allclose(runner.infer(feed)["logits"], expected(graph, feed), atol=1e-6)
    del runner
    assert_nothing_is_left(gpu)


FUNCTIONS = (
    "cudaStreamCreateWithFlags",
    "cudaEventCreateWithFlags",
    "cudaHostAlloc",
    "cudaMalloc",
    "cudaMemcpyAsync",
    "cudaStreamSynchronize",
)


@pytest.mark.parametrize(
    ("function", "number"),
    [
        (name, number)
        for name in FUNCTIONS
        for number in (1, 2, 5)
        if number < 5 or ("Create" not in name and "Memcpy" not in name)
    ],
)
def test_running_out_of_memory_anywhere_at_the_start_leaks_nothing(engine, function, number):
    gpu = emulator.emulation(failures={function: (number, 2)})
    runner = runner_on(gpu, engine())
    with pytest.raises(DeviceError, match=r"out of memory.*smaller --max-batch"), runner:
        pytest.fail("it must not be entered")
    del runner
    gc.collect()
    assert gpu.cudart.leaks() == {}


@pytest.mark.parametrize(
    "function", ["cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphInstantiateWithFlags"]
)
def test_where_graphs_cannot_be_had_batches_are_enqueued(engine, graph, function, caplog):
    gpu = emulator.emulation(failures={function: (1, 801)})
    with caplog.at_level("INFO"), runner_on(gpu, engine()) as runner:
        for rows in PROFILE:
            feed = feed_of(rows)
            np.testing.assert_allclose(runner.infer(feed)["logits"], expected(graph, feed), atol=1e-6)
    assert "enqueued call by call" in caplog.text
    del runner
    assert_nothing_is_left(gpu)


def test_a_capture_that_breaks_off_leaves_the_stream_usable(engine, graph):
    gpu = emulator.emulation(refuse={"capture"})
    with runner_on(gpu, engine()) as runner:
        feed = feed_of(4)
        np.testing.assert_allclose(runner.infer(feed)["logits"], expected(graph, feed), atol=1e-6)
        assert "cudaGraphLaunch" not in gpu.cudart.calls
    del runner
    assert_nothing_is_left(gpu)


def test_an_error_of_the_device_is_told_with_its_name(engine):
    gpu = emulator.emulation()
    with runner_on(gpu, engine()) as runner:
        done = gpu.cudart.calls.count("cudaEventSynchronize")
        gpu.cudart.failures["cudaEventSynchronize"] = (done + 1, 700)
        with pytest.raises(DeviceError, match=r"illegal memory access was encountered \(700\)"):
            runner.infer(feed_of(4))


def test_whoever_stops_listening_leaves_nothing_running(engine):
    gpu = emulator.emulation()
    with runner_on(gpu, engine()) as runner:
        results = runner.infer_each(feed_of(4, seed=seed) for seed in range(6))
        next(results)
        results.close()
        assert not any(gpu.cudart.streams.values())
        suspended = runner.infer_each(feed_of(4, seed=seed) for seed in range(6))
        next(suspended)
    suspended.close()
    del runner, results, suspended
    assert_nothing_is_left(gpu)


def test_it_does_not_run_before_it_was_entered(engine):
    gpu = emulator.emulation()
    with pytest.raises(RuntimeError, match="not entered"):
        runner_on(gpu, engine()).infer(feed_of(1))


def test_an_engine_with_free_axes_beside_the_batch_is_refused(tmp_path):
    from onnx import TensorProto, helper

    free = helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["N", 1, "H"])
    out = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 1, "H"])
    model = helper.make_model(
        helper.make_graph([helper.make_node("Relu", ["faces"], ["logits"])], "g", [free], [out]),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    path = tmp_path / "free.engine"
    path.write_bytes(emulator.plan_of(model.SerializeToString(), PROFILE))
    gpu = emulator.emulation()
    with pytest.raises(EngineBuildError, match=r"cannot be batched.*\(\?, 1, \?\)"):
        runner_on(gpu, path)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.integers(1, 8), min_size=1, max_size=8),
    graphs=st.one_of(st.none(), st.lists(st.integers(1, 9), max_size=3)),
)
def test_any_order_of_batches_gives_the_results_of_the_graph(engine, graph, rows, graphs):
    gpu = emulator.emulation()
    feeds = [feed_of(count, seed=index) for index, count in enumerate(rows)]
    with runner_on(gpu, engine(), graph_batches=graphs) as runner:
        for feed, result in zip(feeds, runner.infer_each(feeds), strict=True):
            np.testing.assert_allclose(result["logits"], expected(graph, feed), atol=1e-6)
    del runner
    assert_nothing_is_left(gpu)


def test_the_emulation_itself_is_strict():
    gpu = emulator.emulation()
    cuda = Cuda(gpu.cudart)
    address = cuda.allocate(16)
    cuda.free(address)
    with pytest.raises(emulator.ViolationError, match="twice"):
        cuda.free(address)
    stream = cuda.create_stream()
    with PinnedArray(cuda, (4,), np.dtype(np.float32)) as array:
        array.array[:] = 1.0
        array.to_device(4, stream)
        array.array[:] = 2.0
        array.to_host(4, stream)
        assert array.array[0] == 2.0  # nothing happened yet
        with pytest.raises(emulator.ViolationError, match="destroyed"):
            cuda.destroy_stream(stream)
        cuda.synchronize(stream)
        array.to_device(4, stream)
        cuda.copy_to_host(1234, array.device, 4, stream)
        with pytest.raises(emulator.ViolationError, match="not page-locked"):
            cuda.synchronize(stream)
        gpu.cudart.streams[stream].clear()
    with pytest.raises(AttributeError):
        gpu.cudart.cudaNoSuchFunction(1)


def test_the_runtime_library_is_looked_for_by_version():
    tried = []

    def absent(name):
        tried.append(name)
        raise OSError(name)

    with pytest.raises(BackendUnavailableError, match=r"libcudart\.so\.12"):
        Cuda.load(absent, tuple)
    assert tuple(tried) == LIBRARIES
    gpu = emulator.emulation()
    assert Cuda.load(lambda name: gpu.cudart if name.endswith(".12") else absent(name)).create_stream()


def test_the_runtime_library_of_a_package_is_found(tmp_path, monkeypatch):
    folder = tmp_path / "nvidia" / "cuda_runtime" / "lib"
    folder.mkdir(parents=True)
    (folder / "libcudart.so.12").write_bytes(b"")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert folder in cuda_module.package_folders()
    gpu, opened = emulator.emulation(), []

    def open_files(name):
        if not Path(name).is_file():
            raise OSError(name)
        opened.append(name)
        return gpu.cudart

    assert Cuda.load(open_files, lambda: [folder]).create_stream()
    assert opened == [str(folder / "libcudart.so.12")]


def stripped(gpu, engine: Path, graph: Path | None) -> TensorRtRunner:
    return TensorRtRunner(engine, record_for(strip_weights=True), gpu.trt, Cuda(gpu.cudart), graph=graph)


def test_weights_that_were_left_out_come_from_the_graph(engine, graph, make_bundle, tmp_path):
    """The emulated plan holds another model's weights, as good as none."""
    other = make_bundle(tmp_path / "other", conditioned=True, channels=1, seed=1).artifact_path(ArtifactKind.ONNX_FP32)
    (tmp_path / "model.onnx").write_bytes(graph)
    gpu = emulator.emulation()
    path = engine(content=emulator.plan_of(other.read_bytes(), PROFILE))
    feed = feed_of(4)
    with stripped(gpu, path, tmp_path / "model.onnx") as runner:
        np.testing.assert_allclose(runner.infer(feed)["logits"], expected(graph, feed), atol=1e-6)
    del runner
    assert_nothing_is_left(gpu)


@pytest.mark.parametrize("refusal", ["refit_from_file", "refit_cuda_engine"])
def test_weights_that_do_not_fit_are_refused(engine, graph, tmp_path, refusal):
    (tmp_path / "model.onnx").write_bytes(graph)
    gpu = emulator.emulation(refuse={refusal})
    with pytest.raises(EngineCompatibilityError, match=r"weights of model\.onnx do not go into model\.engine"):
        stripped(gpu, engine(), tmp_path / "model.onnx")
    with pytest.raises(EngineCompatibilityError, match="has no weights"):
        stripped(gpu, engine(), None)
    assert_nothing_is_left(gpu)


USED = {
    "OnnxParserRefitter": {"refit_from_file"},
    "Refitter": {"refit_cuda_engine"},
    "ICudaEngine": {
        "create_execution_context",
        "get_tensor_dtype",
        "get_tensor_mode",
        "get_tensor_name",
        "get_tensor_profile_shape",
        "get_tensor_shape",
        "num_io_tensors",
    },
    "IExecutionContext": {"execute_async_v3", "profiler", "set_input_shape", "set_tensor_address"},
    "IProfiler": {"report_layer_time"},
    "Runtime": {"DLA_core", "deserialize_cuda_engine", "engine_host_code_allowed"},
    "TensorIOMode": {"INPUT"},
}
"""Every class and attribute of TensorRT that the runner touches."""


def test_every_name_exists_in_the_real_module():
    rtx = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed")
    for kind, names in USED.items():
        assert names <= set(dir(getattr(rtx, kind))), kind
    assert callable(rtx.nptype)


def test_every_name_exists_in_every_version(tensorrt_names):
    for version in tensorrt_names.BINDINGS:
        surface = tensorrt_names.surface(version)
        for kind, names in USED.items():
            if kind == "OnnxParserRefitter" and version == "8.6.1":
                assert kind not in surface  # where engines without weights cannot be built either
                continue
            assert names <= surface[kind], f"{version} {kind}"


def test_the_emulation_has_no_name_that_the_real_classes_lack():
    rtx = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed")
    for kind in ("Runtime", "ICudaEngine", "IExecutionContext", "IProfiler", "Refitter", "OnnxParserRefitter"):
        invented = {name for name in vars(getattr(emulator, kind)) if not name.startswith("_")}
        assert invented <= set(dir(getattr(rtx, kind))), kind


def test_the_table_of_used_names_is_complete():
    rtx = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed")
    real = {name for kind in USED for name in dir(getattr(rtx, kind)) if not name.startswith("_")}
    sources = [module.__file__ for module in (tensorrt_runner, tensorrt_lane, tensorrt_module, engine_clocks)]
    nodes = [node for path in sources for node in ast.walk(ast.parse(Path(path).read_text(encoding="utf-8")))]
    # A method that TensorRT calls is touched by being written.
    touched = {node.attr for node in nodes if isinstance(node, ast.Attribute)} & real
    touched |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)} & real
    assert touched - {"name", "value"} == {name for names in USED.values() for name in names}


def test_every_function_of_cuda_is_emulated():
    text = Path(cuda_module.__file__).read_text(encoding="utf-8")
    named = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
    functions = {name for name in named if isinstance(name, str) and name.startswith("cuda") and name.isalnum()}
    assert len(functions) > 15
    assert all(hasattr(emulator.EmulatedCudart, f"_{name}") for name in functions)
