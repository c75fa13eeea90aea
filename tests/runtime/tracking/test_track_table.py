"""Arrays with one row a track."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core.errors import InputSpecError
from fsrfer.runtime.tracking.track_table import TrackTable, check_ids

IDS = st.lists(st.integers(1, 30), unique=True, max_size=8)


@settings(deadline=None)
@given(st.lists(st.tuples(IDS, st.floats(0, 3)), max_size=12))
def test_it_is_a_dictionary_that_forgets(frames):
    table = TrackTable(value=np.zeros(2), count=np.int64(0))
    expected: dict[int, tuple[int, float]] = {}
    now = 0.0
    for ids, elapsed_s in frames:
        now += elapsed_s
        gone = {track for track, (_, seen) in expected.items() if seen < now - 4.0}
        assert set(table.ids[table.unseen(now - 4.0)].tolist()) == gone
        assert set(table.drop_unseen(now - 4.0).tolist()) == gone
        expected = {track: state for track, state in expected.items() if track not in gone}
        rows = table.touch(np.array(ids, np.int64), now)
        table["count"][rows] += 1
        table["value"][rows] = now
        for track in ids:
            expected[track] = (expected.get(track, (0, 0.0))[0] + 1, now)
        assert table.ids.tolist() == sorted(expected)
        for track, (count, seen) in expected.items():
            (row,) = table.find(np.array([track], np.int64))
            assert (table["count"][row], table["value"][row].tolist()) == (count, [seen, seen])
    assert (table.find(np.array([31, 99], np.int64)) == -1).all()
    table.clear()
    assert len(table) == 0
    assert table["value"].shape == (0, 2)


@pytest.mark.parametrize("ids", [np.zeros(2, np.int64), np.zeros(3, np.int32), np.zeros((3, 1), np.int64)])
def test_ids_that_do_not_fit_are_refused(ids):
    with pytest.raises(InputSpecError, match="tracks"):
        check_ids(ids, 3)
