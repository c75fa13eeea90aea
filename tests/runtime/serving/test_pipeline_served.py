"""The example: a real pipeline with the model that comes with fsrfer, and the page that it serves."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import jsonschema
import pytest

from fsrfer.runtime.serving import status_schema

ROOT = Path(__file__).parents[3]
PATIENCE_S = 120.0
STAGES = {"wait", "track", "crop", "queue", "classify", "smooth", "sink"}


@pytest.fixture(scope="module")
def address():
    command = [sys.executable, str(ROOT / "examples" / "live_page.py"), "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as example:
        yield example.stdout.readline().strip()
        example.send_signal(signal.SIGTERM)  # a shell's background job ignores SIGINT
        told, _ = example.communicate(timeout=60)
        assert told == "ended\n"
        assert example.returncode == 0


def wait_for(address, path, condition):
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        answer = httpx.get(address + path, timeout=20)
        if condition(answer):
            return answer.json()
        assert time.monotonic() < deadline_s, answer.text
        time.sleep(0.2)


@pytest.mark.slow
def test_the_page_of_a_real_pipeline(address, page):
    wait_for(address, "readyz", lambda answer: answer.status_code == 200)
    status = wait_for(
        address,
        "api/v1/status",
        lambda answer: (
            all(source["latest"] and source["frames_per_s"] for source in answer.json()["sources"])
            and {stage["stage"] for stage in answer.json()["stages"] if stage["count"]} >= STAGES
        ),
    )
    jsonschema.Draft202012Validator(status_schema()).validate(status)
    assert [source["name"] for source in status["sources"]] == ["hall", "gate", "platform 7"]
    assert all(source["latest"]["faces"] > 5 for source in status["sources"])
    groups = wait_for(address, "api/v1/groups", lambda answer: answer.json()["windows"])
    assert sum(groups["windows"][0]["shares"].values()) == pytest.approx(1, abs=1e-3)
    assert "fsrfer_faces_read_total" in httpx.get(address + "metrics", timeout=20).text
    page.open(address)
    page.wait_for("document.querySelectorAll('.tile[data-state=\"up\"]').length === 3")
    page.wait_for("document.querySelectorAll('.people').length >= 1")
    assert page.problems == []
