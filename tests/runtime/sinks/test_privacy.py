"""Nothing of a frame is written anywhere unless somebody asks for it.

Python's audit events show every file that Python code opens for writing; what libraries write by themselves shows in
the folders that a process may write to, which are fresh ones.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from fsrfer.datasets.procedural import CrowdClip, write_clip, write_ground_truth
from fsrfer.runtime.sinks import output_schema

AUDITED_RUN = """
import os, sys

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {
    "os.link", "os.mkdir", "os.mkfifo", "os.mknod", "os.rename", "os.symlink", "os.truncate",
    "shutil.copyfile", "shutil.move", "socket.connect", "socket.sendto", "sqlite3.connect",
    "tempfile.mkdtemp", "tempfile.mkstemp",
}
done = []

def watch(event, arguments):
    if event == "open":
        path, _, flags = arguments
        if not isinstance(path, int) and flags & WRITING:
            done.append(os.fsdecode(path))
    elif event in CHANGES:
        done.append(f"{event} {arguments}")

sys.addaudithook(watch)
from fsrfer.cli.main import run
try:
    run()
finally:
    sys.stderr.write("\\nAUDIT " + repr(done))
"""


@dataclass
class Audit:
    lines: list[str]
    written: list[str]
    left: set[str]


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("clip")
    crowd = CrowdClip(seconds=1.0, width=320, height=180, people=8, face_px=(10.0, 30.0))
    write_clip(crowd, folder / "crowd.mp4")
    write_ground_truth(crowd, folder / "truth.jsonl")
    return folder / "crowd.mp4", folder / "truth.jsonl"


@pytest.fixture
def audited_run(tmp_path, clip):
    def run(*options) -> Audit:
        folders = {name: tmp_path / name for name in ("work", "home", "tmp", "cache", "config")}
        for folder in folders.values():
            folder.mkdir()
        environment = {
            **os.environ,
            "HOME": str(folders["home"]),
            "TMPDIR": str(folders["tmp"]),
            "XDG_CACHE_HOME": str(folders["cache"]),
            "XDG_CONFIG_HOME": str(folders["config"]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        video, truth = clip
        done = subprocess.run(
            [sys.executable, "-c", AUDITED_RUN, video, "--detector", f"boxes:{truth}", "--threads", "1", *options],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd=folders["work"],
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        written = ast.literal_eval(done.stderr.rpartition("\nAUDIT ")[2])
        left = {str(path.relative_to(tmp_path)) for folder in folders.values() for path in folder.rglob("*")}
        return Audit(done.stdout.splitlines(), written, left)

    return run


def test_by_default_nothing_is_written_but_lines_without_pictures_to_stdout(audited_run):
    audit = audited_run()
    assert audit.written == []
    assert audit.left == set()
    records = [json.loads(line) for line in audit.lines]
    assert len(records) == 12
    assert sum(len(record["faces"]) for record in records) > 50
    definitions = output_schema()["$defs"]
    for record in records:
        assert set(record) <= set(definitions["frame"]["properties"])
        for face in record["faces"]:
            assert set(face) <= set(definitions["face"]["properties"])
            assert set(map(type, face["probabilities"].values())) == {float}
            assert (len(face["box"]), len(face["probabilities"])) == (4, 8)


def test_what_is_asked_for_is_written_and_nothing_else(audited_run):
    audit = audited_run("--output", "seen.jsonl", "--annotated", "seen.mp4")
    assert audit.lines == []
    assert audit.left == {"work/seen.jsonl", "work/seen.mp4"}
    # The audit sees what is asked for, so it would see the rest.
    assert "seen.jsonl" in audit.written
    rest = [name for name in audit.written if name != "seen.jsonl"]
    assert any(name.startswith(".seen-") for name in rest)
    assert [name for name in rest if ".seen-" not in name and not name.startswith("os.mkdir ('.',")] == []
