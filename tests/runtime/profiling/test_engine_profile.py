"""Profiles of engines under the emulation of CUDA and TensorRT, whose copies and runs take a millisecond each."""

from __future__ import annotations

import csv
import gc
import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fsrfer.core import ArtifactKind
from fsrfer.core.errors import DeviceError, FsrferError, UsageError
from fsrfer.core.schema import from_mapping, to_mapping
from fsrfer.runtime.cuda import Cuda
from fsrfer.runtime.opening import FoundEngine
from fsrfer.runtime.profiling import ProfileConfig
from fsrfer.runtime.profiling.engine_clocks import LayerClock, StageClock, StageTimes
from fsrfer.runtime.profiling.engine_files import write_engine_rates, write_engine_times
from fsrfer.runtime.profiling.engine_profile import StagedRun, profile_engine
from fsrfer.runtime.profiling.engine_report import EngineBound, EngineProfile, bound_of
from fsrfer.runtime.profiling.report_file import profile_schema

QUICK = ProfileConfig(batches=(1, 4), seconds=0.02, warmup_seconds=0.0, rounds=3)


def load_emulator():
    name = "fsrfer_tests_engine_profile_emulator"
    path = Path(__file__).parents[2] / "tensorrt_emulator.py"
    spec = importlib.util.spec_from_file_location(name, path)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


emulator = load_emulator()


@pytest.fixture
def gpu():
    emulated = emulator.emulation()
    yield emulated
    gc.collect()
    assert emulated.cudart.leaks() == {}
    assert not list(emulated.trt.contexts)


@pytest.fixture(scope="module")
def bundle(make_bundle, tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundle"), conditioned=True, channels=1)


@pytest.fixture
def engine(gpu, engines, bundle, tmp_path):
    path = tmp_path / "model.engine"
    path.write_bytes(emulator.plan_of(bundle.artifact_path(ArtifactKind.ONNX_FP32).read_bytes(), (1, 4, 8)))
    record = replace(engines.RECORD, file=path.name, source=ArtifactKind.ONNX_FP16)
    return FoundEngine(path, record, gpu.trt, Cuda(gpu.cudart), None)


def test_copies_and_computing_are_apart(engine, bundle):
    """Two inputs (faces, sizes) and two outputs (logits, probabilities) are copied."""
    profile = profile_engine(engine, bundle.manifest, QUICK)
    assert [row.batch for row in profile.rows] == [1, 4]
    for row in profile.rows:
        stages = (row.to_device, row.compute, row.to_host)
        assert [(stage.min_ms, stage.max_ms) for stage in stages] == [(2.0, 2.0), (1.0, 1.0), (2.0, 2.0)]
        assert row.bound is EngineBound.COPIES
        assert row.latency.runs >= 3 * QUICK.rounds
        assert len(row.window_medians_ms) == QUICK.rounds
        assert row.compute.runs == row.host.runs
        assert row.faces_per_second == pytest.approx(1e3 * row.batch / row.latency.mean_ms)
    assert profile.engine_sha256 == "1" * 64
    assert profile.machine.energy.seconds > 0


def test_the_part_of_the_host_is_that_of_serving():
    """The launches of runs without CUDA graphs are no part of what is served."""
    assert bound_of(10.0, 1.0, 2.0, 1.0) is EngineBound.HOST
    assert bound_of(5.0, 1.0, 2.5, 1.0) is EngineBound.COMPUTE
    assert bound_of(5.0, 2.0, 2.5, 1.0) is EngineBound.COPIES
    assert bound_of(3.0, 1.0, 2.5, 1.0) is EngineBound.COMPUTE  # a CUDA graph may be faster than the sum


def test_batches_below_the_smallest_are_filled_up(gpu, engines, bundle, tmp_path):
    path = tmp_path / "model.engine"
    path.write_bytes(emulator.plan_of(bundle.artifact_path(ArtifactKind.ONNX_FP32).read_bytes(), (4, 4, 8)))
    record = replace(engines.RECORD, file=path.name, source=ArtifactKind.ONNX_FP16)
    engine = FoundEngine(path, record, gpu.trt, Cuda(gpu.cudart), None)
    rows = profile_engine(engine, bundle.manifest, replace(QUICK, batches=(1, 4, 8))).rows
    assert [row.fill.rows for row in rows] == [0.25, 1.0, 1.0]
    assert all(0 < row.fill.pixels <= 1 for row in rows)


def test_runs_and_rows_are_written_for_other_tools(engine, bundle, tmp_path):
    runs: list[StagedRun] = []
    profile = profile_engine(engine, bundle.manifest, QUICK, on_run=runs.append)
    write_engine_times(tmp_path / "times.json", runs)
    found = json.loads((tmp_path / "times.json").read_text())
    assert len(found) == sum(row.compute.runs for row in profile.rows)
    assert {run["round"] for run in found} == {0, 1, 2}
    starts = [run["startEnqMs"] for run in found]
    assert starts == sorted(starts)
    assert starts[0] == 0.0
    for run in found:
        assert (run["h2dMs"], run["computeMs"], run["d2hMs"], run["latencyMs"]) == (2.0, 1.0, 2.0, 5.0)
        assert run["endD2hMs"] == pytest.approx(run["startEnqMs"] + run["wholeMs"])
        assert run["endD2hMs"] - run["startH2dMs"] == pytest.approx(run["latencyMs"])
    write_engine_rates(tmp_path / "rates.csv", profile.rows)
    with (tmp_path / "rates.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [int(line["Batch Size"]) for line in lines] == [1, 4]
    for line, row in zip(lines, profile.rows, strict=True):
        assert float(line["Server Compute Infer"]) == pytest.approx(1e3 * row.compute.mean_ms, abs=0.5)
        assert float(line["p99 latency"]) == pytest.approx(1e3 * row.latency.p99_ms, abs=0.5)


def test_layers_are_those_that_the_profiler_reports(engine, bundle):
    layers = profile_engine(engine, bundle.manifest, QUICK).layers
    assert [(layer.name, layer.median_ms) for layer in layers] == [
        (name, 0.25 * number) for number, name in enumerate(emulator.LAYERS, start=1)
    ]
    assert sum(layer.share for layer in layers) == pytest.approx(1.0)


def test_a_profile_survives_json_and_fits_the_schema(engine, bundle):
    jsonschema = pytest.importorskip("jsonschema")
    profile = profile_engine(engine, bundle.manifest, QUICK)
    value = json.loads(json.dumps(to_mapping(profile), allow_nan=False))
    assert from_mapping(EngineProfile, value, where="here", error=FsrferError) == profile
    jsonschema.Draft202012Validator(profile_schema()).validate(value)


def test_progress_comes_to_its_end(engine, bundle):
    seen = []
    profile_engine(engine, bundle.manifest, QUICK, lambda done, total: seen.append((done, total)))
    assert seen == [(done, 8) for done in range(1, 9)]


def test_a_batch_beyond_the_engine_is_refused(engine, bundle):
    with pytest.raises(UsageError, match="up to 8"):
        profile_engine(engine, bundle.manifest, ProfileConfig(batches=(16,), seconds=0.01))


def test_a_clock_that_nothing_ran_under_says_so(gpu):
    cuda = Cuda(gpu.cudart)
    stream = cuda.create_stream()
    with StageClock(cuda) as clock:
        for stage in range(4):
            clock.mark(stage, stream)
        with pytest.raises(DeviceError, match="cudaEventElapsedTime failed"):
            clock.read()
        cuda.synchronize(stream)
        assert clock.read() == StageTimes(0.0, 0.0, 0.0)
    cuda.destroy_stream(stream)


def test_events_without_timing_have_no_time(gpu):
    cuda = Cuda(gpu.cudart)
    events = cuda.create_event(), cuda.create_timed_event()
    with pytest.raises(DeviceError, match="400"):
        cuda.elapsed_ms(*events)
    for event in events:
        cuda.destroy_event(event)


def test_a_layer_clock_starts_anew_after_each_reading(gpu):
    clock = LayerClock(gpu.trt)
    context = emulator.IExecutionContext(None)
    clock.attach(context)
    context.profiler.report_layer_time("a", 1.0)
    context.profiler.report_layer_time("b", 2.0)
    context.profiler.report_layer_time("a", 0.5)  # a layer in a loop
    assert clock.read() == {"a": 1.5, "b": 2.0}
    assert clock.read() == {}


def test_the_bridge_is_a_profiler_of_the_real_module():
    rtx = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed")

    class Context:
        profiler = None

    clock, context = LayerClock(rtx), Context()
    clock.attach(context)
    assert isinstance(context.profiler, rtx.IProfiler)
    context.profiler.report_layer_time("a", 1.0)
    assert clock.read() == {"a": 1.0}
