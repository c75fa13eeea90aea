"""Layers of the model that comes with fsrfer, as ONNX Runtime really executes them."""

from __future__ import annotations

import json

import pytest

from fsrfer.core import ModelBundle, Precision
from fsrfer.core.errors import FsrferError, UsageError
from fsrfer.core.schema import from_mapping, to_mapping
from fsrfer.export.inspect_graph import describe_graph
from fsrfer.export.layers import LayerConfig, measure_layers, profile_layers
from fsrfer.runtime.opening import artifact_for
from fsrfer.runtime.profiling.layer_report import Bound, LayerKind, LayerRole
from fsrfer.runtime.profiling.report import LayerProfile
from fsrfer.runtime.profiling.report_file import profile_schema
from fsrfer.runtime.shipped import default_bundle_path

CONFIG = LayerConfig(batch=2, threads=(1, 2), seconds=0.06, rounds=3)


@pytest.fixture(scope="module")
def bundle():
    return ModelBundle.load(default_bundle_path())


@pytest.fixture(scope="module")
def profile(bundle):
    return profile_layers(bundle, CONFIG)


def test_each_graph_is_measured_with_each_number_of_threads(profile):
    found = [(run.precision, run.threads, run.batch) for run in profile.layers.runs]
    assert found == [(precision, threads, 2) for precision in (Precision.FP32, Precision.INT8) for threads in (1, 2)]
    assert all(run.runs >= 3 * CONFIG.rounds and len(run.window_medians_ms) == 3 for run in profile.layers.runs)


def test_the_machine_is_watched_while_layers_are_measured(profile):
    assert profile.layers.machine.energy.seconds >= CONFIG.seconds * len(profile.layers.runs)  # all of it
    assert profile.layers.interference.idle_cores is None or profile.layers.interference.idle_cores >= 0


def test_every_node_with_weights_is_executed_once(profile, bundle):
    for run in profile.layers.runs:
        graph = describe_graph(bundle.artifact_path(artifact_for(run.precision)))
        multiplying = [layer.node for layer in run.layers if layer.macs]
        assert sorted(multiplying) == sorted(node.name for node in graph.weighted_nodes)
        assert sum(layer.macs for layer in run.layers) == 2 * graph.macs


def test_only_changes_of_layout_have_no_place_in_the_network(profile):
    for run in profile.layers.runs:
        homeless = {layer.operator for layer in run.layers if layer.node is None}
        assert homeless <= {"ReorderInput", "ReorderOutput", "Transpose"}
        assert {LayerRole.BACKBONE, LayerRole.GENERATOR, LayerRole.CLASSIFIER, LayerRole.NORMALIZE} <= set(
            run.role_ms()
        )


def test_number_formats_are_those_that_are_computed_in(profile):
    in_float = {
        run.precision: {
            layer.node
            for layer in run.layers
            if layer.kind is LayerKind.CONVOLUTION and layer.number_format == "float32"
        }
        for run in profile.layers.runs
    }
    assert len(in_float[Precision.FP32]) > 10
    assert in_float[Precision.INT8] == {"backbone.stem.0"}  # the one that sums too little to pay


def test_a_layer_holds_together(profile):
    for run in profile.layers.runs:
        assert sum(layer.share for layer in run.layers) == pytest.approx(1.0)
        assert sum(part.share for part in run.account) == pytest.approx(1.0)
        for layer in run.layers:
            assert layer.moved_bytes > 0
            assert layer.roof_ms > 0
            if layer.macs:
                assert layer.intensity == pytest.approx(2 * layer.macs / layer.moved_bytes)
            else:
                assert layer.bound is Bound.MEMORY


def test_weights_are_part_of_what_is_moved_in_both_formats(profile):
    moved = {
        run.precision: next(layer for layer in run.layers if layer.node == "backbone.stages.2.1.body.3").moved_bytes
        for run in profile.layers.runs
    }
    maps = 2 * 2 * 160 * 6 * 6  # two faces, two views of each
    weights = 160 * 160 * 9
    assert moved[Precision.INT8] == pytest.approx(2 * maps + weights, rel=0.02)
    assert moved[Precision.FP32] >= 4 * (2 * maps + weights)


def test_the_peaks_are_those_of_the_formats_and_threads(profile):
    found = {(peak.number_format, peak.threads) for peak in profile.layers.peaks}
    assert found == {("float32", 1), ("float32", 2), ("int8", 1), ("int8", 2)}
    assert all(peak.gops > 0 for peak in profile.layers.peaks)


def test_a_profile_survives_json(profile):
    text = json.dumps(to_mapping(profile), allow_nan=False)
    assert from_mapping(LayerProfile, json.loads(text), where="here", error=FsrferError) == profile


def test_a_profile_fits_the_schema(profile):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(profile_schema()).validate(to_mapping(profile))


def test_progress_comes_to_its_end(make_bundle, tmp_path):
    seen = []
    config = LayerConfig(batch=1, seconds=0.002, rounds=1)
    report = measure_layers(make_bundle(tmp_path), config, lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == list(range(1, seen[0][1] + 1))
    assert {peak.number_format for peak in report.peaks} == {"float32"}


@pytest.mark.parametrize(
    "options",
    [{"batch": 0}, {"threads": ()}, {"threads": (0,)}, {"threads": (1, 1)}, {"seconds": 0.0}, {"rounds": 0}],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(UsageError, match="impossible"):
        LayerConfig(**options)
