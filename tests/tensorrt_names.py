"""Which name of TensorRT's API exists in which version: only the names that fsrfer uses, as its own list.

Looked up in the classes of the Python bindings themselves (:data:`BINDINGS`), imported over a stub of the libraries;
those of TensorRT-RTX are compared with the installed module by the tests, wherever it is installed.
"""

from __future__ import annotations

BINDINGS = {
    "8.6.1": "tensorrt-bindings 8.6.1",
    "10.3.0": "tensorrt-cu12-bindings 10.3.0",
    "10.13.3.9": "tensorrt-cu12-bindings 10.13.3.9",
    "10.16.1.11": "tensorrt-cu12-bindings 10.16.1.11",
    "11.0.0.114": "tensorrt-cu12-bindings 11.0.0.114",
    "11.4.0.106": "tensorrt-cu12-bindings 11.4.0.106",
    "rtx": "tensorrt-rtx 1.7.1.116",
}
"""Packages on PyPI that the names were looked up in, by version."""

Names = dict[str, set[str]]

IN_ALL: Names = {
    "Builder": {
        "build_serialized_network",
        "create_builder_config",
        "create_network",
        "create_optimization_profile",
        "num_DLA_cores",
    },
    "BuilderFlag": {"GPU_FALLBACK", "VERSION_COMPATIBLE"},
    "DeviceType": {"DLA"},
    "EngineInspector": {"get_engine_information"},
    "HardwareCompatibilityLevel": {"AMPERE_PLUS"},
    "IBuilderConfig": {
        "DLA_core",
        "add_optimization_profile",
        "builder_optimization_level",
        "can_run_on_DLA",
        "create_timing_cache",
        "default_device_type",
        "get_timing_cache",
        "hardware_compatibility_level",
        "profiling_verbosity",
        "set_flag",
        "set_memory_pool_limit",
        "set_timing_cache",
    },
    "ICudaEngine": {
        "create_engine_inspector",
        "create_execution_context",
        "get_tensor_dtype",
        "get_tensor_mode",
        "get_tensor_name",
        "get_tensor_profile_shape",
        "get_tensor_shape",
        "num_io_tensors",
    },
    "IExecutionContext": {"execute_async_v3", "profiler", "set_input_shape", "set_tensor_address"},
    "ILayer": {"get_output", "name", "num_outputs", "type"},
    "ILogger": {"Severity", "log"},
    "INetworkDefinition": {"get_input", "get_layer", "num_inputs", "num_layers"},
    "IOptimizationProfile": {"set_shape"},
    "IProfiler": {"report_layer_time"},
    "ITensor": {"dtype", "name", "shape"},
    "ITimingCache": {"serialize"},
    "LayerInformationFormat": {"JSON"},
    "MemoryPoolType": {"WORKSPACE"},
    "NetworkDefinitionCreationFlag": set(),
    "OnnxParser": {"get_error", "num_errors", "parse_from_file"},
    "ParserError": {"desc", "node"},
    "ProfilingVerbosity": {"DETAILED"},
    "Refitter": {"refit_cuda_engine"},
    "Runtime": {"DLA_core", "deserialize_cuda_engine", "engine_host_code_allowed"},
    "TensorIOMode": {"INPUT"},
}
UNTIL_10: Names = {
    "BuilderFlag": {"FP16", "INT8"},
    "NetworkDefinitionCreationFlag": {"EXPLICIT_BATCH"},
}
"""In 8.6 and 10.x."""
SINCE_10: Names = {
    "BuilderFlag": {"STRIP_PLAN"},
    "IBuilderConfig": {"progress_monitor"},
    "IProgressMonitor": {"phase_finish", "phase_start", "step_complete"},
    "NetworkDefinitionCreationFlag": {"STRONGLY_TYPED"},
    "OnnxParserRefitter": {"refit_from_file"},
    "ParserError": {"node_name", "node_operator"},
}
"""In 10.x, 11.x and TensorRT-RTX."""
RTX_ONLY: Names = {
    "ComputeCapability": set(),
    "IBuilderConfig": {"num_compute_capabilities", "set_compute_capability"},
}


def surface(version: str) -> Names:
    """The names of a version, by class; a class that it lacks is not among them."""
    parts = [IN_ALL]
    if version.startswith(("8.", "10.")):
        parts.append(UNTIL_10)
    if not version.startswith("8."):
        parts.append(SINCE_10)
    if version == "rtx":
        parts.append(RTX_ONLY)
    return _joined(parts)


def everything() -> Names:
    """All names, by class, whichever version has them."""
    return _joined([IN_ALL, UNTIL_10, SINCE_10, RTX_ONLY])


def _joined(parts: list[Names]) -> Names:
    kinds = sorted({kind for part in parts for kind in part})
    return {kind: set().union(*(part.get(kind, set()) for part in parts)) for kind in kinds}
