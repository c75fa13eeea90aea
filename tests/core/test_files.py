"""Files that are either whole or absent."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core.files import atomic_path, sha256_of_bytes, sha256_of_file, write_bytes, write_json, write_text


def test_the_file_appears_only_at_the_end_and_nothing_else_remains(tmp_path):
    target = tmp_path / "deep" / "model.onnx"
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"new")
        assert not target.exists()
        assert temporary.parent == target.parent
        assert temporary.suffix == ".onnx"
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


def test_an_error_in_the_middle_leaves_the_old_file(tmp_path):
    target = tmp_path / "file.bin"
    target.write_bytes(b"old")

    def write_half():
        with atomic_path(target) as temporary:
            temporary.write_bytes(b"half")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        write_half()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_process_that_is_killed_in_the_middle_leaves_the_old_file(tmp_path):
    target = tmp_path / "file.bin"
    target.write_bytes(b"old")
    code = """
import os, signal, sys
from pathlib import Path
from fsrfer.core.files import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    assert done.returncode == -9
    assert target.read_bytes() == b"old"
    write_bytes(target, b"new")  # what the killed process left behind is in nobody's way
    assert target.read_bytes() == b"new"


def test_readers_never_see_half_a_file(tmp_path):
    target = tmp_path / "file.bin"
    contents = {bytes([value]) * 200_000 for value in range(8)}
    write_bytes(target, min(contents))
    stop = threading.Event()
    seen: set[bytes] = set()

    def read():
        while not stop.is_set():
            seen.add(target.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for content in sorted(contents) * 5:
        write_bytes(target, content)
    stop.set()
    reader.join()
    assert seen <= contents


@given(st.text())
def test_text_is_utf8(tmp_path_factory, text):
    target = tmp_path_factory.mktemp("text") / "file.txt"
    write_text(target, text)
    assert target.read_bytes() == text.encode("utf-8", errors="strict")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON)
def test_json_comes_back_as_it_was(tmp_path_factory, value):
    target = tmp_path_factory.mktemp("json") / "file.json"
    write_json(target, value)
    assert json.loads(target.read_text(encoding="utf-8")) == value


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_does_not_have_are_refused_and_the_old_file_stays(tmp_path, number):
    target = tmp_path / "file.json"
    write_json(target, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(target, {"a": number})
    assert json.loads(target.read_text()) == {"a": 1}


@given(st.binary(max_size=100))
def test_both_hashes_are_sha256(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("hash") / "file"
    file.write_bytes(data)
    assert sha256_of_bytes(data) == sha256_of_file(file) == hashlib.sha256(data).hexdigest()


def test_hashes_of_files_larger_than_a_block(tmp_path):
    data = bytes(range(256)) * 9000
    (tmp_path / "file").write_bytes(data)
    assert sha256_of_file(tmp_path / "file") == sha256_of_bytes(data)
