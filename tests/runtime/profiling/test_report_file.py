"""Profiles from files."""

from __future__ import annotations

import json

import pytest

from fsrfer.core.errors import UsageError
from fsrfer.core.files import write_json
from fsrfer.core.schema import to_mapping
from fsrfer.runtime.profiling import ProfileConfig, profile_bundle
from fsrfer.runtime.profiling.report_file import profile_schema, read_profile


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
    with pytest.raises(UsageError, match="expected schema_version 2; found schema_version 1"):
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
