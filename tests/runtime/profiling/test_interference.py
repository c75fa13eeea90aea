"""What others do meanwhile, on a kernel that says what it is told and on the real one."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from fsrfer.runtime.profiling.interference import Interference, InterferenceMeter

TICKS = 100
MODULE = "fsrfer.runtime.profiling.interference"


class Machine:
    """A kernel of two cores that this process may use and one that it may not, a clock, and its processor time."""

    def __init__(self, root, monkeypatch) -> None:
        self.root = root
        self.wall = self.own = 0.0
        (root / "proc").mkdir()
        monkeypatch.setattr(f"{MODULE}.time.monotonic", lambda: self.wall)
        monkeypatch.setattr(f"{MODULE}.os.times", lambda: SimpleNamespace(user=self.own, system=0.0))
        monkeypatch.setattr(f"{MODULE}.os.sysconf", lambda name: TICKS)
        monkeypatch.setattr(f"{MODULE}.os.sched_getaffinity", lambda process: {0, 1})

    def set(self, *, wall: float, own: float, user: float, idle: float, steal: float) -> None:
        """Seconds since the start; those of the kernel are summed over the two cores."""
        self.wall, self.own = wall, own
        words = [user / 2, 0, 0, idle / 2, 0, 0, 0, steal / 2, 0, 0]
        line = " ".join(str(round(TICKS * word)) for word in words)
        text = f"cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 {line}\ncpu1 {line}\ncpu2 {' '.join(['99999'] * 10)}\nintr 5\n"
        (self.root / "proc" / "stat").write_text(text)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


def test_what_is_not_ours_is_others(machine):
    machine.set(wall=0.0, own=1.0, user=100.0, idle=50.0, steal=2.0)
    meter = InterferenceMeter(machine.root)
    machine.set(wall=10.0, own=6.0, user=112.0, idle=53.0, steal=7.0)
    found = meter.read()
    assert found.other_cores == pytest.approx(0.7)
    assert found.stolen_cores == pytest.approx(0.5)
    assert found.idle_cores == pytest.approx(0.3)
    assert found.is_notable


def test_a_machine_of_our_own_is_worth_no_word(machine):
    machine.set(wall=0.0, own=0.0, user=100.0, idle=50.0, steal=2.0)
    meter = InterferenceMeter(machine.root)
    machine.set(wall=10.0, own=10.0, user=110.2, idle=59.8, steal=2.0)
    assert meter.read().other_cores == pytest.approx(0.02)
    assert not meter.read().is_notable


@pytest.mark.parametrize(
    ("others", "stolen", "idle", "notable"),
    [(30.0, 0.0, 33.0, False), (0.3, 0.0, 0.7, True), (0.1, 0.0, 0.0, False), (0.0, 0.3, 5.0, True)],
)
def test_others_disturb_where_no_core_is_left_over(others, stolen, idle, notable):
    assert Interference(others, stolen, idle).is_notable is notable


def test_what_the_kernel_hides_is_not_zero(tmp_path):
    assert InterferenceMeter(tmp_path).read() == Interference(None, None, None)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "stat").write_text("cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\n")
    assert InterferenceMeter(tmp_path).read() == Interference(None, None, None)
    assert not Interference(None, None, None).is_notable


def test_the_real_kernel_is_understood():
    meter = InterferenceMeter()
    deadline = time.monotonic() + 0.1
    while time.monotonic() < deadline:
        pass
    found = meter.read()
    assert found.other_cores is None or found.other_cores >= 0
