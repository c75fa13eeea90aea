"""Pairs of faces: what a batch depends on, and that it equals serving."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from fsrfer.core import ColorMode, PreprocessSpec, bicubic_resize, preprocess
from fsrfer.training.batches import BatchPlan, TrainingFaces, draw_sizes, prefetched, small_faces
from fsrfer.training.face_variation import AugmentationConfig, DegradationConfig, FaceSizes
from fsrfer.training.mixing import Mixing, blended

GRAY = PreprocessSpec(16, 16, ColorMode.GRAY)


def plan_of(dataset, *, seed: int = 0, sizes: FaceSizes | None = None, spec: PreprocessSpec = GRAY) -> BatchPlan:
    faces = TrainingFaces(dataset, spec, soft_labels=True)
    return BatchPlan(faces, spec, AugmentationConfig(), sizes or FaceSizes(smallest=6), 8, key=(seed, 1))


def same(one, other) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in vars(one))


def test_a_batch_follows_from_seed_and_step_alone(make_faces):
    plan, again = plan_of(make_faces("train", 40)), plan_of(make_faces("train", 40))
    forwards = [plan.batch(step) for step in range(6)]
    backwards = [again.batch(step) for step in reversed(range(6))][::-1]
    assert all(same(one, other) for one, other in zip(forwards, backwards, strict=True))
    assert not same(forwards[0], plan_of(make_faces("train", 40), seed=1).batch(0))


def test_an_epoch_sees_every_face_at_most_once_and_epochs_differ(make_faces):
    dataset = make_faces("train", 43)
    plan = plan_of(dataset)
    assert plan.steps_per_epoch == 5
    seen = {}
    for epoch in range(2):
        order = np.random.default_rng([0, 1, 0, epoch]).permutation(43)[:40]
        steps = range(epoch * 5, epoch * 5 + 5)
        labels = np.concatenate([plan.batch(step).labels for step in steps])
        np.testing.assert_array_equal(labels, dataset.label_indices[order])
        seen[epoch] = order.tolist()
    assert len(set(seen[0])) == 40
    assert seen[0] != seen[1]


def test_a_data_set_smaller_than_a_batch_is_one_batch(make_faces):
    plan = plan_of(make_faces("train", 5))
    assert plan.steps_per_epoch == 1
    assert len(plan.batch(0).labels) == 5


@pytest.mark.parametrize("channels", [1, 3])
def test_small_faces_are_what_serving_would_see(channels):
    spec = PreprocessSpec(16, 16, ColorMode.GRAY if channels == 1 else ColorMode.RGB)
    shape = (6, 16, 16) if channels == 1 else (6, 16, 16, 3)
    full = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    sizes = np.array([16, 6, 9, 6, 12, 16])
    result = small_faces(full, sizes, spec)
    for face, size, small in zip(full, sizes, result, strict=True):
        served, native = preprocess([face if size == 16 else bicubic_resize(face, int(size))], spec)
        np.testing.assert_array_equal(small, served[0])
        assert native[0] == size


def test_pairs_belong_together(make_faces):
    batch = plan_of(make_faces("train", 40)).batch(0)
    at_full_size = batch.face_size_px == 16
    assert 0 < at_full_size.sum() < len(at_full_size)
    np.testing.assert_array_equal(batch.small[at_full_size], batch.full[at_full_size])
    assert (batch.small[~at_full_size] != batch.full[~at_full_size]).any()
    np.testing.assert_array_equal(batch.targets.argmax(axis=1), batch.labels)


def test_grey_faces_train_colour_models_and_the_other_way_round(make_faces):
    rgb = PreprocessSpec(16, 16, ColorMode.RGB)
    assert plan_of(make_faces("train", 16, channels=1), spec=rgb).batch(0).full.shape == (8, 3, 16, 16)
    assert plan_of(make_faces("train", 16, channels=3)).batch(0).full.shape == (8, 1, 16, 16)


def test_sizes_come_from_the_choices():
    drawn = draw_sizes(3000, 48, FaceSizes(choices=(24, 12), full_fraction=0.25), np.random.default_rng(0))
    shares = {size: float((drawn == size).mean()) for size in (48, 24, 12)}
    assert shares == pytest.approx({48: 0.25, 24: 0.375, 12: 0.375}, abs=0.04)


def test_sizes_are_uniform_in_their_logarithm():
    drawn = draw_sizes(20_000, 48, FaceSizes(smallest=8, full_fraction=0.0), np.random.default_rng(0))
    assert drawn.min() == 8
    assert drawn.max() == 48
    middle = 8 * (48 / 8) ** 0.5
    assert float((drawn <= middle).mean()) == pytest.approx(0.5, abs=0.03)


def test_full_size_only():
    assert set(draw_sizes(50, 48, FaceSizes(full_fraction=1.0), np.random.default_rng(0)).tolist()) == {48}


def test_prefetching_keeps_the_order():
    assert list(prefetched(lambda step: step * step, 3, 9)) == [9, 16, 25, 36, 49, 64]


def test_a_failure_while_preparing_is_raised_where_its_batch_would_have_come():
    def make(step: int) -> int:
        if step == 2:
            raise OSError("gone")
        return step

    batches = prefetched(make, 0, 5)
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(OSError, match="gone"):
        next(batches)


def test_an_abandoned_run_leaves_no_thread():
    batches = prefetched(lambda step: step, 0, 1000)
    next(batches)
    batches.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "training-batches"]


def test_degradation_spoils_its_share_of_the_small_faces_and_no_full_size_one(make_faces):
    def batch(fraction):
        plan = BatchPlan(
            TrainingFaces(make_faces("train", 48), GRAY, soft_labels=False),
            GRAY,
            AugmentationConfig(),
            FaceSizes(choices=(8,), full_fraction=0.0),
            32,
            (0, 1),
            DegradationConfig(fraction),
        )
        return plan.batch(3)

    clean, some, everything = (batch(fraction) for fraction in (0.0, 0.5, 1.0))
    np.testing.assert_array_equal(clean.full, everything.full)
    np.testing.assert_array_equal(clean.face_size_px, everything.face_size_px)
    changed = [(spoilt.small != clean.small).any(axis=(1, 2, 3)) for spoilt in (some, everything)]
    assert changed[1].all()
    assert 6 <= changed[0].sum() <= 26
    np.testing.assert_array_equal(batch(0.5).small, some.small)


def mix_faces(faces, targets, share, rng):
    mixing = Mixing.drawn(len(faces), share, rng)
    return blended((faces, targets), (faces[mixing.others], targets[mixing.others]), mixing.own)


class TestMixing:
    def test_each_face_is_the_larger_part_of_itself_and_targets_follow_the_pixels(self):
        faces = np.repeat(np.array([0, 40, 80, 120, 160, 200, 240], np.uint8), 16).reshape(7, 4, 4)
        targets = np.eye(7, dtype=np.float32)
        mixed, told = mix_faces(faces, targets, 1.0, np.random.default_rng(0))
        assert mixed.dtype == np.uint8
        assert told.dtype == np.float32
        assert np.allclose(told.sum(axis=1), 1.0)
        assert (told.argmax(axis=1) == np.arange(7)).all()
        assert (np.diag(told) >= 0.5).all()
        expected = told @ np.array([0, 40, 80, 120, 160, 200, 240])
        assert np.abs(mixed.reshape(7, -1) - expected[:, None]).max() <= 0.51

    @pytest.mark.parametrize("share", [0.0, 0.4])
    def test_a_share_of_the_faces_is_mixed_and_the_others_are_as_they_were(self, share):
        rng = np.random.default_rng(1)
        faces = rng.integers(0, 256, (2000, 6, 6, 3), np.uint8)
        targets = np.eye(4, dtype=np.float32)[rng.integers(0, 4, 2000)]
        mixed, told = mix_faces(faces, targets, share, rng)
        changed = (mixed != faces).any(axis=(1, 2, 3))
        assert changed.mean() == pytest.approx(share, abs=0.04)
        assert np.allclose(told[~changed], targets[~changed], atol=0.02)

    def test_small_and_full_size_faces_of_a_pair_are_mixed_alike(self, make_faces):
        faces = TrainingFaces(make_faces("train", 40), GRAY, soft_labels=True)
        none = AugmentationConfig(flip=0, shift=0, scale=0, rotation_deg=0, brightness=0, contrast=0, erase=0, mix=1.0)
        batch = BatchPlan(faces, GRAY, none, FaceSizes(full_fraction=1.0), 8, key=(0, 1)).batch(0)
        assert np.array_equal(batch.small, batch.full)
        assert (batch.targets.max(axis=1) < 1.0).any()
        assert (batch.targets.argmax(axis=1) == batch.labels).all()
