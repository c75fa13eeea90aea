"""Reading ONNX Runtime's own trace: how long each executed node took in each run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.errors import EngineBuildError

_KERNEL = "_kernel_time"
_WHOLE = "SequentialExecutor::Execute"


@dataclass(frozen=True)
class TracedNode:
    """A node as ONNX Runtime executed it.

    Attributes:
        name: Its name in the optimised graph.
        operator: Its operator.
        input_bytes: Bytes of what it reads from other nodes.
        parameter_bytes: Bytes of its constants, but for those that were packed when the graph was loaded.
        output_bytes: Bytes of what it writes.
    """

    name: str
    operator: str
    input_bytes: int
    parameter_bytes: int
    output_bytes: int


@dataclass(frozen=True)
class Trace:
    """A trace of R runs of a graph of N nodes.

    Attributes:
        nodes: The nodes in the order of execution.
        node_ms: Their times, float64 (R, N).
        whole_ms: Time of each run, float64 (R,).
    """

    nodes: tuple[TracedNode, ...]
    node_ms: npt.NDArray[np.float64]
    whole_ms: npt.NDArray[np.float64]


def read_trace(path: Path, *, skip: int = 0) -> Trace:
    """Read a trace that :class:`~fsrfer.runtime.onnxruntime_runner.OnnxRuntimeRunner` has written.

    Args:
        path: What ``end_profiling`` returned.
        skip: First runs to leave out, that warmed up.

    Raises:
        EngineBuildError: The trace has no run left, or its runs differ in their nodes (a graph with branches).
    """
    events = json.loads(path.read_text(encoding="utf-8"))
    kernels = [event for event in events if event.get("cat") == "Node" and event["name"].endswith(_KERNEL)]
    whole = np.asarray([event["dur"] for event in events if event.get("name") == _WHOLE], np.float64) / 1e3
    runs = len(whole) - skip
    if runs < 1 or len(kernels) % len(whole) != 0:
        raise EngineBuildError(
            "ONNX Runtime's trace cannot be read",
            expected=f"more than {skip} runs, each of the same nodes",
            found=f"{len(whole)} runs, {len(kernels)} executed nodes",
        )
    length = len(kernels) // len(whole)
    names = [_name(event) for event in kernels]
    if any(names[start : start + length] != names[:length] for start in range(0, len(names), length)):
        raise EngineBuildError("ONNX Runtime's trace cannot be read", expected="the same nodes in every run")
    durations = np.asarray([event["dur"] for event in kernels], np.float64).reshape(len(whole), length) / 1e3
    nodes = tuple(_node(event) for event in kernels[skip * length : (skip + 1) * length])
    return Trace(nodes, durations[skip:], whole[skip:])


def _name(event: Mapping[str, Any]) -> str:
    return str(event["name"]).removesuffix(_KERNEL)


def _node(event: Mapping[str, Any]) -> TracedNode:
    facts = event["args"]
    return TracedNode(
        name=_name(event),
        operator=str(facts["op_name"]),
        input_bytes=int(facts.get("activation_size", 0)),
        parameter_bytes=int(facts.get("parameter_size", 0)),
        output_bytes=int(facts.get("output_size", 0)),
    )
