"""What a server says about its model, against a bundle."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fsrfer.core import Precision
from fsrfer.core.errors import BackendUnavailableError
from fsrfer.runtime.triton.facts import ModelFacts, check_facts, facts_of


@pytest.fixture
def manifest(make_bundle, tmp_path):
    return make_bundle(tmp_path / "bundle").manifest


def facts_about(manifest):
    return facts_of(manifest, Precision.FP32, "onnx-fp32", "f" * 64)


def test_facts_survive_the_configuration(manifest):
    facts = facts_about(manifest)
    assert ModelFacts.from_parameters({**facts.parameters(), "other": "1"}, "m on h") == facts
    check_facts(facts, manifest, Precision.FP32, "m on h")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": "a,b"}, r"m on h serves other expressions; expected neutral,happiness,surprise.*found a,b"),
        ({"precision": "int8"}, "another number format; expected fp32"),
        ({"graph_sha256": "0" * 64}, r"another model; expected tiny, onnx-fp32 .*found tiny, onnx-fp32 000000000000"),
        ({"graph": "onnx-int8-cpu"}, r"another model; expected tiny, onnx-int8-cpu none"),
        ({"preprocess": "{}"}, "other preprocessing"),
        ({"name": "renamed"}, "another model"),
    ],
)
def test_both_sides_of_a_difference_are_told(manifest, changes, said):
    with pytest.raises(BackendUnavailableError, match=said):
        check_facts(replace(facts_about(manifest), **changes), manifest, Precision.FP32, "m on h")


def test_a_repository_of_somebody_else_is_told(manifest):
    parameters = facts_about(manifest).parameters()
    with pytest.raises(BackendUnavailableError, match=r"does not say which model.*none of them.*Next: fsrfer"):
        ModelFacts.from_parameters({}, "m on h")
    del parameters["fsrfer.labels"]
    with pytest.raises(BackendUnavailableError, match="does not say which model"):
        ModelFacts.from_parameters(parameters, "m on h")
