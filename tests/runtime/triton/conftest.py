"""The real Triton server with tiny models, for the tests of its client."""

from __future__ import annotations

import numpy as np
import pytest

from fsrfer.export.triton import TritonOptions, export_repository
from fsrfer.runtime.triton.settings import parse_triton


class Served:
    """A bundle, a server of it that may be killed and started again, and the code that the server runs."""

    def __init__(self, bundle, server, code):
        self.bundle = bundle
        self.server = server
        self.code = code

    def address(self, options="", scheme="triton"):
        return f"{scheme}://{self.server.grpc_address}/tiny" + (f"#{options}" if options else "")

    def settings(self, options=""):
        # What a loaded machine takes long for is not lost, unless that is what a test is about.
        return parse_triton(
            self.address(options if "deadline_ms" in options else f"deadline_ms=60000&{options}".rstrip("&"))
        )


def unchanged(text):
    return text


@pytest.fixture(scope="session")
def start_server(triton_server, tmp_path_factory):
    """Exports a bundle and serves it: ``start_server(bundle, edit=, edit_code=, arguments=, **options)``."""
    servers = []

    def start(bundle, *, edit=unchanged, edit_code=unchanged, arguments=(), is_started=True, **options):
        folder = tmp_path_factory.mktemp("served")
        export_repository(bundle, folder / "repository", TritonOptions(**options))
        config, code = (folder / "repository" / "tiny" / name for name in ("config.pbtxt", "1/model.py"))
        config.write_text(edit(config.read_text()))
        code.write_text(edit_code(code.read_text()))
        servers.append(triton_server.TritonServer(folder / "repository", arguments, log=folder / "log"))
        if is_started:
            servers[-1].start()
        return Served(bundle, servers[-1], code)

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
