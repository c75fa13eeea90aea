"""Arrays with one row a track, found by its id."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.errors import InputSpecError

Ids = npt.NDArray[np.int64]


class TrackTable:
    """What is remembered about tracks.

    Args:
        columns: By name, the value that a new track has: a number or an array, whose dtype and shape every row has.
    """

    def __init__(self, **columns: npt.ArrayLike) -> None:
        self._initial = {name: np.asarray(value) for name, value in columns.items()}
        self._ids: Ids = np.zeros(0, np.int64)
        self._seen_s = np.zeros(0, np.float64)
        self._columns = {name: np.zeros((0, *value.shape), value.dtype) for name, value in self._initial.items()}

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Return a column, (T, ...); writing into it changes the table."""
        return self._columns[name]

    @property
    def ids(self) -> Ids:
        """Tracks of the rows, ascending: int64 (T,)."""
        return self._ids

    def find(self, ids: Ids) -> npt.NDArray[np.intp]:
        """Return the row of each track, intp (N,); -1 where there is none."""
        places = np.searchsorted(self._ids, ids)
        known = places < len(self._ids)
        known[known] = self._ids[places[known]] == ids[known]
        return np.where(known, places, -1)

    def touch(self, ids: Ids, time_s: float) -> npt.NDArray[np.intp]:
        """Note that tracks were seen, add rows for new ones, and return the rows of all, intp (N,).

        Args:
            ids: int64 (N,).
            time_s: When.
        """
        rows = self.find(ids)
        if (rows < 0).any():
            self._add(np.unique(ids[rows < 0]))
            rows = np.searchsorted(self._ids, ids)
        self._seen_s[rows] = time_s
        return rows

    def unseen(self, since_s: float) -> npt.NDArray[np.intp]:
        """Return the rows of the tracks that were last seen before a time."""
        return np.flatnonzero(self._seen_s < since_s)

    def drop_unseen(self, since_s: float) -> Ids:
        """Forget the tracks that were last seen before a time, and return their ids."""
        gone = self._seen_s < since_s
        dropped = self._ids[gone]
        if len(dropped):
            self._take(~gone)
        return dropped

    def clear(self) -> None:
        """Forget all tracks."""
        self.drop_unseen(np.inf)

    def _add(self, ids: Ids) -> None:
        if len(ids) == 0:
            return
        order = np.argsort(np.concatenate([self._ids, ids]), kind="stable")  # new ids are the largest as a rule
        self._ids = np.concatenate([self._ids, ids])
        self._seen_s = np.concatenate([self._seen_s, np.full(len(ids), -np.inf)])
        for name, value in self._initial.items():
            fresh = np.broadcast_to(value, (len(ids), *value.shape))
            self._columns[name] = np.concatenate([self._columns[name], fresh])
        self._take(order)

    def _take(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> None:
        self._ids, self._seen_s = self._ids[which], self._seen_s[which]
        for name, column in self._columns.items():
            self._columns[name] = column[which]


def check_ids(ids: Ids, count: int) -> None:
    """Check that there is one track for each of ``count`` faces.

    Raises:
        InputSpecError: There is not.
    """
    if ids.shape != (count,) or ids.dtype != np.int64:
        raise InputSpecError(
            "tracks do not belong to the faces", expected=f"int64 {(count,)}", found=f"{ids.dtype} {ids.shape}"
        )
