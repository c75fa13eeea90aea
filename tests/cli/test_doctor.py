"""``fsrfer doctor`` as a user runs it."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from fsrfer.cli.doctor import app
from fsrfer.core.errors import DetectorError


def invoke(*words: str, **environment: str):
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "100", **environment})


def test_the_screen_fits_and_names_every_command(tmp_path):
    done = invoke(FSRFER_CACHE=str(tmp_path))
    assert done.exit_code == 0
    assert max(map(len, done.stdout.splitlines())) <= 100
    for word in ("processor", "CPUExecutionProvider", "fsrfer-train fit", "fsrfer-run", "fsrfer-profile"):
        assert word in done.stdout


def test_json_holds_the_same(tmp_path):
    diagnosis = json.loads(invoke("--json", FSRFER_CACHE=str(tmp_path)).stdout)
    assert diagnosis["schema_version"] == 1
    assert {"environment", "commands", "providers", "media", "warnings"} <= diagnosis.keys()
    assert all(command["ready"] == (command["fix"] is None) for command in diagnosis["commands"])


def test_failing_to_fetch_is_an_error(tmp_path):
    # pip finds nothing where its only index is an empty folder.
    nowhere = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "FSRFER_CACHE": str(tmp_path)}
    done = invoke("--fetch-detector", **nowhere)
    assert isinstance(done.exception, DetectorError)
