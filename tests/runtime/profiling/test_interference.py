"""What others do meanwhile, on a kernel that says what it is told and on the real one."""

from __future__ import annotations

import time

import pytest

from fsrfer.runtime.profiling.interference import Interference, InterferenceMeter

TICKS = 100


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A kernel, a clock and the processor time of this process."""

    class Machine:
        wall = 0.0
        own = 0.0

        def set(self, *, wall: float, own: float, user: float, idle: float, steal: float) -> None:
            self.wall, self.own = wall, own
            words = [user, 0, 0, idle, 0, 0, 0, steal, 0, 0]
            (tmp_path / "proc").mkdir(exist_ok=True)
            text = "cpu  " + " ".join(str(int(TICKS * word)) for word in words)
            (tmp_path / "proc" / "stat").write_text(f"{text}\ncpu0 1 2 3\n")

        root = tmp_path

    made = Machine()
    module = "fsrfer.runtime.profiling.interference"
    monkeypatch.setattr(f"{module}.time.monotonic", lambda: made.wall)
    monkeypatch.setattr(f"{module}.os.times", lambda: type("Times", (), {"user": made.own, "system": 0.0})())
    monkeypatch.setattr(f"{module}.os.sysconf", lambda name: TICKS)
    return made


def test_what_is_not_ours_is_others(machine):
    machine.set(wall=0.0, own=1.0, user=100.0, idle=50.0, steal=2.0)
    meter = InterferenceMeter(machine.root)
    machine.set(wall=10.0, own=9.0, user=123.0, idle=50.0, steal=7.0)
    found = meter.read()
    assert found.other_cores == pytest.approx(1.5)
    assert found.stolen_cores == pytest.approx(0.5)
    assert found.is_notable


def test_a_machine_of_our_own_is_worth_no_word(machine):
    machine.set(wall=0.0, own=0.0, user=100.0, idle=50.0, steal=2.0)
    meter = InterferenceMeter(machine.root)
    machine.set(wall=10.0, own=10.0, user=110.1, idle=60.0, steal=2.0)
    assert meter.read().other_cores == pytest.approx(0.01)
    assert not meter.read().is_notable


def test_what_the_kernel_hides_is_not_zero(tmp_path):
    assert InterferenceMeter(tmp_path).read() == Interference(None, None)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "stat").write_text("cpu  0 0 0 0 0 0 0 0 0 0\n")
    assert InterferenceMeter(tmp_path).read() == Interference(None, None)
    assert not Interference(None, None).is_notable


def test_the_real_kernel_is_understood():
    meter = InterferenceMeter()
    deadline = time.monotonic() + 0.1
    while time.monotonic() < deadline:
        pass
    found = meter.read()
    assert found.other_cores is None or found.other_cores >= 0
