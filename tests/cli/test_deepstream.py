"""``fsrfer-export deepstream`` from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from fsrfer.runtime.shipped import default_bundle_path


def run(*words: object) -> subprocess.CompletedProcess[str]:
    code = "from fsrfer.cli.main import export; export()"
    return subprocess.run(
        [sys.executable, "-c", code, "deepstream", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "160", "OMP_NUM_THREADS": "1"},
    )


def test_one_command_writes_the_folder(tmp_path):
    done = run(default_bundle_path(), "--out", tmp_path / "out", "--face-size", "12", "--precision", "fp32", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["options"]["face_size_px"] == 12.0
    assert told["proof"]["faces"] == 10
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "config_infer_expression.txt",
        "deepstream_app.txt",
        "labels.txt",
        "model.nvinfer.onnx",
        "pipeline.py",
    ]
    assert "network-mode=0" in (tmp_path / "out" / "config_infer_expression.txt").read_text()


def test_a_table_says_how_far_the_graph_is_from_the_bundles(tmp_path):
    done = run(default_bundle_path(), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "largest difference of a probability" in done.stdout
    assert done.stderr.startswith("wrote ")


def test_int8_is_wrong_usage_and_writes_nothing(tmp_path):
    done = run(default_bundle_path(), "--out", tmp_path / "out", "--precision", "int8")
    assert done.returncode == 2
    assert "Next: build an INT8 engine with trtexec" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_bundle_that_is_not_there(tmp_path):
    done = run(tmp_path / "nowhere", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "nowhere" in done.stderr
