"""The draw of calibration faces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsrfer.calibration import CalibrationSet
from fsrfer.core import GraphSpec, PreprocessSpec
from fsrfer.core.errors import CalibrationError
from fsrfer.datasets import Subset, pixel_hashes
from fsrfer.datasets.in_memory import InMemoryFaces

SPEC = PreprocessSpec(height=16, width=16)
LABELS = ("neutral", "happiness", "surprise")


def faces_of(*counts: int, size: int = 32) -> InMemoryFaces:
    """A data set in which every face is one grey value of its own."""
    total = sum(counts)
    images = np.empty((total, size, size), np.uint8)
    images[:] = np.arange(total, dtype=np.uint8)[:, None, None]
    return InMemoryFaces(
        name="grey",
        split="train",
        labels=LABELS,
        images=images,
        label_indices=np.repeat(np.arange(len(counts)), counts),
        sample_ids=[str(index) for index in range(total)],
    )


def values(drawn: CalibrationSet) -> list[int]:
    return drawn.faces[:, 0, 0, 0].tolist()


def test_the_same_seed_draws_the_same_faces():
    dataset = faces_of(40, 30, 20)
    first, again = (CalibrationSet.draw(dataset, SPEC, samples=30, sizes=(16, 8), seed=3) for _ in range(2))
    assert np.array_equal(first.faces, again.faces)
    assert first.manifest == again.manifest
    other = CalibrationSet.draw(dataset, SPEC, samples=30, sizes=(16, 8), seed=4)
    assert other.manifest.sha256 != first.manifest.sha256


@settings(deadline=None, max_examples=30)
@given(
    counts=st.lists(st.integers(1, 60), min_size=1, max_size=3),
    samples=st.integers(1, 120),
    sizes=st.lists(st.integers(1, 32), min_size=1, max_size=6, unique=True),
)
def test_expressions_and_sizes_have_equal_shares(counts, samples, sizes):
    manifest = CalibrationSet.draw(faces_of(*counts), SPEC, samples=samples, sizes=sizes, seed=0).manifest
    by_label = [manifest.by_label[label] for label in LABELS[: len(counts)]]
    assert sum(by_label) == sum(manifest.by_size.values()) == samples
    assert max(by_label) - min(by_label) <= 1
    # For each expression the sizes come in turn; a new round of a rare expression shifts the turn by one.
    rounds = sum(-(-share // count) for share, count in zip(by_label, counts, strict=True))
    shares = [manifest.by_size.get(str(size), 0) for size in sizes]
    assert max(shares) - min(shares) <= len(counts) + rounds


def test_faces_of_a_rare_expression_come_again_at_other_sizes():
    drawn = CalibrationSet.draw(faces_of(30, 2), SPEC, samples=8, sizes=(16, 8), seed=0)
    rare = [(value, size) for value, size in zip(values(drawn), drawn.face_size_px, strict=True) if value >= 30]
    assert len(rare) == len(set(rare)) == 4


def test_a_small_face_is_not_enlarged():
    drawn = CalibrationSet.draw(faces_of(8, size=12), SPEC, samples=8, sizes=(48, 24, 8), seed=0)
    assert set(drawn.manifest.by_size) == {"12", "8"}


def test_held_out_faces_are_other_faces():
    calibrated, held_out = CalibrationSet.draw_with_held_out(
        faces_of(60, 40, 3), SPEC, samples=60, held_out=30, sizes=(16,), seed=0
    )
    assert (len(calibrated), len(held_out)) == (60, 30)
    assert not set(values(calibrated)) & set(values(held_out))
    assert all(held_out.manifest.by_label.values())


def test_an_expression_with_one_face_is_only_calibrated_on():
    calibrated, held_out = CalibrationSet.draw_with_held_out(
        faces_of(20, 1), SPEC, samples=10, held_out=10, sizes=(16,), seed=0
    )
    assert calibrated.manifest.by_label["happiness"] == 5
    assert held_out.manifest.by_label["happiness"] == 0


def test_faces_that_cannot_be_split_are_refused():
    with pytest.raises(CalibrationError, match="no faces to check the calibration on"):
        CalibrationSet.draw_with_held_out(faces_of(1, 1), SPEC, samples=2, held_out=2, sizes=(16,), seed=0)


@pytest.mark.parametrize(("samples", "sizes"), [(0, (16,)), (4, ()), (4, (0,))])
def test_impossible_numbers_are_refused(samples, sizes):
    with pytest.raises(CalibrationError, match="impossible calibration set"):
        CalibrationSet.draw(faces_of(4), SPEC, samples=samples, sizes=sizes, seed=0)


def test_feeds_are_named_as_the_graph_wants_them():
    drawn = CalibrationSet.draw(faces_of(10), SPEC, samples=10, sizes=(16, 8), seed=0)
    batches = list(drawn.feeds(GraphSpec(faces_input="x", face_size_input="px"), batch_size=4))
    assert [len(batch["x"]) for batch in batches] == [4, 4, 2]
    assert np.array_equal(np.concatenate([batch["px"] for batch in batches]), drawn.face_size_px)
    assert set(next(drawn.feeds(GraphSpec()))) == {"faces"}


def test_faces_of_the_test_split_are_left_out_and_counted(noise):
    forbidden = pixel_hashes(Subset(noise, range(0, len(noise), 2)))
    drawn = CalibrationSet.draw(noise, SPEC, samples=40, sizes=(24, 12), seed=0, test_faces=forbidden)
    assert drawn.manifest.left_out == 40 - len(drawn) > 0
    assert drawn.manifest.samples == len(drawn) == sum(drawn.manifest.by_label.values())
    free = CalibrationSet.draw(noise, SPEC, samples=40, sizes=(24, 12), seed=0, test_faces=frozenset())
    assert free.manifest.left_out == 0
    assert CalibrationSet.draw(noise, SPEC, samples=40, sizes=(24, 12), seed=0).manifest.left_out is None


def test_calibrating_on_the_test_split_is_refused(noise):
    with pytest.raises(CalibrationError, match="are test faces"):
        CalibrationSet.draw(noise, SPEC, samples=40, sizes=(24,), seed=0, test_faces=pixel_hashes(noise))


@pytest.mark.parametrize(("samples", "held_out"), [(1, 1000), (1000, 1)])
def test_both_parts_get_faces_however_unequal_they_are(samples, held_out):
    one, other = CalibrationSet.draw_with_held_out(
        faces_of(3, 2, 9), SPEC, samples=samples, held_out=held_out, sizes=(16,), seed=0
    )
    assert (len(one), len(other)) == (samples, held_out)
