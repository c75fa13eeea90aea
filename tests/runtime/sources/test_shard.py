"""Which box reads which source."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core.errors import SourceError, UsageError
from fsrfer.runtime.sources import Shard, SourceKind, SourceSpec, shard_of

NAMES = st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=50, unique=True)


def specs_of(names):
    return tuple(SourceSpec(SourceKind.NETWORK, name, f"rtsp://{index}.local/") for index, name in enumerate(names))


def test_assignments_never_change():
    """Boxes of different versions must agree: these are fixed for ever."""
    names = ("entrance", "hall", "Hörsaal 3", "rtsp://10.0.0.1/s#2")
    assert [[shard_of(name, count) for name in names] for count in (1, 2, 16, 4096)] == [
        [0, 0, 0, 0],
        [0, 1, 0, 1],
        [14, 5, 5, 14],
        [53, 3630, 2691, 2060],
    ]


@given(NAMES, st.integers(1, 40))
def test_every_source_has_exactly_one_box(names, count):
    specs = specs_of(names)
    used = {shard_of(name, count) for name in names}
    found = [Shard(index, count).select(specs) for index in used]
    assert Counter(spec for own in found for spec in own) == Counter(specs)
    for own in found:
        assert list(own) == sorted(own, key=specs.index)


def test_a_box_without_sources_is_an_error():
    own = shard_of("hall", 2)
    assert len(Shard(own, 2).select(specs_of(["hall"]))) == 1
    with pytest.raises(SourceError, match="has no source"):
        Shard(1 - own, 2).select(specs_of(["hall"]))


def test_names_that_are_no_unicode_have_a_box():
    assert shard_of("\udcff.mp4", 4) in range(4)


@given(st.text(), st.integers(1, 5000))
def test_with_one_box_more_sources_go_to_that_one_or_stay(name, count):
    before, after = shard_of(name, count), shard_of(name, count + 1)
    assert 0 <= before < count
    assert after in (before, count)


@pytest.mark.parametrize("count", [2, 16, 64])
def test_boxes_share_evenly_and_few_sources_move(count):
    names = [f"camera-{number}" for number in range(20_000)]
    loads = Counter(shard_of(name, count) for name in names)
    mean = len(names) / count
    assert len(loads) == count
    # Counts are binomial; five standard deviations.
    assert max(abs(load - mean) for load in loads.values()) < 5 * mean**0.5
    moved = sum(shard_of(name, count) != shard_of(name, count + 1) for name in names)
    expected = len(names) / (count + 1)
    assert abs(moved - expected) < 5 * expected**0.5


def test_a_shard_is_read_from_text():
    assert Shard.parse("0/1") == Shard(0, 1)
    assert Shard.parse("3/16") == Shard(3, 16)


@pytest.mark.parametrize(
    "text", ["16/16", "1/0", "0/0", "-1/4", "3", "3/", "a/b", "1/2/3", " 1/2", "٣/٤", "1/9999999999"]
)
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(UsageError, match="--shard cannot be read"):
        Shard.parse(text)
