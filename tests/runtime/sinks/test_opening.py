"""What a user may name as a sink."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from fsrfer.core.errors import FsrferError, UsageError
from fsrfer.runtime.sinks import SINK_FORMS, BackgroundSink, Content, PublishingSink, open_sink


def config_of(sink: PublishingSink):
    return sink._transport._config


def contents_of(sink: PublishingSink):
    return sink._writer._contents


def test_files_are_written_in_the_background(tmp_path, make_result, make_window):
    names = {"jsonl": "seen.jsonl", "csv": "faces.csv", "csv-groups": "groups.csv"}
    for kind, name in names.items():
        sink = open_sink(f"{kind}:{tmp_path / name}")
        assert isinstance(sink, BackgroundSink)
        assert sink.name == f"{kind}:{tmp_path / name}"
        assert not (tmp_path / name).exists()
        with sink:
            sink.write(make_result())
            sink.write_window(make_window())
        assert sink.failure is None
    assert len((tmp_path / "seen.jsonl").read_text().splitlines()) == 2
    assert (tmp_path / "faces.csv").read_text().splitlines()[1].startswith("clip.mp4,0,")
    assert (tmp_path / "groups.csv").read_text().splitlines()[1].startswith("hall,0.0,10.0,")


def test_a_relative_file_with_any_character_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_sink("jsonl:a#b?c%20=.jsonl"):
        pass
    assert (tmp_path / "a#b?c%20=.jsonl").exists()


def test_a_broker_with_everything(tmp_path, monkeypatch):
    secret = tmp_path / "password"
    secret.write_text("pa55 word\n")
    sink = open_sink(f"mqtts://bo%40x@broker.local/plant/a#qos=1&password_file={secret}&send=group,tracks")
    config = config_of(sink)
    assert (config.host, config.port, config.prefix, config.qos) == ("broker.local", 8883, "plant/a", 1)
    assert (config.username, config.password.value, config.is_encrypted) == ("bo@x", "pa55 word", True)
    assert contents_of(sink) == {Content.GROUP, Content.TRACKS}
    assert sink.name == "mqtts://broker.local:8883/plant/a"


def test_a_broker_with_nothing():
    sink = open_sink("mqtt://broker.local")
    config = config_of(sink)
    assert (config.port, config.prefix, config.qos, config.username, config.password) == (1883, "fsrfer", 0, None, None)
    assert contents_of(sink) == set(Content)


def test_a_password_may_be_in_the_address(monkeypatch):
    config = config_of(open_sink("mqtt://box:pa%2F%23ss@[::1]:1234/p/"))
    assert (config.host, config.port, config.prefix) == ("::1", 1234, "p")
    assert (config.username, config.password.value) == ("box", "pa/#ss")
    monkeypatch.setenv("BROKER_PASSWORD", "better")
    assert config_of(open_sink("mqtt://box@host#password_env=BROKER_PASSWORD")).password.value == "better"


def test_a_web_server_with_everything(monkeypatch):
    monkeypatch.setenv("HOOK_TOKEN", "t0ken")
    monkeypatch.setenv("HOOK_KEY", "k3y")
    sink = open_sink(
        "webhook+https://example.org:8443/in?key=s3cret#token_env=HOOK_TOKEN&hmac_env=HOOK_KEY&batch=5&batch_s=0.5"
        "&timeout_s=3&send=faces"
    )
    config = config_of(sink)
    assert config.url == "https://example.org:8443/in?key=s3cret"
    assert (config.token.value, config.hmac_key.value) == ("t0ken", "k3y")
    assert (config.batch_records, config.batch_s, config.timeout_s) == (5, 0.5, 3.0)
    assert contents_of(sink) == {Content.FACES}
    assert sink.name == "webhook+https://example.org:8443/in?key=***"


@pytest.mark.parametrize(
    "text",
    [
        *("", "jsonl", "jsonl:", "seen.jsonl", "parquet:seen.parquet", "kafka://host/topic", "https://host/"),
        *(
            "mqtt://",
            "mqtt://:1883",
            "mqtt:host",
            "mqtt://host:0",
            "mqtt://host:99999",
            "mqtt://host/a+b",
            "mqtt://host/%23",
        ),
        *("mqtt://host/a//b", "mqtt://host#qos=3", "mqtt://host#qos=0.5", "mqtt://host#qos", "mqtt://host#qos=0&qos=1"),
        *(
            "mqtt://host#speed=9",
            "mqtt://host#send=faces,names",
            "mqtt://:pa55w0rd@host",
            "mqtt://host#ca_file=/nowhere.pem",
        ),
        *("mqtts://host#ca_file=/nowhere.pem", "mqtt://box@host#password_env=NOT_SET_AT_ALL"),
        *("mqtt://box@host#password_file=/nowhere", "mqtt://box@host#password_file=/dev/null"),
        *(
            "webhook+ftp://host/",
            "webhook+https://",
            "webhook+https://user:pa55w0rd@host/",
            "webhook+https://host/#batch=0",
        ),
        *("webhook+https://host/#timeout_s=soon", "webhook+https://host/#token_env=NOT_SET_AT_ALL"),
        *("jsonl:/nowhere/at/all.jsonl", "csv:/", "jsonl://host/file"),
    ],
)
def test_what_cannot_be_understood_is_wrong_usage(text):
    with pytest.raises(UsageError) as refusal:
        open_sink(text)
    assert "pa55w0rd" not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "mqtt://box:pa55#w0rd@host/prefix",
        "mqtt://box:pa55/w0rd@host/prefix",
        "mqtt://box:pa55@w0rd:x@host/prefix#qos=9",
        "webhook+https://box:pa55@host/w0rd@#x",
        "webhook+https://host/?key=pa55#w0rd",
        "kafka://box:pa55@host/w0rd@",
        "mqtt://box:pa55@host:w0rd/",
    ],
)
def test_no_message_repeats_a_password_however_badly_it_is_written(text):
    with pytest.raises(FsrferError) as refusal:
        open_sink(text)
    error = refusal.value
    while error is not None:
        assert "pa55" not in str(error)
        error = error.__cause__ if isinstance(error.__cause__, FsrferError) else None


def test_a_secret_that_was_written_twice_is_wrong_usage(monkeypatch):
    monkeypatch.setenv("ONE", "1")
    with pytest.raises(UsageError, match="either password_env or password_file"):
        open_sink("mqtt://box@host#password_env=ONE&password_file=/two")


def test_a_secret_with_a_line_end_inside_is_wrong_usage(tmp_path):
    (tmp_path / "token").write_text("one\nX-Injected: two\n")
    with pytest.raises(UsageError, match="printable") as refusal:
        open_sink(f"webhook+https://host/#token_file={tmp_path / 'token'}")
    assert "Injected" not in str(refusal.value)


def test_all_forms_are_in_the_message():
    with pytest.raises(UsageError) as refusal:
        open_sink("what?")
    assert all(form in str(refusal.value) for form in SINK_FORMS)


def test_naming_the_sinks_needs_no_optional_package():
    code = """
        import sys
        import fsrfer.runtime.sinks
        print([name for name in sys.modules if name.partition(".")[0] in ("paho", "requests", "httpx")])
    """
    code = "\n".join(line.strip() for line in code.splitlines())
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
