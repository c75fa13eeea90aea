"""All forms of a bundle against its FP32 graph."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fsrfer.calibration import Int8Config, calibrate_int8
from fsrfer.core import ArtifactKind, Precision
from fsrfer.core.errors import CheckFailedError, InputSpecError
from fsrfer.core.fidelity import Bounds
from fsrfer.datasets import Subset, Track
from fsrfer.export.verification import verify

BOUNDS = {precision: Bounds(max_drop=0.1) for precision in Precision}


@pytest.fixture
def bundle(networks, noise, tmp_path):
    written = networks.write_residual_bundle(tmp_path / "bundle")
    return calibrate_int8(written, noise, Int8Config(samples=48, held_out=24, sizes=(24, 12), min_agreement=0.7))


def spoil(bundle, kind, value):
    """Overwrite the bias of the logits of one graph."""
    graph = onnx.load(bundle.artifact_path(kind))
    bias = next(tensor for tensor in graph.graph.initializer if tensor.name == "logits.b")
    bias.CopyFrom(numpy_helper.from_array(np.asarray(value, np.float32), "logits.b"))
    return bundle.store(kind, partial(onnx.save, graph))


@pytest.mark.parametrize("track", Track)
def test_sound_forms_pass_at_every_size(bundle, noise, track):
    found = verify(bundle, noise, (24, 12), track=track)
    assert found.faces == len(noise)
    assert found.forms[0].name == "ONNX FP32"
    reference = found.forms[0].fidelity
    assert all(band.overall.agreement == 1.0 and band.overall.max_logit_error == 0.0 for band in reference.bands)
    for form in found.forms[1:]:
        assert [band.face_size_px for band in form.fidelity.bands] == [24, 12]
        assert form.fidelity.bands[0].overall.reference_accuracy == reference.bands[0].overall.reference_accuracy
        assert max(form.rows.identical_rows, form.rows.permuted_rows) == 0.0
        assert form.rows.other_batch_sizes < 0.1
    found.raise_if_beyond(BOUNDS)


def test_a_form_that_decides_otherwise_is_named(bundle, noise):
    found = verify(spoil(bundle, ArtifactKind.ONNX_INT8_CPU, [0, 0, 0, 99]), noise, (24, 12))
    alike = {precision: Bounds(min_agreement=0.5) for precision in Precision}
    problems = found.problems(alike)
    assert len(problems) == 2
    assert all(problem.startswith("ONNX INT8 for CPUs: ") for problem in problems)
    with pytest.raises(CheckFailedError, match=r"do not decide alike.*at 24 px.*at 12 px"):
        found.raise_if_beyond(alike)
    assert any("a loss of" in problem for problem in found.problems(BOUNDS))


def test_a_form_that_gives_no_numbers_is_a_finding_not_a_crash(bundle, noise):
    found = verify(spoil(bundle, ArtifactKind.ONNX_INT8_TENSORRT, [np.nan, 0, 0, 0]), noise, (24,))
    assert any("not finite" in problem for problem in found.problems({p: Bounds() for p in Precision}))
    json.dumps(found.to_json(), allow_nan=False)


def test_a_reference_that_gives_no_numbers_proves_nothing(bundle, noise):
    with pytest.raises(InputSpecError, match="FP32 graph"):
        verify(spoil(bundle, ArtifactKind.ONNX_FP32, [np.nan, 0, 0, 0]), noise, (24,))


def test_without_sizes_nothing_is_compared(bundle, noise):
    with pytest.raises(InputSpecError, match="nothing to compare"):
        verify(bundle, noise, ())


def test_an_expression_without_faces_reads_no_data(bundle, noise):
    present = [index for index in range(len(noise)) if noise.label_indices[index] != 3]
    found = verify(bundle, Subset(noise, present), (24,))
    assert found.forms[1].fidelity.bands[0].by_label["sadness"] is None


def rows_of(found, **differences):
    """The same verification, but for what its INT8 form's rows differ by."""
    forms = [
        form if form.name != "ONNX INT8 for CPUs" else replace(form, rows=replace(form.rows, **differences))
        for form in found.forms
    ]
    return replace(found, forms=tuple(forms))


def test_rows_of_a_batch_may_not_differ_even_where_batches_may(bundle, noise):
    found = verify(bundle, noise, (24,))
    assert rows_of(found, other_batch_sizes=0.1).problems(BOUNDS) == []
    assert "faces alone and in batches" in rows_of(found, other_batch_sizes=0.3).problems(BOUNDS)[0]
    for difference in (1e-4, float("nan")):
        (identical,) = rows_of(found, identical_rows=difference).problems(BOUNDS)
        assert identical.startswith("ONNX INT8 for CPUs: identical rows of a batch differ by")
        (permuted,) = rows_of(found, permuted_rows=difference).problems(BOUNDS)
        assert "rows of a batch in another order" in permuted


def test_a_form_that_is_required_must_have_run(bundle, noise, engines):
    """An engine for a GPU that is not here, or of another graph, is not run; the gate passes unless it is required."""
    with_engine = engines.put_engine(bundle, b"plan", source_sha256="0" * 64)
    found = verify(with_engine, noise, (24,))
    assert found.forms[-1].name == "engine fp16.engine"
    assert found.forms[-1].not_run
    found.raise_if_beyond(BOUNDS)
    found.raise_if_beyond(BOUNDS, ["onnx int8 for cpus"])
    with pytest.raises(CheckFailedError, match=r"engine fp16\.engine: required and not run"):
        found.raise_if_beyond(BOUNDS, ["engine fp16.engine"])
    with pytest.raises(CheckFailedError, match="ONNX FP16: required and not run, the bundle has no such form"):
        found.raise_if_beyond(BOUNDS, ["ONNX FP16"])
