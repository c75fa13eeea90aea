"""Residual networks and noise for them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def networks():
    """The module of small residual networks, loaded by path: tests' folders are not on the module search path."""
    name = "fsrfer_tests_residual_networks"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "residual_networks.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def noise(networks):
    return networks.noise_faces()
