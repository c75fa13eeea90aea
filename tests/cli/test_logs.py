import json
import logging
import sys

import pytest

from fsrfer.cli.logs import JsonFormatter, LogFormat, configure_logs


@pytest.fixture
def restored_logging():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def stderr(restored_logging, capsys):
    return capsys.readouterr


def test_text_is_one_line_a_record(stderr):
    configure_logs("WARNING")
    logging.getLogger("fsrfer.x").warning("camera %d is gone", 3)
    logging.getLogger("fsrfer.x").info("not asked for")
    assert stderr().err == "WARNING fsrfer.x: camera 3 is gone\n"


def test_json_is_one_object_a_record(stderr):
    configure_logs("INFO", LogFormat.JSON)
    logging.getLogger("fsrfer.x").info('a "quoted"\nline')
    (line,) = stderr().err.splitlines()
    record = json.loads(line)
    assert (record["level"], record["logger"], record["message"]) == ("info", "fsrfer.x", 'a "quoted"\nline')
    assert record["time"].endswith("+00:00")
    assert "error" not in record


def test_a_traceback_stays_on_its_line():
    try:
        raise ValueError("broken")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f.py", 1, "failed", None, sys.exc_info())
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert "ValueError: broken" in json.loads(line)["error"]


def test_configuring_again_replaces_what_was_there(stderr):
    configure_logs("INFO")
    configure_logs("INFO", LogFormat.JSON)
    logging.getLogger("x").info("once")
    assert len(stderr().err.splitlines()) == 1
