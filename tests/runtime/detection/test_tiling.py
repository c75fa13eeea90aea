"""Where tiles lie, and what their edges cut."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core.errors import UsageError
from fsrfer.runtime.detection import TilingConfig
from fsrfer.runtime.detection.tiling import Tile, tiles_of


@st.composite
def tilings(draw):
    side = draw(st.integers(32, 400))
    return TilingConfig(side=side, overlap=draw(st.integers(0, side // 2)))


sizes = st.tuples(st.integers(1, 1500), st.integers(1, 1500))


@given(sizes, tilings())
def test_every_pixel_is_covered_and_no_tile_reaches_outside(size, tiling):
    tiles = tiles_of(size, tiling)
    covered = np.zeros((size[1], size[0]), np.bool_)
    for tile in tiles:
        assert 0 <= tile.left < tile.right <= size[0]
        assert 0 <= tile.top < tile.bottom <= size[1]
        covered[tile.top : tile.bottom, tile.left : tile.right] = True
    assert covered.all()


@given(sizes, tilings())
def test_tiles_have_one_size_so_that_they_share_runs(size, tiling):
    shapes = {(tile.right - tile.left, tile.bottom - tile.top) for tile in tiles_of(size, tiling)}
    assert shapes == {(min(size[0], tiling.side), min(size[1], tiling.side))}


@given(sizes, tilings())
def test_neighbours_share_the_overlap_and_one_tile_fewer_would_not_do(size, tiling):
    for axis in (0, 1):
        spans = sorted({((t.left, t.right), (t.top, t.bottom))[axis] for t in tiles_of(size, tiling)})
        for (_, end), (start, _) in itertools.pairwise(spans):
            assert end - start >= tiling.overlap
        reach = tiling.side + (len(spans) - 2) * (tiling.side - tiling.overlap)  # of one tile fewer
        assert len(spans) == 1 or reach < size[axis]


@given(tilings(), st.data())
def test_a_face_of_nine_tenths_of_the_overlap_lies_whole_in_some_tile(tiling, data):
    size = data.draw(st.tuples(st.integers(300, 1500), st.integers(300, 1500)))
    largest = 0.9 * tiling.overlap - 2.0
    if largest < 1.0:
        return
    width, height = data.draw(st.floats(1, largest)), data.draw(st.floats(1, largest))
    x, y = data.draw(st.floats(0, size[0] - width)), data.draw(st.floats(0, size[1] - height))
    box = np.array([[x, y, x + width, y + height]], np.float32)
    inside = [
        tile
        for tile in tiles_of(size, tiling)
        if tile.left <= x and x + width <= tile.right and tile.top <= y and y + height <= tile.bottom
    ]
    assert any(not tile.cuts(box)[0] for tile in inside)


@given(sizes, tilings(), st.data())
def test_a_pixel_of_a_tile_is_where_the_tile_says(size, tiling, data):
    columns = np.arange(size[0], dtype=np.uint8)  # wraps around at 256, as does what is expected
    frame = np.broadcast_to(columns, (size[1], size[0]))
    tile = data.draw(st.sampled_from(tiles_of(size, tiling)))
    picture = tile.cut_from(frame)
    assert np.shares_memory(picture, columns)
    column = data.draw(st.integers(0, picture.shape[1] - 1))
    assert picture[0, column] == (column + tile.left) % 256


def test_a_frame_no_larger_than_a_tile_is_one_tile():
    assert tiles_of((640, 360), TilingConfig()) == [Tile((640, 360), 0, 0, 640, 360)]
    assert len(tiles_of((641, 640), TilingConfig())) == 2


def test_tiles_of_known_frames():
    assert len(tiles_of((1920, 1080), TilingConfig())) == 4 * 2
    assert len(tiles_of((3840, 2160), TilingConfig())) == 8 * 4
    assert len(tiles_of((7680, 4320), TilingConfig())) == 15 * 9


def test_only_inner_edges_cut():
    tile = Tile((200, 100), 100, 0, 200, 100)  # the right half: its left edge alone is an inner one
    boxes = np.array([[100, 10, 110, 20], [100.9, 10, 110, 20], [105, 0, 115, 10], [180, 80, 200, 100]], np.float32)
    assert tile.cuts(boxes).tolist() == [True, True, False, False]


def test_a_large_box_that_ends_a_little_before_the_edge_is_cut_too():
    tile = Tile((200, 100), 100, 0, 200, 100)
    boxes = np.array([[103, 10, 183, 90], [103, 10, 113, 20]], np.float32)
    assert tile.cuts(boxes).tolist() == [True, False]


@pytest.mark.parametrize(("side", "overlap"), [(16, 0), (64, 33), (64, -1)])
def test_impossible_tiles_are_refused(side, overlap):
    with pytest.raises(UsageError, match="of the tiles; expected"):
        TilingConfig(side=side, overlap=overlap)
