"""Runs the graph beside this file with ONNX Runtime; written by ``fsrfer-export triton``.

Triton's Python backend hands over all requests of a batch at once: their faces are joined, run once, and taken apart.
It needs numpy and onnxruntime in the server's Python, and nothing of fsrfer.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime


class TritonPythonModel:
    """One instance of the model."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the graph, which must be the one that the configuration names.

        Args:
            args: Where the model lies, and its configuration as JSON.
        """
        config = json.loads(args["model_config"])
        parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
        graph = (Path(args["model_repository"]) / args["model_version"] / "model.onnx").read_bytes()
        found = hashlib.sha256(graph).hexdigest()
        if found != parameters["fsrfer.model_sha256"]:
            raise pb_utils.TritonModelException(
                f"model.onnx is not the graph that was exported: its sha256 is {found[:12]}, not "
                f"{parameters['fsrfer.model_sha256'][:12]}. Next: export the repository again"
            )
        self._session = onnxruntime.InferenceSession(
            graph, _session_options(parameters), providers=["CPUExecutionProvider"]
        )
        self._inputs = [entry["name"] for entry in config["input"]]
        self._outputs = [entry["name"] for entry in config["output"]]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Run all requests of a batch at once.

        Args:
            requests: Each with one or several faces.
        """
        parts = [[pb_utils.get_input_tensor_by_name(one, name).as_numpy() for name in self._inputs] for one in requests]
        feed = {name: np.concatenate([part[place] for part in parts]) for place, name in enumerate(self._inputs)}
        results = self._session.run(self._outputs, feed)
        ends = np.cumsum([len(part[0]) for part in parts])
        rows = [slice(end - len(part[0]), end) for part, end in zip(parts, ends, strict=True)]
        return [
            pb_utils.InferenceResponse(
                [
                    pb_utils.Tensor(name, np.ascontiguousarray(result[row]))
                    for name, result in zip(self._outputs, results, strict=True)
                    if name in one.requested_output_names()
                ]
            )
            for one, row in zip(requests, rows, strict=True)
        ]

    def finalize(self) -> None:
        """Let ONNX Runtime join its threads."""
        del self._session


def _session_options(parameters: dict[str, str]) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if "fsrfer.threads" in parameters:
        options.intra_op_num_threads = int(parameters["fsrfer.threads"])
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = False  # it would keep a plan of buffers for every batch size that ever came
    if may_saturate_int8():
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def may_saturate_int8(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Tell whether products of uint8 and int8 saturate in pairs: on x86 processors without VNNI.

    Args:
        cpuinfo: Where Linux describes its processors. Where it does not tell, the answer is yes.
    """
    text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.is_file() else ""
    fields = {name.strip(): value for name, _, value in (line.partition(":") for line in text.splitlines())}
    return "CPU part" not in fields and not {"avx512_vnni", "avx_vnni"} & set(fields.get("flags", "").split())
