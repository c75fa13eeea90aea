"""Where faces come from."""

import pytest

from fsrfer.cli.face_finding import lanes_for
from fsrfer.core.processor import read_processor

CORES = max(int(read_processor().usable_cores), 1)


@pytest.mark.parametrize(
    ("sources", "wanted", "lanes"),
    [(1, None, 1), (1000, None, CORES), (0, None, 1), (1, 3, 3), (1000, 1, 1)],
)
def test_there_is_a_lane_for_each_core_but_no_more_than_sources(sources, wanted, lanes):
    assert lanes_for(sources, wanted) == lanes
