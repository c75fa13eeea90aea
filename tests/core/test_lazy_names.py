"""Packages whose names are imported when they are used."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

PACKAGES = ["fsrfer.runtime", "fsrfer.runtime.profiling"]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_name_that_is_offered_is_there(name):
    package = importlib.import_module(name)
    for offered in package.__all__:
        assert getattr(package, offered).__name__ == offered
        assert offered in vars(package)  # found once, it is kept


@pytest.mark.parametrize("name", PACKAGES)
def test_other_names_are_refused_as_python_does(name):
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nothing'"):
        _ = importlib.import_module(name).nothing


def test_a_module_is_loaded_with_the_first_name_that_it_defines():
    code = (
        "import sys, fsrfer.runtime as package\n"
        "before = 'fsrfer.runtime.pipeline' in sys.modules\n"
        "package.StreamPipeline\n"
        "print(before, 'fsrfer.runtime.pipeline' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
