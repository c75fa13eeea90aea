"""What the installed libraries can do."""

from __future__ import annotations

import pytest

from fsrfer.core.processor import Processor
from fsrfer.runtime.installation import (
    IDENTITY_GRAPH,
    package_conflicts,
    probe_media,
    probe_providers,
    thread_warnings,
)


@pytest.fixture
def install(tmp_path):
    def install_named(*names: str) -> list[str]:
        for name in names:
            folder = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
            folder.mkdir()
            (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        return [str(tmp_path)]

    return install_named


@pytest.mark.parametrize(
    "names",
    [(), ("onnxruntime", "opencv-python-headless"), ("onnxruntime-gpu", "opencv-python", "opencv-stubs", "numpy")],
)
def test_one_of_each_is_no_conflict(install, names):
    assert package_conflicts(install(*names)) == ()


def test_two_onnx_runtimes_unpack_over_each_other(install):
    (conflict,) = package_conflicts(install("onnxruntime", "onnxruntime-gpu"))
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in conflict


@pytest.mark.parametrize("other", ["opencv-python", "opencv_contrib_python", "OpenCV-contrib-python-headless"])
def test_two_opencvs_unpack_over_each_other(install, other):
    (conflict,) = package_conflicts(install("opencv-python-headless", other))
    assert "cv2" in conflict
    assert "pip install opencv-python-headless" in conflict


def test_the_graph_for_probing_is_an_identity():
    onnx = pytest.importorskip("onnx")
    model = onnx.load_model_from_string(IDENTITY_GRAPH)
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Identity"]


def test_the_cpu_binds():
    pytest.importorskip("onnxruntime")
    assert {state.name: state.problem for state in probe_providers()}["CPUExecutionProvider"] is None


def test_video_libraries_are_asked():
    media = probe_media()
    assert media.problem is None
    assert media.decodes_h264  # every wheel of PyAV does


def test_threads_beyond_the_quota_are_warned_about():
    (default,) = thread_warnings(Processor(None, 8, 16, 16, 1.5, None), None)
    assert "--threads 1" in default
    assert "1.5 cores" in default
    assert len(thread_warnings(Processor(None, 8, 16, 16, 1.5, None), "8")) == 2


@pytest.mark.parametrize("openmp", [None, "4", "not a number"])
def test_threads_within_the_machine_are_fine(openmp):
    assert thread_warnings(Processor(None, 4, 8, 8, None, None), openmp) == ()
