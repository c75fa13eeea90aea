"""What the profile of imports tells about a program whose imports are known."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def heaviest_imports(benchmark_module):
    return benchmark_module("imports_profile").heaviest_imports


def test_the_slowest_module_comes_first(heaviest_imports, tmp_path):
    (tmp_path / "slow_module.py").write_text("import time\ntime.sleep(0.3)\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import slow_module"
    found = heaviest_imports(["-c", code], count=3)
    assert len(found) == 3
    assert found[0]["module"] == "slow_module"
    assert found[0]["with_imported_ms"] >= found[0]["own_ms"]


def test_a_program_that_fails_has_no_profile(heaviest_imports):
    with pytest.raises(SystemExit, match="no_such_module"):
        heaviest_imports(["-c", "import no_such_module"])
