"""How a batch is divided among processes and pieces."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.core import ColorMode, PreprocessSpec
from fsrfer.core.errors import UsageError
from fsrfer.training.batch_rows import BatchRows, rows_of_process
from fsrfer.training.batches import BatchPlan, PairBatch, TrainingFaces
from fsrfer.training.face_variation import AugmentationConfig, DegradationConfig, FaceSizes

divisions = st.tuples(st.integers(1, 5), st.integers(1, 9)).flatmap(
    lambda division: st.tuples(st.integers(division[0] * division[1], 300), *map(st.just, division))
)


@given(divisions)
def test_every_face_is_taken_by_exactly_one_process_in_one_piece(division):
    total, pieces, processes = division
    parts = [rows_of_process(total, pieces, rank, processes) for rank in range(processes)]
    # Piece by piece, and by rank within a piece, the rows follow each other without a gap: disjoint, and all of them.
    taken = [parts[rank][piece] for piece in range(pieces) for rank in range(processes)]
    assert taken[0].start == 0
    assert all(one.stop == after.start for one, after in pairwise(taken))
    assert taken[-1].stop == total
    lengths = [rows.stop - rows.start for rows in taken]
    assert min(lengths) >= 1
    assert max(lengths) - min(lengths) <= 2
    assert sum(rows.share for rows in taken) == pytest.approx(1.0)


@given(divisions)
def test_a_piece_is_the_same_part_of_the_batch_for_any_number_of_processes(division):
    total, pieces, processes = division
    alone = rows_of_process(total, pieces, 0, 1)
    for piece, whole in enumerate(alone):
        portions = [rows_of_process(total, pieces, rank, processes)[piece] for rank in range(processes)]
        assert (portions[0].start, portions[-1].stop) == (whole.start, whole.stop)


def test_shares_make_means_of_unequal_parts_the_mean_of_the_batch():
    values = np.random.default_rng(0).normal(size=7)
    parts = [rows for rank in range(2) for rows in rows_of_process(7, 2, rank, 2)]
    assert len({rows.stop - rows.start for rows in parts}) > 1
    assert sum(rows.share * values[rows.slice].mean() for rows in parts) == pytest.approx(values.mean())
    assert BatchRows(0, 7, 7).share == 1.0


def test_a_batch_with_fewer_faces_than_portions_is_refused():
    with pytest.raises(UsageError, match=r"3 pieces and 4 processes; found 11 faces"):
        rows_of_process(11, 3, 0, 4)
    assert rows_of_process(12, 3, 3, 4)[2] == BatchRows(11, 12, 12)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 20),
    st.integers(1, 2),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.7]),
    st.sampled_from([0.0, 0.6]),
    st.sampled_from([1, 3]),
)
def test_rows_of_a_batch_are_the_same_whoever_makes_them(make_faces, step, pieces, processes, mix, degraded, channels):
    """Two processes see exactly the faces of one, mixing and degradation included."""
    spec = PreprocessSpec(16, 16, ColorMode.GRAY if channels == 1 else ColorMode.RGB)
    plan = BatchPlan(
        TrainingFaces(make_faces("train", 23, channels=channels), spec, soft_labels=True),
        spec,
        AugmentationConfig(mix=mix),
        FaceSizes(smallest=6),
        11,
        key=(0, 1),
        degradation=DegradationConfig(degraded),
    )
    whole = plan.batch(step)
    parts = [
        (rows, plan.batch(step, rows))
        for rank in range(processes)
        for rows in rows_of_process(plan.faces_per_step, pieces, rank, processes)
    ]
    for rows, part in parts:
        for name in PairBatch.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[rows.slice], err_msg=name)
