"""Results over MQTT, with a real broker (mosquitto)."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from fsrfer.core.errors import MissingDependencyError
from fsrfer.runtime.sinks import Content, MqttConfig, MqttTransport, OutboxLimits, PublishingSink, Secret, SinkError
from fsrfer.runtime.sources.reconnect import ReconnectPolicy

QUICK = ReconnectPolicy(first_delay_s=0.05, max_delay_s=0.2)
PASSWORD = "pa55 word/#@"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """A mosquitto on a port of this machine."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.port = free_port()
        self._program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert self._program, "these tests need mosquitto (apt-get install mosquitto)"
        self._config = folder / f"mosquitto-{self.port}.conf"
        # Started by root, it would become somebody who cannot read our files.
        lines = ["user root", f"listener {self.port} 127.0.0.1", "persistence false", *settings]
        if not any(setting.startswith("password_file") for setting in settings):
            lines.append("allow_anonymous true")
        self._config.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "-c", self._config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline_s = time.monotonic() + 20
        while not self._answers():
            assert time.monotonic() < deadline_s
            assert self._process.poll() is None, "mosquitto did not start"
            time.sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def make_broker(tmp_path):
    brokers = []

    def make(*settings):
        brokers.append(Broker(tmp_path, *settings))
        brokers[-1].start()
        return brokers[-1]

    yield make
    for broker in brokers:
        broker.kill()


class Subscriber:
    """Everything that is published below a prefix."""

    def __init__(self, port: int, **options) -> None:
        self.messages: list[tuple[str, str, bool]] = []
        self._subscribed = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        if "login" in options:
            self.client.username_pw_set(*options["login"])
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = lambda _client, _userdata, message: self.messages.append(
            (message.topic, message.payload.decode(), message.retain)
        )
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self._subscribed.wait(20)

    def on(self, topic: str) -> list[str]:
        return [payload for name, payload, _ in self.messages if name == topic]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()


def sink_to(port, *, limits=None, contents=frozenset(Content), **options) -> PublishingSink:
    config = MqttConfig(host="127.0.0.1", port=port, reconnect=QUICK, **options)
    return PublishingSink(MqttTransport(config), contents, limits)


def test_faces_tracks_and_groups_arrive_under_their_topics(
    make_broker, make_result, make_window, validator, eventually
):
    broker = make_broker()
    with Subscriber(broker.port) as seen:
        with sink_to(broker.port, prefix="plant/a") as sink:
            for index in range(3):
                sink.write(make_result(source="rtsp://***@hall.local/s", index=index, time_s=float(index), ids=[7]))
            sink.write_window(make_window())
        eventually(lambda: "offline" in seen.on("plant/a/status"))
    faces = [json.loads(payload) for payload in seen.on("plant/a/hall.local-s/faces")]
    (group,) = (json.loads(payload) for payload in seen.on("plant/a/hall/group"))
    tracks = [json.loads(payload) for payload in seen.on("plant/a/hall.local-s/tracks")]
    for record in (*faces, group, *tracks):
        validator.validate(record)
    assert [record["frame"] for record in faces] == [0, 1, 2]
    assert faces[0]["faces"][0]["track_id"] == 7
    assert group["shares"] == {"neutral": 0.25, "happiness": 0.75}
    assert [(record["event"], record["time_s"]) for record in tracks] == [("new", 0.0), ("end", 2.0)]
    assert seen.on("plant/a/status") == ["online", "offline"]
    assert (sink.delivered, sink.dropped, sink.failure, sink.outages) == (6, 0, None, 0)


def test_only_what_is_wanted_is_sent(make_broker, make_result, make_window, eventually):
    broker = make_broker()
    with Subscriber(broker.port) as seen:
        with sink_to(broker.port, contents=frozenset({Content.GROUP})) as sink:
            sink.write(make_result(ids=[1]))
            sink.write_window(make_window())
        eventually(lambda: "offline" in seen.on("fsrfer/status"))
    assert {topic for topic, _, _ in seen.messages} == {"fsrfer/status", "fsrfer/hall/group"}


def test_the_status_is_there_for_those_who_come_later(make_broker, eventually):
    broker = make_broker()
    with sink_to(broker.port), Subscriber(broker.port) as seen:
        eventually(lambda: ("fsrfer/status", "online", True) in seen.messages or seen.on("fsrfer/status"))
    with Subscriber(broker.port) as later:
        eventually(lambda: ("fsrfer/status", "offline", True) in later.messages)


def test_the_broker_says_so_when_the_process_is_killed(make_broker, eventually):
    broker = make_broker()
    code = f"""
        import time
        from fsrfer.runtime.sinks import open_sink
        with open_sink("mqtt://127.0.0.1:{broker.port}/box"):
            time.sleep(600)
    """
    with Subscriber(broker.port) as seen:
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
        try:
            eventually(lambda: seen.on("box/status") == ["online"])
            process.send_signal(signal.SIGKILL)
        finally:
            process.kill()
            process.wait()
        eventually(lambda: seen.on("box/status") == ["online", "offline"])


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_broker_that_dies_is_said_once_and_results_go_on_when_it_is_back(
    make_broker, make_result, eventually, caplog, qos
):
    broker = make_broker()
    limits = OutboxLimits(messages=5)
    contents = frozenset({Content.FACES})
    with sink_to(broker.port, qos=qos, limits=limits, contents=contents) as sink:
        sink.write(make_result(index=0))
        eventually(lambda: sink.delivered == 1)
        broker.kill()
        eventually(lambda: sink.failure is not None)
        for index in range(1, 41):
            sink.write(make_result(index=index))
        assert sink.dropped >= 30  # one or two may be in the client's hands
        broker.start()
        with Subscriber(broker.port) as seen:
            eventually(lambda: sink.failure is None)
            eventually(lambda: sink.delivered + sink.dropped == 41)
            sink.write(make_result(index=41))
            eventually(lambda: any('"frame":41' in payload for payload in seen.on("fsrfer/clip/faces")))
    assert sink.failure is None
    assert sink.outages == 1
    said = [record.message for record in caplog.records if record.name.startswith("fsrfer")]
    assert len(said) == 2
    assert f"results do not reach mqtt://127.0.0.1:{broker.port}/fsrfer" in said[0]
    assert "results reach mqtt" in said[1]
    assert "again" in said[1]


def test_the_newest_results_survive_an_outage_in_order(make_broker, make_result, eventually):
    broker = make_broker()
    with sink_to(broker.port, limits=OutboxLimits(messages=5), contents=frozenset({Content.FACES})) as sink:
        sink.write(make_result(index=50))
        eventually(lambda: sink.delivered == 1)
        broker.kill()
        eventually(lambda: sink.failure is not None)
        for index in range(20):
            sink.write(make_result(index=index))
        assert sink.dropped == 15
        broker.start()
        with Subscriber(broker.port) as seen:
            # The subscriber may be later than the sink, so only the order of what it sees is certain.
            eventually(lambda: sink.delivered == 6)
            sink.write(make_result(index=99))
            eventually(lambda: any('"frame":99' in payload for payload in seen.on("fsrfer/clip/faces")))
        frames = [json.loads(payload)["frame"] for payload in seen.on("fsrfer/clip/faces")]
    assert frames == sorted(frames)
    assert set(frames) <= {15, 16, 17, 18, 19, 99}
    assert sink.dropped == 15


def test_a_broker_that_was_never_there_holds_nothing_up_and_is_said_once(make_result, caplog):
    sink = sink_to(free_port(), limits=OutboxLimits(messages=10, close_s=0.5))
    with sink:
        for index in range(200):
            sink.write(make_result(index=index))
            time.sleep(0.002)
    assert (sink.delivered, sink.dropped) == (0, 200)
    assert isinstance(sink.failure, SinkError)
    assert "messages did not reach mqtt://" in str(sink.failure)
    said = [record.message for record in caplog.records if record.name.startswith("fsrfer")]
    assert len(said) == 2  # once that it is not there, once what became of the rest
    assert "Connection refused" in said[0]


def test_a_broker_that_accepts_and_stays_silent_holds_nothing_up(make_result):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sink = sink_to(silent.getsockname()[1], limits=OutboxLimits(close_s=0.5))
        with sink:
            sink.write(make_result())
    assert (sink.delivered, sink.dropped) == (0, 1)
    assert isinstance(sink.failure, SinkError)


def test_leaving_because_of_an_error_sends_no_more(make_broker, make_result, eventually):
    broker = make_broker()
    broker.kill()
    sink = sink_to(broker.port)

    def fail():
        with sink:
            sink.write(make_result())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (sink.delivered, sink.dropped) == (0, 1)


@pytest.fixture
def password_file(tmp_path) -> Path:
    path = tmp_path / "passwords"
    path.touch(mode=0o644)
    subprocess.run(["mosquitto_passwd", "-b", path, "box", PASSWORD], check=True)
    path.chmod(0o644)
    return path


def test_a_password_opens_the_broker(make_broker, make_result, password_file, eventually):
    broker = make_broker(f"password_file {password_file}")
    with Subscriber(broker.port, login=("box", PASSWORD)) as seen:
        with sink_to(broker.port, username="box", password=Secret(PASSWORD)) as sink:
            sink.write(make_result())
        eventually(lambda: seen.on("fsrfer/clip/faces"))
    assert sink.failure is None


def test_a_wrong_password_is_said_once_and_never_shown(make_broker, make_result, password_file, caplog, eventually):
    broker = make_broker(f"password_file {password_file}")
    caplog.set_level(logging.DEBUG)
    config = MqttConfig("127.0.0.1", broker.port, username="box-user", password=Secret("wr0ng-pa55"), reconnect=QUICK)
    sink = PublishingSink(MqttTransport(config), limits=OutboxLimits(close_s=0.5))
    with sink:
        sink.write(make_result())
        eventually(lambda: sink.failure)
        time.sleep(0.5)  # several attempts
        assert "refuses: Not authorized" in str(sink.failure)
    said = [record.message for record in caplog.records if "do not reach" in record.message]
    assert len(said) == 1
    for text in (caplog.text, repr(config), str(config), repr(sink.failure), sink.name, repr(config.password)):
        assert "wr0ng-pa55" not in text
        assert "box-user" not in text


def test_a_certificate_that_nobody_vouches_for_is_refused(make_broker, make_result, certificate, eventually):
    broker = make_broker(f"certfile {certificate[0]}", f"keyfile {certificate[1]}")
    sink = sink_to(broker.port, is_encrypted=True, limits=OutboxLimits(close_s=0.5))
    with sink:
        sink.write(make_result())
        eventually(lambda: sink.failure)
        assert "its certificate is not trusted: self" in str(sink.failure)
    assert sink.delivered == 0


@pytest.mark.parametrize("qos", [0, 1])
def test_results_arrive_encrypted_where_the_authority_is_named(make_broker, make_result, certificate, eventually, qos):
    broker = make_broker(f"certfile {certificate[0]}", f"keyfile {certificate[1]}")
    with sink_to(broker.port, is_encrypted=True, ca_file=certificate[0], qos=qos) as sink:
        for index in range(200):
            sink.write(make_result(index=index))
    assert (sink.delivered, sink.failure) == (200, None)


def test_a_broker_without_encryption_is_refused_where_it_is_asked_for(make_broker, make_result, eventually):
    broker = make_broker()
    sink = sink_to(broker.port, is_encrypted=True, limits=OutboxLimits(close_s=0.5))
    with sink:
        sink.write(make_result())
        eventually(lambda: sink.failure)
    assert sink.delivered == 0


def test_a_stuck_broker_takes_no_more_memory_than_the_queue_has(make_broker, make_result, eventually):
    broker = make_broker()
    boxes = np.tile([10, 10, 30, 30], (400, 1))
    limits = OutboxLimits(messages=50, close_s=0.5)
    sink = sink_to(broker.port, limits=limits, contents=frozenset({Content.FACES}))
    with sink:
        sink.write(make_result())
        eventually(lambda: sink.delivered == 1)
        broker._process.send_signal(signal.SIGSTOP)
        try:
            result = make_result(boxes)
            for _ in range(200):  # some 20 MB, more than sockets buffer
                sink.write(result)
            eventually(lambda: sink.dropped > 0)
            assert sink.delivered + sink.dropped + 50 >= 200
        finally:
            broker._process.send_signal(signal.SIGCONT)


def test_a_name_speaks_of_the_broker_without_user_and_password():
    assert MqttConfig("::1", 8883, "a/b", is_encrypted=True, username="u").name == "mqtts://[::1]:8883/a/b"


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "paho.mqtt", None)
    monkeypatch.setitem(sys.modules, "paho", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'fsrfer\[mqtt\]'"):
        MqttTransport(MqttConfig("localhost"))
