"""The README of an exported model: what it is, what it needs, how to serve it."""

from __future__ import annotations

from ...runtime.engine_record import EngineRecord
from .batching import BatchingPlan
from .config import ENGINE_CACHE
from .options import TritonBackend, TritonOptions
from .releases import onnx_release, tensorrt_release
from .served_model import ServedModel


def readme_text(name: str, model: ServedModel, options: TritonOptions, plan: BatchingPlan) -> str:
    """Return the README.

    Args:
        name: Name of the model on the server.
        model: What is served.
        options: How.
        plan: How requests are joined.
    """
    facts = model.facts
    tensors = "\n".join(
        f"| {role} `{spec.name}` | {spec.describe()} | {_wire_shape(spec.shape)} |"
        for role, specs in (("input", model.inputs), ("output", model.outputs))
        for spec in specs
    )
    return f"""# {name}

The model {facts.name} in {facts.precision}, for the Triton Inference Server; written by `fsrfer-export triton`, which
writes it anew where something is to change. Labels: {facts.labels.replace(",", ", ")}.

{_needs(model, options)}

## Tensors

| tensor | in the graph | on the wire |
|---|---|---|
{tensors}

Faces are crops after `fsrfer.core.preprocess`, uint8: the graph normalises them itself. Preprocessing stays with the
client: it must be the same code as in training, and crops of one size are what Triton can join. `labels.txt` names the
columns of the outputs. Logits are uncalibrated; the client divides them by the temperature of its bundle.

```
fsrfer-run cameras.toml --bundle BUNDLE --precision {facts.precision} --backend triton://HOST:8001/{name}
```

The client refuses a server whose `fsrfer.*` parameters are not those of its bundle, or which gives other logits for the
golden vectors of the bundle.

## Batches

Requests are joined to at most {plan.max_batch} faces. A request waits for company for at most {plan.queue_delay_us} us.
{_limits(plan)}
These figures are {plan.origin}.

There are no preferred batch sizes: they pay only where an engine has one optimisation profile for each.
There is no response cache: no two crops are alike, and hashing each request would cost more than it saves. Warm-up
runs of 1 and {plan.max_batch} faces precede the first request. Only the latest version is served.

## Limits of the server

Bind `--grpc-address`, `--http-address` and `--metrics-address` to the network that the cameras' machines are in; the
default is every address. Triton knows no users: `--grpc-use-ssl` with `--grpc-use-ssl-mutual` lets in those who have a
certificate, and a proxy in front may ask for a token.
"""


def _limits(plan: BatchingPlan) -> str:
    if plan.timeout_us is None:
        return (
            "The server rejects nothing: clients take back what they do not wait for any longer, and it drops that.\n"
            "With limits of the queue (`--queue-limits`), Triton 2.51 leaves requests in it for half a second now and\n"
            "then; a release with the change core#509 of July 2026 is said to mend that (server#8870)."
        )
    return f"It is rejected after {plan.timeout_us} us in the queue, or where {plan.max_queue} requests wait already."


def _wire_shape(shape: tuple[int | None, ...]) -> str:
    return f"({', '.join(['batch', *(str(axis) for axis in shape[1:] or (1,))])})"


def _needs(model: ServedModel, options: TritonOptions) -> str:
    if options.backend is TritonBackend.PYTHON:
        return f"""## Needs

- Triton with its Python backend; executed with Triton 2.51 (24.10), from the package nvidia-pytriton 0.7.0.
- numpy and onnxruntime in the Python that the server starts. numpy must be below 2 for Triton 2.51: with a newer one
  its Python backend hands over empty tensors.

`1/model.py` runs `1/model.onnx` on the CPU ({_identity(model)}), and refuses another file."""
    if options.backend is TritonBackend.ONNXRUNTIME:
        release = onnx_release(model.opset, model.ir_version)
        return f"""## Needs

- Triton with its ONNX Runtime backend, built with TensorRT as in NVIDIA's containers:
  {release}. The graph has operator
  set {model.opset} and IR version {model.ir_version}.
- An NVIDIA GPU. **Never executed where fsrfer is developed**: there is no GPU. The configuration was checked by a real
  server up to the loading of the backend.
- A folder at `{ENGINE_CACHE}` that can be written. Engines are compiled when the model is first
  loaded, which takes minutes, and kept there: where it goes with the container, every start compiles anew. They are of
  one kind of GPU and one version of TensorRT.

`1/model.onnx` is {_identity(model)}.{_int8_note(model)}"""
    if model.record is None:
        raise ValueError("an engine has a record")
    return _engine_needs(model.record, model)


def _identity(model: ServedModel) -> str:
    return f"{model.facts.graph}, sha256 {model.facts.model_sha256[:12]}"


def _int8_note(model: ServedModel) -> str:
    if model.facts.precision != "int8":
        return ""
    return " Its scales are in Q/DQ nodes; it needs no calibration table."


def _engine_needs(record: EngineRecord, model: ServedModel) -> str:
    compatible = bool(record.options.get("version_compatible"))
    major = record.library_version.partition(".")[0]
    version = (
        f"TensorRT {record.library_version} or a later {major}.x, and the server started with "
        "`--backend-config=tensorrt,version-compatible=true`"
        if compatible
        else f"TensorRT {record.library_version}, exactly: an engine is of the version that built it"
    )
    release = tensorrt_release(record.library_version, is_compatible=compatible)
    return f"""## Needs

- A release of Triton with {version}. Container: {release};
  `dpkg --list | grep nvinfer` in it tells its TensorRT.
- A GPU of compute capability {", ".join(record.compute_capabilities) or "unknown"} on {record.platform}; the engine
  was built for {record.device}.
- **Never executed where fsrfer is developed**: there is no GPU. The configuration was checked by a real server up to
  the loading of the backend.

`1/model.plan` is {record.file} of the bundle ({_identity(model)}), for batches of {record.batch}, built by
`{record.command}`."""
