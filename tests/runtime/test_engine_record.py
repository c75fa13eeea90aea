"""Records of engines, and which engine a runtime takes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core import ArtifactKind, Backend, Precision
from fsrfer.core.errors import BundleError, EngineCompatibilityError, UsageError
from fsrfer.core.files import sha256_of_bytes
from fsrfer.runtime.engine_record import (
    BatchProfile,
    EngineRecord,
    cpu_name,
    engine_records,
    find_engine,
    host_platform,
    record_path,
)

sizes = st.integers(1, 4096)


@given(st.lists(sizes, min_size=3, max_size=3).map(sorted))
def test_profiles_are_read_as_they_are_written(numbers):
    profile = BatchProfile(*numbers)
    assert BatchProfile.parse(str(profile)) == profile


@given(sizes)
def test_one_number_stands_for_all_three(size):
    assert BatchProfile.parse(str(size)) == BatchProfile(size, size, size)


@given(st.text(alphabet="0123456789:-+ ²x", max_size=12))
def test_any_other_text_is_a_usage_error(text):
    try:
        profile = BatchProfile.parse(text)
    except UsageError:
        return
    assert 1 <= profile.min <= profile.opt <= profile.max


@pytest.mark.parametrize("text", ["", ":", "1:2", "0:1:2", "4:2:8", "1:2:3:4", "1:16:5000", "-1:2:3", "1:²:3"])
def test_impossible_profiles_are_refused(text):
    with pytest.raises(UsageError):
        BatchProfile.parse(text)


ENGINE = b"compiled"
HERE = {"library_version": "10.3.0", "compute_capability": "8.7"}


@pytest.fixture
def bundle(make_bundle, tmp_path):
    return make_bundle(tmp_path / "bundle")


def add_engine(bundle, name="a.engine", **changes):
    record = EngineRecord(
        file=name,
        backend=Backend.TENSORRT,
        precision=Precision.FP32,
        batch=BatchProfile(),
        library_version="10.3.0",
        device="Orin",
        compute_capabilities=("8.7",),
        platform=host_platform(),
        source=ArtifactKind.ONNX_FP32,
        source_sha256=bundle.manifest.artifacts["onnx-fp32"].sha256,
        engine_sha256=sha256_of_bytes(ENGINE),
        size_bytes=len(ENGINE),
        build_seconds=1.5,
        build_key="key",
        created="2026-01-01T00:00:00+00:00",
        command="fsrfer-export build-engine bundle --backend tensorrt",
    )
    record = replace(record, **changes)
    path = bundle.path / "engines" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(ENGINE)
    record.write(record_path(path))
    return record


def test_a_record_is_read_as_it_was_written(bundle):
    record = add_engine(bundle, options={"workspace_mib": 64})
    assert engine_records(bundle) == [record]


def test_the_newest_engine_that_fits_is_taken(bundle):
    add_engine(bundle, "old.engine")
    newer = add_engine(bundle, "new.engine", created="2026-02-01T00:00:00+00:00")
    add_engine(bundle, "other.engine", created="2026-03-01T00:00:00+00:00", library_version="8.6.1")
    path, record = find_engine(bundle, Backend.TENSORRT, Precision.FP32, **HERE)
    assert record == newer
    assert path.read_bytes() == ENGINE


def test_a_bundle_without_such_an_engine_says_how_to_build_it(bundle):
    add_engine(bundle)
    with pytest.raises(BundleError, match=r"build-engine .* --backend tensorrt --precision int8"):
        find_engine(bundle, Backend.TENSORRT, Precision.INT8, **HERE)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source_sha256": "0" * 64}, "built from another graph"),
        ({"platform": "linux-riscv64"}, "another platform"),
        ({"library_version": "10.13.3"}, "another tensorrt"),
        ({"compute_capabilities": ("8.6", "8.9")}, "other GPUs"),
        ({"engine_sha256": "0" * 64}, "was altered"),
        ({"file": "gone.engine"}, "is missing"),
    ],
)
def test_an_engine_that_does_not_fit_is_refused_with_the_command_that_rebuilds_it(bundle, change, reason):
    add_engine(bundle, **change)
    with pytest.raises(EngineCompatibilityError, match=f"{reason}.*Next: fsrfer-export build-engine bundle"):
        find_engine(bundle, Backend.TENSORRT, Precision.FP32, **HERE)


def test_an_engine_of_another_processor_is_refused(bundle):
    add_engine(
        bundle, backend=Backend.ONNXRUNTIME, library_version="1.32.0", device="AMD EPYC", compute_capabilities=()
    )
    found = find_engine(bundle, Backend.ONNXRUNTIME, Precision.FP32, library_version="1.32.0", device="AMD EPYC")
    assert found[1].device == "AMD EPYC"
    with pytest.raises(EngineCompatibilityError, match="another processor"):
        find_engine(bundle, Backend.ONNXRUNTIME, Precision.FP32, library_version="1.32.0", device="Cortex-A78")


@pytest.mark.parametrize(
    ("built", "present", "fits"),
    [
        ("10.3.0", "10.3.0", True),
        ("10.3.0", "10.13.3.9", True),
        ("10.3.0", "11.4.1", True),
        ("8.6.1", "8.6.2", True),
        ("8.6.1", "10.3.0", True),
        ("10.13.3.9", "10.3.0", False),
        ("10.3.0", "8.6.1", False),
        ("11.0.0", "10.16.1.11", False),
        ("8.6.1", "11.4.1", False),
        ("10.3.0", "12.0.0", False),
    ],
)
def test_version_compatible_engines_run_where_nvidia_says_so(bundle, built, present, fits):
    """By the support matrix of 11.4.1: later versions of the same major one, 8 in 10, 10 in 11, and no other."""
    add_engine(bundle, library_version=built, options={"version_compatible": True})
    found = {"library_version": present, "compute_capability": "8.7"}
    if fits:
        find_engine(bundle, Backend.TENSORRT, Precision.FP32, **found)
    else:
        with pytest.raises(EngineCompatibilityError, match="another tensorrt"):
            find_engine(bundle, Backend.TENSORRT, Precision.FP32, **found)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda value: {**value, "schema_version": 99}, "schema_version 99"),
        (lambda value: {**value, "colour": "red"}, "malformed"),
        (lambda value: {key: value[key] for key in value if key != "batch"}, "malformed"),
        (lambda value: [], "another layout"),
    ],
)
def test_malformed_records_are_refused(bundle, change, reason):
    add_engine(bundle)
    path = bundle.path / "engines" / "a.engine.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(BundleError, match=reason):
        engine_records(bundle)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("processor\t: 0\nmodel name\t: AMD EPYC 9B45\nflags\t: avx2\n", "AMD EPYC 9B45"),
        ("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd42\n", "ARM 0x41 0xd42"),
    ],
)
def test_processors_are_named(text, name, tmp_path):
    (tmp_path / "cpuinfo").write_text(text)
    assert cpu_name(tmp_path / "cpuinfo") == name


def test_an_undescribed_processor_still_has_a_name(tmp_path):
    assert cpu_name(tmp_path / "absent")
