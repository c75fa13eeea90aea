"""Signals, reloading and the service manager."""

import logging
import signal
import socket
from types import SimpleNamespace

import pytest

from fsrfer.cli.run_life import RunningService, read_sources
from fsrfer.core.errors import SourceError
from fsrfer.runtime.sources import Shard, shard_of


class Pipeline:
    """Notes what it is told; what a real one does then is tested with the pipeline."""

    def __init__(self):
        self.stops = 0
        self.told = []
        self.failed = ()

    def stop(self):
        self.stops += 1

    def add(self, source):
        self.told.append(("add", source.name))

    def remove(self, name):
        self.told.append(("remove", name))

    def report(self):
        return SimpleNamespace(sources=(), frames=0, failed=[SimpleNamespace(name=name) for name in self.failed])


def write(path, **addresses):
    tables = [f'[[source]]\nname = "{name}"\naddress = "{address}"' for name, address in addresses.items()]
    path.write_text("\n".join(tables), encoding="utf-8")


@pytest.fixture
def cameras(tmp_path):
    path = tmp_path / "cameras.toml"
    write(path, gate="rtsp://a.local/1", hall="rtsp://a.local/2")
    return path


def service_of(path, *, keep_trying=False):
    pipeline, texts = Pipeline(), [str(path)]
    specs = read_sources(texts, keep_trying=keep_trying)
    return pipeline, RunningService(pipeline, texts, specs, keep_trying=keep_trying)


def test_signals_stop_first_and_interrupt_then(cameras):
    pipeline, service = service_of(cameras)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), service.handling_signals():  # noqa: PT012 (two steps are the point)
        signal.raise_signal(signal.SIGTERM)
        assert pipeline.stops == 1
        signal.raise_signal(signal.SIGINT)
    assert pipeline.stops == 1
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_hangup_reads_the_sources_again(cameras, caplog):
    pipeline, service = service_of(cameras)
    write(cameras, gate="rtsp://a.local/1", hall="rtsp://b.local/2", roof="rtsp://a.local/3")
    with service.handling_signals():
        service.tick()
        assert pipeline.told == []
        signal.raise_signal(signal.SIGHUP)
        assert pipeline.told == []  # not inside the handler
        service.tick()
        service.tick()
    assert pipeline.told == [("remove", "hall"), ("add", "roof"), ("add", "hall")]
    assert "1 added, 0 removed, 1 changed, 0 that had failed tried again, 3 in all" in caplog.text


def test_a_hangup_tries_cameras_again_that_had_failed(cameras, caplog):
    pipeline, service = service_of(cameras)
    pipeline.failed = ("hall", "one that is gone")
    with service.handling_signals():
        signal.raise_signal(signal.SIGHUP)
        service.tick()
    assert pipeline.told == [("remove", "hall"), ("add", "hall")]
    assert "1 that had failed tried again" in caplog.text


@pytest.mark.parametrize("text", ["[[source]]\nname = 3", "not toml", ""])
def test_a_broken_file_changes_nothing(cameras, caplog, text):
    pipeline, service = service_of(cameras)
    cameras.write_text(text, encoding="utf-8")
    with service.handling_signals():
        signal.raise_signal(signal.SIGHUP)
        service.tick()
    assert pipeline.told == []
    assert "stay as they are" in caplog.text
    write(cameras, gate="rtsp://a.local/1")
    with service.handling_signals():
        signal.raise_signal(signal.SIGHUP)
        service.tick()
    assert pipeline.told == [("remove", "hall")]


def test_credentials_do_not_reach_the_log_of_a_reload(cameras, caplog):
    _, service = service_of(cameras)
    write(cameras, gate="rtsp://admin:hunter2@a.local/1")
    with caplog.at_level(logging.DEBUG), service.handling_signals():
        signal.raise_signal(signal.SIGHUP)
        service.tick()
    assert "hunter2" not in caplog.text


def test_cameras_may_be_off_at_the_start(cameras):
    assert not any(spec.settings.keep_trying for spec in read_sources([str(cameras)], keep_trying=False))
    assert all(spec.settings.keep_trying for spec in read_sources([str(cameras)], keep_trying=True))
    with pytest.raises(SourceError):
        read_sources(["no-such-file.mp4"], keep_trying=True)


def test_the_service_manager_is_told(cameras, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        _, service = service_of(cameras)
        with service.handling_signals():
            service.tick()
            service.tick()
            signal.raise_signal(signal.SIGHUP)
            service.tick()
        told = [listening.recv(4096).decode().partition("\n")[0] for _ in range(5)]
    assert told == ["READY=1", "STATUS=0 of 0 sources up, 0 frames so far", "RELOADING=1", "READY=1", "STOPPING=1"]


def test_a_shard_reads_its_own_sources_before_and_after_a_reload(tmp_path):
    path = tmp_path / "cameras.toml"
    names = [f"camera-{number}" for number in range(12)]
    write(path, **{name: f"rtsp://{name}.local/" for name in names})
    shards = [Shard(index, 2) for index in range(2)]
    parts = [read_sources([str(path)], keep_trying=False, shard=shard) for shard in shards]
    assert sorted(spec.name for part in parts for spec in part) == sorted(names)
    assert all(parts)
    pipeline = Pipeline()
    service = RunningService(pipeline, [str(path)], parts[0], keep_trying=False, shard=shards[0])
    added = [f"later-{number}" for number in range(12)]
    write(path, **{name: f"rtsp://{name}.local/" for name in (*names, *added)})
    with service.handling_signals():
        signal.raise_signal(signal.SIGHUP)
        service.tick()
    own = [name for name in added if shard_of(name, 2) == 0]
    assert pipeline.told == [("add", name) for name in own]
    assert 0 < len(own) < len(added)
