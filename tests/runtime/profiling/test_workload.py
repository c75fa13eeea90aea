"""What models are measured with."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.core import PreprocessSpec
from fsrfer.runtime.profiling.workload import crop_batches, face_crops, pixel_fill, ready_feed


def test_sizes_are_mixed_and_within_their_range():
    sides = {crop.shape[0] for crop in face_crops(2000)}
    assert sides == set(range(8, 49))
    assert all(crop.dtype == np.uint8 and crop.shape == (len(crop), len(crop), 3) for crop in face_crops(20))


def test_the_seed_alone_decides():
    first, again, other = (face_crops(5, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not all(np.array_equal(one, two) for one, two in zip(first, other, strict=True))


def test_batches_are_full_and_differ():
    batches = crop_batches(3, count=4)
    assert [len(batch) for batch in batches] == [3, 3, 3, 3]
    assert len({crop.tobytes() for batch in batches for crop in batch}) == 12


@pytest.mark.parametrize("conditioned", [False, True])
def test_the_feed_is_what_the_graph_reads(make_bundle, tmp_path, conditioned):
    manifest = make_bundle(tmp_path, size=24, channels=1, conditioned=conditioned).manifest
    crops = face_crops(2)
    feed = ready_feed(crops, manifest)
    assert feed["faces"].shape == (2, 1, 24, 24)
    assert set(feed) == ({"faces", "face_size"} if conditioned else {"faces"})
    if conditioned:
        assert feed["face_size"].tolist() == [len(crop) for crop in crops]


def test_small_faces_bring_few_of_the_pixels():
    spec = PreprocessSpec(48, 48)
    crop = np.zeros((12, 12, 3), np.uint8)
    assert pixel_fill([crop], spec) == 1 / 16
    assert pixel_fill([crop, np.zeros((96, 96, 3), np.uint8)], spec) == (1 / 16 + 1) / 2
