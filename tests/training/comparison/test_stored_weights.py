"""The trained networks of the comparison that lie in the project can be loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from fsrfer.core import ModelBundle
from fsrfer.training.comparison import METHODS, Part, PartStore

STORE = PartStore(Path(__file__).parents[3] / "benchmarks" / "weights" / "ferplus", native_px=48)
STORED = [part for part in Part if STORE.has(part)]


def test_the_parts_that_the_documentation_speaks_of_are_there():
    assert set(STORED) == set(Part)
    assert {part for method in METHODS for part in method.parts} == set(Part)


@pytest.mark.parametrize("part", STORED)
def test_a_stored_network_loads_with_the_faces_of_all_others(part):
    faces = ModelBundle.load(STORE.folder / Part.FULL_SIZE.value).manifest.provenance.dataset_ids
    assert isinstance(STORE.load(part, faces), nn.Module)
