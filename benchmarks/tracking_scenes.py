"""The scripted scenes that the tests of the tracker play."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def load_scenes() -> ModuleType:
    """Return the scenes that the tests play."""
    path = Path(__file__).parents[1] / "tests" / "runtime" / "tracking" / "scenes.py"
    spec = importlib.util.spec_from_file_location("scripted_scenes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["scripted_scenes"] = module
    spec.loader.exec_module(module)
    return module
