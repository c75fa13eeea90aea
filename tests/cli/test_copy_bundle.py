"""``fsrfer copy-bundle``: the shipped model, to work on."""

from __future__ import annotations

import pytest

from fsrfer.cli.launch import exit_code_of, load_app
from fsrfer.core import ArtifactKind, ModelBundle
from fsrfer.runtime import default_bundle_path


def copy(*words) -> int:
    return exit_code_of(lambda: load_app("copy_bundle")([str(word) for word in words]))


def test_the_copy_is_whole_and_writable(tmp_path):
    assert copy(tmp_path / "mine") == 0
    bundle = ModelBundle.load(tmp_path / "mine")
    assert bundle.manifest == ModelBundle.load(default_bundle_path()).manifest
    for kind in bundle.manifest.artifacts:
        assert bundle.artifact_path(ArtifactKind(kind)).stat().st_size > 1000
    bundle.record(name="mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_nothing_is_overwritten(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    assert copy(tmp_path / "mine") == 2
    assert "is there already" in capsys.readouterr().err
    assert list((tmp_path / "mine").iterdir()) == []


def test_what_an_interrupted_copy_left_is_no_obstacle(tmp_path):
    (tmp_path / "mine.partial").mkdir()
    (tmp_path / "mine.partial" / "bundle.json").write_text("half")
    assert copy(tmp_path / "mine") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("words", [[], ["one", "two"]])
def test_misuse(words, capsys):
    assert copy(*words) == 2
    assert capsys.readouterr().err
