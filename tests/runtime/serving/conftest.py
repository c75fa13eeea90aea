"""Crowds, servers and a browser for the tests of the live page."""

from __future__ import annotations

import importlib.util
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from fsrfer.core.labels import CANONICAL_LABELS
from fsrfer.runtime.serving import LiveHub, LiveServer, ModelInfo, ServingOptions

MODEL = ModelInfo("int8", "onnxruntime", "3f9a" * 16, CANONICAL_LABELS)


def _load_sibling(name: str) -> Any:
    # Tests are imported by path (`--import-mode=importlib`), so their folders are not on the module search path.
    spec = importlib.util.spec_from_file_location(f"fsrfer_tests_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_CROWDS = _load_sibling("crowd_feed")


@pytest.fixture(scope="session")
def crowd_results():
    """Results of a drawn crowd: ``crowd_results(name, seed=, frames=, clock=, ...)``."""
    return _CROWDS.crowd_results


@pytest.fixture(scope="session")
def make_feed():
    """Feeder of a hub: ``make_feed(hub, names, fps=, groups=, ...)``."""

    def make(hub, names=("rtsp://***@hall.local/stream",), **options):
        return _CROWDS.CrowdFeed(hub, names, **{"frames": 4, "people": 8, **options})

    return make


@pytest.fixture
def serve(make_feed):
    """Server of drawn crowds: ``serve(names, hub=, feed=, token=, ...)`` gives it, its feed and a client.

    Each source has shown three frames. Everything ends with the test.
    """
    with ExitStack() as stack:

        def start(names=("rtsp://***@hall.local/stream",), *, hub=None, model=MODEL, feed=None, **options):
            hub = hub or LiveHub()
            feed = feed or make_feed(hub, names)
            for _ in range(3):
                feed.step()
            server = LiveServer(hub, feed.report, ServingOptions(**{"port": 0, **options}), model=model)
            stack.enter_context(server)
            client = stack.enter_context(httpx.Client(base_url=server.address, timeout=20, trust_env=False))
            return server, feed, client

        yield start


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A browser without a window."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium (Debian: apt-get install chromium)")
    with _load_sibling("browser").Browser(program, tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def page(chromium):
    """A page of the browser, new for each test."""
    with chromium.page() as opened:
        yield opened
