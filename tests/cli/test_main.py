"""The group of all commands."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

from fsrfer.cli.main import _SUMMARIES


def run_fsrfer(*words: str) -> subprocess.CompletedProcess[str]:
    code = "from fsrfer.cli.main import main; main()"
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)


def test_help_lists_every_command():
    done = run_fsrfer("--help")
    assert done.returncode == 0
    assert all(f"\n  {name}" in done.stdout for name in _SUMMARIES)


@pytest.mark.parametrize("command", list(_SUMMARIES))
def test_every_command_has_help(command):
    done = run_fsrfer(command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout


def test_an_unknown_command_is_wrong_usage():
    done = run_fsrfer("bogus")
    assert done.returncode == 2
    assert "No such command 'bogus'" in done.stderr


def test_version():
    assert run_fsrfer("--version").stdout.strip() == f"fsrfer {metadata.version('fsrfer')}"


def test_scripts_have_the_names_of_the_commands():
    scripts = {
        entry.name for entry in metadata.entry_points(group="console_scripts") if entry.name.startswith("fsrfer")
    }
    assert scripts == {"fsrfer", "fsrfer-train", "fsrfer-export", "fsrfer-calibrate", "fsrfer-run", "fsrfer-profile"}
