"""What the whole suite shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Where nothing may be skipped (continuous integration), a skip is a failure, but for what needs a GPU."""
    outcome = yield
    report = outcome.get_result()
    strict = os.environ.get("FSRFER_SKIP_NOTHING") == "1"
    if strict and report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("gpu") is None:
        report.outcome = "failed"
        report.longrepr = f"skipped, but nothing may be skipped here: {report.longrepr}"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the development data and media; a test that asks for it is skipped where there is none."""
    if not SHARED.is_dir():
        pytest.skip(f"no development data at {SHARED}")
    return SHARED
