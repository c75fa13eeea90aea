"""The real Triton server with tiny models, for the tests of its client."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.export.triton import TritonOptions, export_repository
from fsrfer.runtime.triton.settings import parse_triton


class Served:
    """A bundle, and a server of it that may be killed and started again."""

    def __init__(self, bundle, server):
        self.bundle = bundle
        self.server = server

    def address(self, options="", scheme="triton"):
        return f"{scheme}://{self.server.grpc_address}/tiny" + (f"#{options}" if options else "")

    def settings(self, options=""):
        # What a loaded machine takes long for is not lost, unless that is what a test is about.
        return parse_triton(
            self.address(options if "deadline_ms" in options else f"deadline_ms=60000&{options}".rstrip("&"))
        )


@pytest.fixture(scope="session")
def start_server(triton_server, tmp_path_factory):
    """Exports a bundle and serves it: ``start_server(bundle, edit=, arguments=, **options)``."""
    servers = []

    def start(bundle, *, edit=lambda text: text, arguments=(), is_started=True, **options):
        folder = tmp_path_factory.mktemp("served")
        options = TritonOptions(**{"latency_budget_ms": 60_000.0, **options})
        export_repository(bundle, folder / "repository", options)
        config = folder / "repository" / "tiny" / "config.pbtxt"
        config.write_text(edit(config.read_text()))
        servers.append(triton_server.TritonServer(folder / "repository", arguments, log=folder / "log"))
        if is_started:
            servers[-1].start()
        return Served(bundle, servers[-1])

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def served(start_server, make_bundle, tmp_path_factory):
    """A server that all tests of a worker share, of a model that also reads the native size of each face."""
    return start_server(make_bundle(tmp_path_factory.mktemp("bundles") / "tiny", conditioned=True), max_batch=16)


@pytest.fixture(scope="session")
def crops_of():
    """Random crops of sizes from 8 to 60 px: ``crops_of(count, seed=)``."""

    def make(count, seed=0):
        rng = np.random.default_rng(seed)
        return [rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in rng.integers(8, 60, count)]

    return make
