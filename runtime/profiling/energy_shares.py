"""The machine's energy, shared out among things that take turns."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from .machine_watch import MachineWatch


class EnergyShares:
    """Sums up the energy of each thing over its turns.

    Sensors count the whole machine, and tell at intervals of their own (RAPL a millisecond, NVML up to a tenth of a
    second): turns should be much longer than that.

    Args:
        watch: Watches the machine, and is entered by the caller.
    """

    def __init__(self, watch: MachineWatch) -> None:
        self._watch = watch
        self._joules: dict[Hashable, float | None] = {}

    @contextmanager
    def turn_of(self, key: Hashable) -> Iterator[None]:
        """Count what the block uses for one of the things."""
        before = self._watch.joules()
        yield
        after = self._watch.joules()
        earlier = self._joules.get(key, 0.0)
        is_known = before is not None and after is not None and earlier is not None
        self._joules[key] = (earlier or 0.0) + (after or 0.0) - (before or 0.0) if is_known else None

    def per_thousand(self, key: Hashable, faces: float) -> float | None:
        """Return the joules of a thousand faces of one of the things.

        Args:
            key: Which one.
            faces: Faces in all its turns.

        Returns:
            Joules; None where nothing tells, and never 0 for that.
        """
        joules = self._joules.get(key)
        return None if joules is None or faces <= 0 else 1000.0 * joules / faces
