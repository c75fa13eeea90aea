"""The protocol, spoken to a real socket."""

import os
import socket

import pytest

from fsrfer.runtime.service_manager import ServiceManager


@pytest.fixture
def manager_socket(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)
        yield listening, str(tmp_path / "notify")


def received(listening):
    return listening.recv(4096).decode()


def test_the_life_of_a_service_is_told(manager_socket):
    listening, address = manager_socket
    manager = ServiceManager({"NOTIFY_SOCKET": address})
    assert manager.is_listening
    manager.ready()
    manager.status("4 cameras\nup")
    manager.reloading()
    manager.stopping()
    assert received(listening) == "READY=1"
    assert received(listening) == "STATUS=4 cameras up"
    reloading, clock = received(listening).split("\n")
    assert reloading == "RELOADING=1"
    assert clock.removeprefix("MONOTONIC_USEC=").isdecimal()
    assert received(listening) == "STOPPING=1"


def test_signs_of_life_are_not_sent_more_often_than_needed(manager_socket):
    listening, address = manager_socket
    manager = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000"})
    for _ in range(100):
        manager.alive()
    manager.ready()
    assert [received(listening), received(listening)] == ["WATCHDOG=1", "READY=1"]


def test_an_impatient_watchdog_hears_every_sign(manager_socket):
    listening, address = manager_socket
    manager = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1", "WATCHDOG_PID": str(os.getpid())})
    manager.alive()
    manager.alive()
    assert [received(listening), received(listening)] == ["WATCHDOG=1", "WATCHDOG=1"]


@pytest.mark.parametrize("watchdog", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_PID": "1"}])
def test_without_a_watchdog_no_sign_is_sent(manager_socket, watchdog):
    listening, address = manager_socket
    manager = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "", **watchdog})
    if "WATCHDOG_PID" in watchdog:
        manager = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1", **watchdog})
    manager.alive()
    manager.stopping()
    assert received(listening) == "STOPPING=1"


def test_abstract_sockets_are_spoken_to():
    name = f"@fsrfer-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name[1:])
        listening.settimeout(5)
        ServiceManager({"NOTIFY_SOCKET": name}).ready()
        assert received(listening) == "READY=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "relative"}])
def test_without_a_manager_nothing_happens(environment):
    manager = ServiceManager(environment)
    assert not manager.is_listening
    manager.ready()
    manager.alive()


def test_a_manager_that_is_gone_is_said_once(tmp_path, caplog):
    manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "1"})
    for _ in range(5):
        manager.alive()
    assert caplog.text.count("cannot be told") == 1


def test_it_uses_the_environment_of_the_process(manager_socket, monkeypatch):
    listening, address = manager_socket
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    ServiceManager().ready()
    assert received(listening) == "READY=1"
