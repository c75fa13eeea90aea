"""What the whole suite shares."""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from fsrfer.core import ArtifactKind
from fsrfer.core.gpu import Gpu
from fsrfer.runtime import opening
from fsrfer.runtime.cuda import Cuda

SHARED = Path(__file__).parents[2] / "shared"

hypothesis.settings.register_profile("fsrfer", deadline=None)  # no test asserts a time
hypothesis.settings.load_profile("fsrfer")


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


@pytest.fixture(scope="session")
def make_bundle() -> Callable[..., Any]:
    """Writer of tiny real bundles: ``make_bundle(path, labels, size=, channels=, conditioned=, ...)``."""
    pytest.importorskip("onnx")
    return _load_sibling("bundles").write_bundle


@pytest.fixture(scope="session")
def engines() -> Any:
    """The module that records engines and puts them into bundles."""
    return _load_sibling("engines")


@pytest.fixture(scope="session")
def tensorrt_names() -> Any:
    """The module that lists which name of TensorRT exists in which version."""
    return _load_sibling("tensorrt_names")


@pytest.fixture(scope="session")
def tensorrt_emulator() -> Any:
    """The module that emulates CUDA and TensorRT."""
    return _load_sibling("tensorrt_emulator")


@pytest.fixture
def emulated_orin(monkeypatch, tensorrt_emulator, engines):
    """An emulated Orin with TensorRT 10.3, which every opening of a bundle finds; nothing may leak from it.

    ``put_engine(bundle, **changes)`` puts an engine that it can run into a bundle.
    """
    emulated = tensorrt_emulator.emulation()
    monkeypatch.setattr(opening, "load_tensorrt_runtime", lambda backend: (emulated.trt, Gpu("Orin", "8.7")))
    monkeypatch.setattr(opening.Cuda, "load", lambda: Cuda(emulated.cudart))

    def put_engine(bundle, **changes):
        graph = bundle.artifact_path(ArtifactKind.ONNX_FP32).read_bytes()
        return engines.put_engine(bundle, tensorrt_emulator.plan_of(graph, (1, 4, 8)), **changes)

    emulated.put_engine = put_engine
    yield emulated
    gc.collect()
    assert emulated.cudart.leaks() == {}


@pytest.fixture(scope="session")
def triton_server() -> Any:
    """The module that starts the real Triton server; a test that asks for it is skipped where it is not installed."""
    module = _load("triton_server", Path(__file__).parents[1] / "benchmarks" / "triton_server.py")
    if not module.is_prepared():
        pytest.skip("no Triton server: python benchmarks/triton_server.py --prepare")
    return module


def _load_sibling(name: str) -> Any:
    return _load(name, Path(__file__).with_name(f"{name}.py"))


def _load(name: str, path: Path) -> Any:
    # Tests are imported by path (`--import-mode=importlib`), so their folders are not on the module search path.
    spec = importlib.util.spec_from_file_location(f"fsrfer_tests_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look up the module that defines them
    spec.loader.exec_module(module)
    return module
