"""``config.pbtxt``: built as Triton's own message, so that it cannot be malformed."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from ...core.errors import CheckFailedError, MissingDependencyError
from ...core.options import Precision
from ...runtime.runner import TensorSpec
from .batching import BatchingPlan
from .options import TritonBackend, TritonOptions
from .served_model import ServedModel

LABELS_FILE = "labels.txt"
MODEL_FILES = {
    TritonBackend.PYTHON: "model.py",
    TritonBackend.ONNXRUNTIME: "model.onnx",
    TritonBackend.TENSORRT: "model.plan",
}

_TYPES = {"uint8": "TYPE_UINT8", "float16": "TYPE_FP16", "float32": "TYPE_FP32"}
_WARM_UP_RUNS = 2
_ACCELERATOR_PRECISION = {Precision.FP32: "FP32", Precision.FP16: "FP16", Precision.INT8: "INT8"}
_WORKSPACE_BYTES = 1 << 30
ENGINE_CACHE = "/var/cache/fsrfer-tensorrt"


def model_config_text(
    name: str, model: ServedModel, options: TritonOptions, plan: BatchingPlan, probabilities: str
) -> str:
    """Return the configuration of a model.

    Args:
        name: Name of the model on the server.
        model: What is served.
        options: How.
        plan: How requests are joined.
        probabilities: The output that the labels belong to.

    Raises:
        MissingDependencyError: ``tritonclient`` is not installed.
        CheckFailedError: What was written does not read back as it was; a defect of the library.
    """
    messages, text_format = _import_messages()
    config = messages.ModelConfig(
        name=name,
        backend=options.backend.value,
        default_model_filename=MODEL_FILES[options.backend],
        max_batch_size=plan.max_batch,
    )
    config.version_policy.latest.num_versions = 1
    for spec in model.inputs:
        _describe(messages, config.input.add(), spec)
    for spec in model.outputs:
        output = config.output.add()
        _describe(messages, output, spec)
        if spec.name == probabilities:
            output.label_filename = LABELS_FILE
    _add_batching(messages, config, plan)
    _add_instances(messages, config, options, model)
    _add_warm_up(messages, config, model, plan)
    if options.backend is TritonBackend.ONNXRUNTIME:
        _add_accelerator(config, options, model, plan)
    parameters = model.facts.parameters()
    if options.backend is TritonBackend.PYTHON and plan.threads is not None:
        parameters["fsrfer.threads"] = str(plan.threads)
    for key, value in parameters.items():
        config.parameters[key].string_value = value
    text = str(text_format.MessageToString(config))
    if text_format.Parse(text, messages.ModelConfig()) != config:
        raise CheckFailedError(f"the configuration of {name} does not read back as it was written")
    return text


def _import_messages() -> tuple[Any, Any]:
    try:
        return (
            importlib.import_module("tritonclient.grpc.model_config_pb2"),
            importlib.import_module("google.protobuf.text_format"),
        )
    except ModuleNotFoundError as problem:
        raise MissingDependencyError.for_extra("tritonclient", "triton", "exporting to Triton") from problem


def _describe(messages: Any, entry: Any, spec: TensorSpec) -> None:
    entry.name = spec.name
    entry.data_type = messages.DataType.Value(_TYPES[str(spec.dtype)])
    own = [int(axis or 0) for axis in spec.shape[1:]]
    entry.dims.extend(own or [1])
    if not own:  # one number a face: Triton wants an axis beside that of the batch, the graph has none
        entry.reshape.SetInParent()


def _add_batching(messages: Any, config: Any, plan: BatchingPlan) -> None:
    # No preferred sizes: they pay only where an engine has a profile for each of them, and fsrfer's have one.
    batching = config.dynamic_batching
    batching.SetInParent()  # it is on, also where nothing is said about it
    batching.max_queue_delay_microseconds = plan.queue_delay_us
    if plan.timeout_us is not None and plan.max_queue is not None:
        policy = batching.default_queue_policy
        policy.timeout_action = messages.ModelQueuePolicy.TimeoutAction.Value("REJECT")
        policy.default_timeout_microseconds = plan.timeout_us
        policy.max_queue_size = plan.max_queue


def _add_instances(messages: Any, config: Any, options: TritonOptions, model: ServedModel) -> None:
    group = config.instance_group.add()
    group.count = options.instances
    is_cpu = options.backend is TritonBackend.PYTHON
    group.kind = messages.ModelInstanceGroup.Kind.Value("KIND_CPU" if is_cpu else "KIND_GPU")
    if model.record is not None:
        group.profile.append("0")


def _add_warm_up(messages: Any, config: Any, model: ServedModel, plan: BatchingPlan) -> None:
    for size in sorted({1, plan.max_batch}):
        request = config.model_warmup.add(name=f"batch-{size}", batch_size=size, count=_WARM_UP_RUNS)
        for spec in model.inputs:
            given = request.inputs[spec.name]
            given.data_type = messages.DataType.Value(_TYPES[str(spec.dtype)])
            given.dims.extend([int(axis or 0) for axis in spec.shape[1:]] or [1])
            # Random bytes are faces, but may be no numbers as floats.
            given.random_data = spec.dtype == np.uint8
            if spec.dtype != np.uint8:
                given.zero_data = True


def _add_accelerator(config: Any, options: TritonOptions, model: ServedModel, plan: BatchingPlan) -> None:
    accelerator = config.optimization.execution_accelerators.gpu_execution_accelerator.add(name="tensorrt")

    def shapes(faces: int) -> str:
        return ",".join(
            f"{spec.name}:{'x'.join(str(axis) for axis in (faces, *spec.shape[1:]))}" for spec in model.inputs
        )

    # INT8 without a calibration table: the graph has its scales in Q/DQ nodes, and a table would be refused.
    settings = {
        "precision_mode": _ACCELERATOR_PRECISION[options.precision],
        "max_workspace_size_bytes": str(_WORKSPACE_BYTES),
        "trt_engine_cache_enable": "true",
        "trt_engine_cache_path": f"{ENGINE_CACHE}/{model.facts.model_sha256[:12]}",
        "trt_timing_cache_enable": "true",
        "trt_profile_min_shapes": shapes(1),
        "trt_profile_opt_shapes": shapes(min(16, plan.max_batch)),
        "trt_profile_max_shapes": shapes(plan.max_batch),
    }
    for key, value in settings.items():
        accelerator.parameters[key] = value
