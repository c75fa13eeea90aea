"""Several sources at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core.errors import SourceError
from fsrfer.runtime.sources import SourceKind, SourceSettings, SourceSpec, changes, parse_sources


def test_sources_of_one_name_are_numbered():
    specs = parse_sources(["rtsp://a:1@cam/s", "0", "rtsp://b:2@cam/s"])
    assert [spec.name for spec in specs] == ["rtsp://***@cam/s", "camera 0", "rtsp://***@cam/s#2"]
    assert [spec.location for spec in specs] == ["rtsp://a:1@cam/s", "0", "rtsp://b:2@cam/s"]


def test_a_file_of_sources_stands_among_others(tmp_path):
    path = tmp_path / "cameras.TOML"
    path.write_text('[[source]]\nname = "gate"\naddress = "rtsp://gate/s"\n[[source]]\nname = "desk"\naddress = "1"\n')
    specs = parse_sources(["0", str(path), "rtsp://yard/s"])
    assert [spec.name for spec in specs] == ["camera 0", "gate", "desk", "rtsp://yard/s"]


def test_the_standard_input_carries_one_source_only():
    with pytest.raises(SourceError, match="the standard input can carry one source only"):
        parse_sources(["raw:4x4:gray@25", "raw:8x8:gray@25"])


def spec_of(name, location="rtsp://cam/s", **settings):
    return SourceSpec(SourceKind.NETWORK, name, location, settings=SourceSettings(**settings))


def test_changes_go_by_name():
    old = [spec_of("gate"), spec_of("yard"), spec_of("hall"), spec_of("desk")]
    new = [spec_of("desk"), spec_of("hall", max_fps=5), spec_of("yard", "rtsp://joe:new@cam/s"), spec_of("roof")]
    difference = changes(old, new)
    assert difference.added == (new[3],)
    assert difference.removed == (old[0],)
    assert difference.changed == (new[1], new[2])
    assert difference
    assert not changes(old, list(reversed(old)))


SPECS = st.dictionaries(st.text(max_size=2), st.integers(0, 2)).map(
    lambda rates: [spec_of(name, max_fps=rate + 1) for name, rate in rates.items()]
)


@given(SPECS, SPECS)
def test_applied_changes_lead_from_one_list_to_the_other(old, new):
    difference = changes(old, new)
    gone = {spec.name for spec in (*difference.removed, *difference.changed)}
    applied = [*(spec for spec in old if spec.name not in gone), *difference.changed, *difference.added]
    assert sorted(applied, key=lambda spec: spec.name) == sorted(new, key=lambda spec: spec.name)
    assert not changes(old, [replace(spec) for spec in old])
