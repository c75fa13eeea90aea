"""Profiles from files."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from fsrfer.core.errors import UsageError
from fsrfer.core.files import write_json
from fsrfer.core.schema import to_mapping
from fsrfer.runtime.profiling import ProfileConfig, profile_bundle
from fsrfer.runtime.profiling.engine_report import EngineProfile
from fsrfer.runtime.profiling.pipeline_profile import PipelineProfileReport
from fsrfer.runtime.profiling.report_file import profile_schema, read_profile
from fsrfer.runtime.profiling.scenario_report import ScenarioReport

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"


@pytest.fixture(scope="module")
def value(make_bundle, tmp_path_factory):
    pytest.importorskip("onnxruntime")
    config = ProfileConfig(batches=(1,), seconds=0.01, warmup_seconds=0.0, rounds=1)
    return to_mapping(profile_bundle(make_bundle(tmp_path_factory.mktemp("bundle")), config))


def test_a_profile_comes_back(value, tmp_path):
    write_json(tmp_path / "profile.json", value)
    assert to_mapping(read_profile(tmp_path / "profile.json")) == value


@pytest.mark.parametrize("content", [None, b"{", b"\xff", b"[]", b"{}"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "profile.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"profile\.json is no profile"):
        read_profile(path)


def test_other_versions_are_named(value, tmp_path):
    path = tmp_path / "profile.json"
    path.write_text(json.dumps({**value, "schema_version": 1}))
    with pytest.raises(UsageError, match="expected schema_version 2 or 3; found schema_version 1"):
        read_profile(path)


def test_files_of_version_2_are_still_read():
    """They lack what version 3 added, and mean the same otherwise."""
    report = read_profile(RESULTS / "profile-ferplus-edge.json")
    assert report.schema_version == 2
    assert report.machine is None
    assert len(report.rows) == 24


@pytest.mark.parametrize(("name", "command"), [("layers-ferplus-edge", "layers"), ("capacity", "capacity")])
def test_files_of_other_commands_are_told(name, command):
    with pytest.raises(UsageError, match=f"found a file of `fsrfer-profile {command}`"):
        read_profile(RESULTS / f"{name}.json")


@pytest.mark.parametrize(
    ("kind", "command"),
    [(PipelineProfileReport, "pipeline"), (ScenarioReport, "scenario"), (EngineProfile, "engine")],
)
def test_every_other_report_is_known_by_its_fields(tmp_path, kind, command):
    path = tmp_path / "report.json"
    path.write_text(json.dumps({field.name: 1 for field in fields(kind)}))
    with pytest.raises(UsageError, match=f"found a file of `fsrfer-profile {command}`"):
        read_profile(path)


def test_a_slip_is_named_by_its_place(value, tmp_path):
    path = tmp_path / "profile.json"
    path.write_text(json.dumps({**value, "rounds": "six"}))
    with pytest.raises(UsageError, match="malformed at rounds"):
        read_profile(path)


def test_the_schema_describes_what_is_written(value):
    jsonschema = pytest.importorskip("jsonschema")
    schema = profile_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(value)
    assert not validator.is_valid({**value, "schema_version": 1})
    assert not validator.is_valid({**value, "rounds": "six"})
    undescribed = [
        f"{name}.{field}"
        for name, definition in schema["$defs"].items()
        for field, facts in definition["properties"].items()
        if "description" not in facts
    ]
    assert undescribed == []
