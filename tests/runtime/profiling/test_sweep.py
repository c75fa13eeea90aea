"""Profiles of tiny real bundles."""

from __future__ import annotations

import itertools
import json

import pytest

from fsrfer.core import ArtifactKind, Precision
from fsrfer.core.errors import BackendUnavailableError, BundleError, DatasetError, FsrferError, UsageError
from fsrfer.core.options import Provider
from fsrfer.core.schema import from_mapping, to_mapping
from fsrfer.datasets import EVALUATION_SIZES, evenly_spread, open_dataset, with_labels
from fsrfer.runtime.onnxruntime_runner import import_onnxruntime
from fsrfer.runtime.profiling import LatencyClock, ProfileConfig, ProfileReport, profile_bundle

BOTH = (ArtifactKind.ONNX_FP32, ArtifactKind.ONNX_INT8_CPU)
QUICK = ProfileConfig(batches=(1, 4), seconds=0.03, warmup_seconds=0.0)


@pytest.fixture(scope="module")
def bundle(make_bundle, tmp_path_factory):
    pytest.importorskip("onnxruntime")
    return make_bundle(tmp_path_factory.mktemp("bundle"), kinds=BOTH, conditioned=True)


@pytest.fixture(scope="module")
def report(bundle):
    return profile_bundle(bundle, QUICK)


def test_every_combination_has_a_row(report):
    found = [(row.precision, row.batch, row.threads, row.streams, row.clock) for row in report.rows]
    expected = itertools.product((Precision.FP32, Precision.INT8), (1, 4), (1,), (1,), LatencyClock)
    assert sorted(found) == sorted(expected)


def test_a_row_holds_together(report):
    for row in report.rows:
        assert row.latency.runs >= 3 * QUICK.rounds
        assert len(row.window_medians_ms) == QUICK.rounds
        assert 0 < row.latency.min_ms <= row.latency.p50_ms <= row.latency.p99_ms <= row.latency.max_ms
        assert min(row.window_medians_ms) * (1 - 1e-9) <= row.latency.p50_ms <= max(row.window_medians_ms) * (1 + 1e-9)
        assert row.faces_per_second == pytest.approx(1e3 * row.batch / row.latency.mean_ms)


def test_int8_is_compared_within_each_round(report):
    rows = {(row.precision, row.batch, row.clock): row for row in report.rows}
    assert len(report.speedups) == 4
    for speedup in report.speedups:
        fp32 = rows[Precision.FP32, speedup.batch, speedup.clock].window_medians_ms
        int8 = rows[Precision.INT8, speedup.batch, speedup.clock].window_medians_ms
        assert speedup.by_round == pytest.approx([a / b for a, b in zip(fp32, int8, strict=True)])
        assert speedup.interval == (min(speedup.by_round), max(speedup.by_round))


def test_graphs_are_named_by_their_hashes(report, bundle):
    hashes = {graph.precision: graph.sha256 for graph in report.graphs}
    artifacts = bundle.manifest.artifacts
    assert hashes == {
        Precision.FP32: artifacts["onnx-fp32"].sha256,
        Precision.INT8: artifacts["onnx-int8-cpu"].sha256,
    }
    assert {graph.provider for graph in report.graphs} == {"CPUExecutionProvider"}


def test_memory_is_that_of_the_process(report):
    memory = report.memory
    assert 2**24 < memory.before_bytes <= memory.peak_bytes
    assert memory.open_bytes <= memory.peak_bytes


def test_a_report_survives_json(report):
    text = json.dumps(to_mapping(report), allow_nan=False)
    assert from_mapping(ProfileReport, json.loads(text), where="here", error=FsrferError) == report
    assert json.loads(text)["schema_version"] == 3


def test_progress_comes_to_its_end(bundle):
    seen = []
    config = ProfileConfig((Precision.FP32,), batches=(1,), seconds=0.01, warmup_seconds=0.0, rounds=2)
    report = profile_bundle(bundle, config, lambda done, total: seen.append((done, total)))
    assert seen == [(done, 6) for done in range(1, 7)]
    assert report.speedups == ()


def test_agreement_comes_from_the_calibration(make_bundle, tmp_path):
    bundle = make_bundle(tmp_path, kinds=BOTH).record(calibration={"cpu": {"agreement": 0.975}})
    config = ProfileConfig(batches=(1,), seconds=0.01, warmup_seconds=0.0, rounds=1)
    graphs = {graph.precision: graph.agreement_with_fp32 for graph in profile_bundle(bundle, config).graphs}
    assert graphs == {Precision.FP32: None, Precision.INT8: 0.975}


def test_agreement_by_size_and_the_calibration_are_named(make_bundle, tmp_path):
    calibration = {
        "cpu": {"agreement": 0.9, "agreement_by_size": {"8": 0.8}},
        "calibrated_on": {"sha256": "c0ffee"},
    }
    bundle = make_bundle(tmp_path, kinds=BOTH).record(calibration=calibration)
    config = ProfileConfig(batches=(1,), seconds=0.01, warmup_seconds=0.0, rounds=1)
    fp32, int8 = profile_bundle(bundle, config).graphs
    assert (fp32.agreement_by_size, fp32.calibration_sha256) == ({}, None)
    assert (int8.agreement_by_size, int8.calibration_sha256) == ({"8": 0.8}, "c0ffee")


def test_streams_are_measured_side_by_side(make_bundle, tmp_path):
    series = []
    config = ProfileConfig(batches=(2,), streams=(1, 3), seconds=0.02, warmup_seconds=0.0, rounds=2)
    report = profile_bundle(make_bundle(tmp_path), config, on_runs=lambda what, runs: series.append((what, len(runs))))
    assert [row.streams for row in report.rows] == [1, 1, 3, 3]
    for row in report.rows:
        assert row.faces_per_second == pytest.approx(1e3 * row.streams * row.batch / row.latency.mean_ms)
        assert series.count((row.combination, row.streams)) == config.rounds
        assert row.latency.runs >= 3 * row.streams * config.rounds


def test_padding_and_accuracy_stand_beside_the_speed(report, make_bundle, tmp_path):
    assert report.fill.rows == 1.0
    assert 0.5 < report.fill.pixels < 1.0  # half of the crops of 8 to 48 px are larger than the input's 24
    assert report.accuracy == ()
    interval = {"value": 0.8, "low": 0.7, "high": 0.9}
    sizes = [{"face_size_px": size, "count": 9, "accuracy": interval, "macro_f1": 0.6} for size in (8, 48)]
    bundle = make_bundle(tmp_path).record(metrics={"test": {"sizes": sizes}})
    config = ProfileConfig(batches=(1,), seconds=0.01, warmup_seconds=0.0, rounds=1)
    found = profile_bundle(bundle, config).accuracy
    assert [(row.face_size_px, row.faces, row.accuracy, row.low, row.macro_f1) for row in found] == [
        (48.0, 9, 0.8, 0.7, 0.6),
        (8.0, 9, 0.8, 0.7, 0.6),
    ]


def test_what_the_machine_did_is_in_the_report(report):
    assert report.machine.energy.seconds > 0
    is_measured = report.machine.energy.joules is not None
    assert {row.joules_per_thousand_faces is not None for row in report.rows} == {is_measured}
    assert report.machine.energy.problem is None or not is_measured


def test_each_graph_is_evaluated_on_faces_that_are_given(bundle):
    faces = evenly_spread(open_dataset("procedural", "test"), 40)
    known = with_labels(faces, bundle.manifest.labels, drop_missing=True)
    report = profile_bundle(
        bundle, ProfileConfig(batches=(1,), seconds=0.01, warmup_seconds=0.0, rounds=1), None, None, known
    )
    assert report.accuracy_faces == known.dataset_id
    for graph in report.graphs:
        assert [row.face_size_px for row in graph.accuracy] == list(EVALUATION_SIZES)
        assert {row.faces for row in graph.accuracy} == {len(known)}
        assert all(0 <= row.low <= row.accuracy <= row.high <= 1 for row in graph.accuracy)
    fp32, int8 = report.graphs  # the test's bundle has the same graph twice
    assert fp32.accuracy == int8.accuracy


def test_faces_that_the_model_does_not_know_are_refused(bundle):
    with pytest.raises(DatasetError):
        profile_bundle(
            bundle,
            ProfileConfig(batches=(1,), seconds=0.01, warmup_seconds=0.0, rounds=1),
            faces=open_dataset("procedural", "test"),
        )


def test_a_provider_that_is_not_there_is_told(bundle):
    if "CUDAExecutionProvider" in import_onnxruntime().get_available_providers():
        pytest.skip("there is CUDA")
    with pytest.raises(BackendUnavailableError, match="no CUDAExecutionProvider"):
        profile_bundle(bundle, ProfileConfig((Precision.FP32,), provider=Provider.CUDA))


def test_spinning_is_told(make_bundle, tmp_path):
    config = ProfileConfig(batches=(1,), threads=(2,), seconds=0.01, warmup_seconds=0.0, rounds=1, spinning=True)
    report = profile_bundle(make_bundle(tmp_path), config)
    assert report.spinning


def test_half_precision_is_left_out_with_a_reason(make_bundle, tmp_path):
    bundle = make_bundle(tmp_path, kinds=(ArtifactKind.ONNX_FP32, ArtifactKind.ONNX_FP16))
    report = profile_bundle(bundle, ProfileConfig(batches=(1,), seconds=0.01, warmup_seconds=0.0, rounds=1))
    assert {row.precision for row in report.rows} == {Precision.FP32}
    assert [skipped.precision for skipped in report.skipped] == [Precision.FP16]
    with pytest.raises(UsageError, match="fp16"):
        profile_bundle(bundle, ProfileConfig(precisions=(Precision.FP16,)))


def test_what_the_bundle_lacks_is_not_replaced(make_bundle, tmp_path):
    bundle = make_bundle(tmp_path)
    with pytest.raises(BundleError, match="fsrfer-calibrate int8"):
        profile_bundle(bundle, ProfileConfig(precisions=(Precision.INT8,)))


def test_a_bundle_without_graphs_says_how_to_make_one(make_bundle, tmp_path):
    with pytest.raises(BundleError, match="fsrfer-export onnx"):
        profile_bundle(make_bundle(tmp_path, kinds=()))


@pytest.mark.parametrize(
    "options",
    [
        {"batches": ()},
        {"batches": (0,)},
        {"batches": (1, 1)},
        {"threads": (0,)},
        {"threads": (100_000,)},
        {"seconds": float("inf")},
        {"warmup_seconds": float("inf")},
        {"seconds": 0.0},
        {"seconds": float("nan")},
        {"warmup_seconds": -1.0},
        {"rounds": 0},
        {"streams": ()},
        {"streams": (0,)},
        {"threads": (64,), "streams": (64,)},
    ],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(UsageError, match="impossible"):
        ProfileConfig(**options)
