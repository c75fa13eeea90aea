"""The example systemd unit: systemd itself reads it, and it starts what there is."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fsrfer.runtime.detection.weights import detector_cache

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "examples" / "deploy" / "fsrfer-run.service"


@pytest.fixture
def service():
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read_string(re.sub(r"\\\n\s*", "", UNIT.read_text(encoding="utf-8")))
    return parser["Service"]


def test_systemd_understands_it(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    program = shutil.which("true")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace("/opt/fsrfer/bin/fsrfer-run", program), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60)
    ours = [line for line in (done.stdout + done.stderr).splitlines() if UNIT.name in line]
    assert ours == []


def test_it_is_started_with_options_that_there_are(service):
    code = "from fsrfer.cli.main import run; run()"
    shown = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True).stdout
    options = re.findall(r"(--[a-z-]+)", service["ExecStart"])
    assert len(options) >= 8
    assert set(options) <= set(re.findall(r"--[a-z-]+", shown))


def test_a_reload_reads_the_file_that_the_owner_changes(service):
    assert "${CONFIGURATION_DIRECTORY}/cameras.toml" in service["ExecStart"]
    assert service["ConfigurationDirectory"] == "fsrfer"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert service["Type"] == "notify"  # notify-reload wants systemd 253


def test_the_weights_are_looked_for_where_the_documents_let_them_be_fetched(service, monkeypatch):
    name, _, folder = service["Environment"].partition("=")
    command = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    assert f"{name}={folder} /opt/fsrfer/bin/fsrfer doctor --fetch-detector" in command
    monkeypatch.setenv(name, folder)
    assert detector_cache() == Path(folder) / "detectors"
