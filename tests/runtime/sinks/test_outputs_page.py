"""docs/outputs.md says what is true: its records are valid, its options exist, its receiver receives."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fsrfer.runtime.sinks import SINK_FORMS, FaceCsvSink, GroupCsvSink, OutboxLimits, open_sink
from fsrfer.runtime.sinks.background import BackgroundOptions
from fsrfer.runtime.sinks.webhook import WebhookConfig

PAGE = Path(__file__).parents[3] / "docs" / "outputs.md"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_records_are_as_the_schema_says(page, validator):
    records = [json.loads(block) for block in blocks(page, "json")]
    assert [record.get("type") for record in records] == [None, "window", "track"]
    definitions = validator.schema["$defs"]
    for record in records:
        validator.validate(record)
        assert set(record) == set(definitions[record.get("type", "frame")]["properties"])
    assert set(records[0]["faces"][0]) == set(definitions["face"]["properties"])


def test_tables_have_the_columns_that_are_written(page, tmp_path, make_result, make_window):
    labels = ("neutral", "happiness")
    with FaceCsvSink(tmp_path / "faces.csv") as faces, GroupCsvSink(tmp_path / "groups.csv") as groups:
        faces.write(make_result(labels=labels))
        groups.write_window(make_window())
    heads = [block.splitlines() for block in blocks(page, "text") if block.startswith("source,")]
    for name, (head, row) in zip(("faces.csv", "groups.csv"), heads, strict=True):
        assert head == (tmp_path / name).read_text().splitlines()[0]
        assert row.count(",") == head.count(",")


def test_forms_and_options_exist(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BROKER_PASSWORD", "secret")
    for form in SINK_FORMS:
        assert form.partition("[")[0].partition(":")[0] in page
    named = re.findall(r"--sink '?([^\s']+)", page)
    assert len(named) >= 3
    for text in named:
        open_sink(text)
    for text in re.findall(r'open_sink\("(.*?)"\)', page):
        open_sink(text)


def test_limits_are_those_of_the_code(page):
    waiting, background, hook = OutboxLimits(), BackgroundOptions(), WebhookConfig("http://host/")
    for text in (
        f"{background.queue_results} results",
        f"for {background.write_s:.0f} s ({background.complete_s:.0f} s for",
        f"{waiting.messages} messages or {waiting.size >> 20} MiB",
        f"{waiting.close_s:.0f} s to send",
        f"{hook.batch_bytes >> 10} KiB",
        f"{hook.batch_records}, {hook.batch_s:.0f} |",
        f"| {hook.timeout_s:.0f} |",
    ):
        assert text in page


def test_the_receiver_receives(page, make_result):
    (code,) = (block for block in blocks(page, "python") if "Receiver" in block)
    assert len([line for line in code.splitlines() if line.strip()]) <= 16
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    receiver = subprocess.Popen(
        [sys.executable, "-u", "-c", code.replace("8080", str(port))],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        with open_sink(f"webhook+http://127.0.0.1:{port}/#batch_s=0") as sink:
            sink.write(make_result())
            assert receiver.stdout.readline() == "frame clip.mp4\n"
        assert sink.failure is None
    finally:
        receiver.kill()
        receiver.wait()
        receiver.stdout.close()
