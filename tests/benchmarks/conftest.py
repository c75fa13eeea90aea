"""The modules of the benchmarks that hold logic; benchmarks are scripts, not a package."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="session")
def benchmark_module():
    """Imports a module of the benchmarks by name, as the scripts beside it do."""
    sys.path.append(str(FOLDER))
    yield import_module
    sys.path.remove(str(FOLDER))


@pytest.fixture(scope="session")
def model(benchmark_module):
    return benchmark_module("batching_model")


@pytest.fixture(scope="session")
def load(benchmark_module):
    return benchmark_module("fleet_load")
