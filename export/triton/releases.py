"""Which releases of Triton's containers can serve an engine or a graph, as far as NVIDIA says so in public.

A container ``nvcr.io/nvidia/tritonserver:YY.MM-py3`` brings the TensorRT of ``nvcr.io/nvidia/tensorrt:YY.MM-py3``, says
one of its maintainers (triton-inference-server/server#5812).

Sources. ONNX Runtime: docs/introduction/compatibility.md of the server's repository, as of 26.08. TensorRT: its
docs/compatibility.md as of 24.08, which is about the TensorRT-LLM container of the same base; other public lists of the
plain containers agree with it for these four. NVIDIA's own matrix was not at hand. Operator sets and file formats: ONNX
Runtime's page on its compatibility with ONNX.
"""

from __future__ import annotations

SUPPORT_MATRIX = "https://docs.nvidia.com/deeplearning/frameworks/support-matrix/index.html"

_RELEASE_OF_TENSORRT = {"10.0": "24.05", "10.1": "24.06", "10.2": "24.07", "10.3": "24.08"}
"""Release by the TensorRT that it brings; others are in NVIDIA's support matrix."""

_RELEASE_OF_ONNX = ((20, 9, "24.04", "1.17.3"), (21, 10, "24.05", "1.18.0"))
"""Highest operator set and IR version that the ONNX Runtime of a release reads, the release, and that ONNX Runtime."""


def tensorrt_release(version: str, *, is_compatible: bool) -> str:
    """Say which containers can serve an engine.

    Args:
        version: The TensorRT that built it, as ``10.3.0.26``.
        is_compatible: Whether it was built to run on later versions of the same major version too.
    """
    major, minor = (version.split(".") + ["0"])[:2]
    release = _RELEASE_OF_TENSORRT.get(f"{major}.{minor}")
    if release is None:
        return (
            f"the `nvcr.io/nvidia/tritonserver:YY.MM-py3` whose TensorRT is {version}; NVIDIA's support matrix "
            f"({SUPPORT_MATRIX}) has the YY.MM, and `nvcr.io/nvidia/tensorrt` of the same YY.MM builds engines for it"
        )
    later = f", or a later one whose TensorRT is a {major}.x ({SUPPORT_MATRIX})" if is_compatible else ""
    return f"`nvcr.io/nvidia/tritonserver:{release}-py3`{later}"


def onnx_release(opset: int, ir_version: int) -> str:
    """Say which containers can serve a graph.

    Args:
        opset: Its operator set.
        ir_version: Version of its file format.
    """
    for most_opset, most_ir, release, runtime in _RELEASE_OF_ONNX:
        if opset <= most_opset and ir_version <= most_ir:
            return f"`nvcr.io/nvidia/tritonserver:{release}-py3` (ONNX Runtime {runtime}) or a later one"
    return f"a `nvcr.io/nvidia/tritonserver:YY.MM-py3` whose ONNX Runtime reads that ({SUPPORT_MATRIX})"
