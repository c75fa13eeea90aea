"""What the installed libraries can really do, asked from the libraries themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from ..core.errors import FsrferError
from ..core.processor import Processor
from .onnxruntime_runner import OnnxRuntimeRunner, SessionOptions, import_onnxruntime

# A graph of one Identity node (float32 of shape (1,), operator set 17), for asking which providers really bind.
IDENTITY_GRAPH = bytes.fromhex(
    "08083a370a100a017812017922084964656e746974791201675a0f0a0178120a0a0808"
    "0112040a020801620f0a0179120a0a08080112040a02080142040a001011"
)
_OPENCV = re.compile(r"opencv-(contrib-)?python(-headless)?")


@dataclass(frozen=True)
class ProviderState:
    """An execution provider of ONNX Runtime.

    Attributes:
        name: Its name.
        problem: Why a session could not be bound to it; None where one was. Being listed proves nothing.
    """

    name: str
    problem: str | None


@dataclass(frozen=True)
class MediaSupport:
    """What video libraries were built with.

    Attributes:
        decodes_h264: PyAV reads H.264, which most cameras send.
        encodes_h264: PyAV writes H.264 with libx264, which annotated videos are made with.
        opencv_gstreamer: OpenCV was built with GStreamer. fsrfer does not need it: it reads streams with PyAV.
        problem: Why PyAV or OpenCV cannot be loaded; None where both can.
    """

    decodes_h264: bool
    encodes_h264: bool
    opencv_gstreamer: bool
    problem: str | None = None


def probe_providers() -> tuple[ProviderState, ...]:
    """Bind a session to every execution provider of ONNX Runtime in turn.

    Returns:
        None of them where ONNX Runtime is not installed.
    """
    try:
        names = import_onnxruntime().get_available_providers()
    except FsrferError:
        return ()
    return tuple(ProviderState(name, _binding_problem(name)) for name in names)


def probe_media() -> MediaSupport:
    """Ask PyAV for its codecs and OpenCV for how it was built."""
    try:
        import av
        import cv2
    except ImportError as problem:  # a missing shared library, mostly
        return MediaSupport(False, False, False, str(problem))
    gstreamer = re.search(r"GStreamer:\s+(\w+)", cv2.getBuildInformation())
    return MediaSupport(
        decodes_h264=_has_codec(av, "h264", "r"),
        encodes_h264=_has_codec(av, "libx264", "w"),
        opencv_gstreamer=gstreamer is not None and gstreamer.group(1) == "YES",
    )


def package_conflicts(search_path: Sequence[str] | None = None) -> tuple[str, ...]:
    """Find distributions that unpack over each other's files, and how to mend that.

    Args:
        search_path: Folders of installed distributions; None for those of this Python.

    Returns:
        One sentence a conflict.
    """
    distributions = metadata.distributions() if search_path is None else metadata.distributions(path=list(search_path))
    names = {re.sub(r"[-_.]+", "-", distribution.name).lower() for distribution in distributions if distribution.name}
    found = (
        (sorted(names & {"onnxruntime", "onnxruntime-gpu"}), "onnxruntime", "fsrfer[gpu] or fsrfer[cpu]"),
        (sorted(name for name in names if _OPENCV.fullmatch(name)), "cv2", "opencv-python-headless"),
    )
    return tuple(
        f"{' and '.join(packages)} unpack over one folder, {folder}, and only the last one works: "
        f"pip uninstall -y {' '.join(packages)}, then pip install {wanted}"
        for packages, folder, wanted in found
        if len(packages) > 1
    )


def thread_warnings(processor: Processor, openmp_threads: str | None) -> tuple[str, ...]:
    """Find threads that would wait for each other because the processor is not theirs.

    Args:
        processor: The processor, and how much of it may be used.
        openmp_threads: Value of the environment variable ``OMP_NUM_THREADS``; None where it is not set.

    Returns:
        One sentence a problem.
    """
    usable = processor.usable_cores
    threads = max(int(usable), 1)
    warnings = []
    default_threads = processor.physical_cores or processor.logical_cores
    if default_threads > usable:
        warnings.append(
            f"ONNX Runtime starts {default_threads} threads, one a physical core, but this process may use "
            f"{usable:g} cores: pass --threads {threads}"
        )
    if openmp_threads is not None and openmp_threads.isdecimal() and int(openmp_threads) > usable:
        warnings.append(
            f"OMP_NUM_THREADS is {openmp_threads}, but this process may use {usable:g} cores: "
            f"export OMP_NUM_THREADS={threads}"
        )
    return tuple(warnings)


def _binding_problem(provider: str) -> str | None:
    try:
        with OnnxRuntimeRunner(IDENTITY_GRAPH, SessionOptions(providers=(provider,), threads=1)):
            return None
    except FsrferError as problem:
        return str(problem.found or problem.message)


def _has_codec(av: Any, name: str, mode: str) -> bool:
    try:
        av.codec.Codec(name, mode)
    except ValueError:  # PyAV's UnknownCodecError is one
        return False
    return True
