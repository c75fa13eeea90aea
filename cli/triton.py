"""``fsrfer-export triton``: a model repository for the Triton Inference Server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.bundle import ModelBundle
from ..core.options import Precision
from ..core.schema import to_mapping
from ..export.triton import ExportedRepository, TritonBackend, TritonOptions, export_repository
from .console import NOTES, print_json, print_table


def triton(
    bundle: Annotated[Path, typer.Argument(help="Bundle with a fused graph, and an engine for `tensorrt`.")],
    out: Annotated[Path, typer.Option(help="Folder of the model repository; other models in it stay.")],
    backend: Annotated[
        TritonBackend, typer.Option(help="python: ONNX Runtime on a CPU; onnxruntime, tensorrt: a GPU.")
    ] = TritonBackend.PYTHON,
    precision: Annotated[Precision, typer.Option(help="Number format.")] = Precision.FP32,
    name: Annotated[str | None, typer.Option(help="Name of the model on the server.  [default: the bundle's]")] = None,
    max_batch: Annotated[int, typer.Option(help="Most faces in one run.")] = 64,
    instances: Annotated[int, typer.Option(help="Copies of the model that run side by side.")] = 1,
    threads: Annotated[
        int | None, typer.Option(help="Threads of each copy on a CPU.  [default: the profile's, or one a core]")
    ] = None,
    latency_budget_ms: Annotated[
        float | None,
        typer.Option(help="Longest time on the server; for --profile and --queue-limits.  [default: 500]"),
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option(
            help="JSON file from the serving machine, of `fsrfer-profile`, or for tensorrt of `fsrfer-profile engine`: "
            "largest batch and queue delay follow, and with --queue-limits these."
        ),
    ] = None,
    queue_delay_us: Annotated[
        int | None,
        typer.Option(help="Longest wait for company in microseconds.  [default: by the profile; none without]"),
    ] = None,
    queue_limits: Annotated[
        bool,
        typer.Option(
            "--queue-limits", help="Let the server reject; only from releases with core#509 (docs/triton.md)."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write a model repository for the Triton Inference Server; docs/triton.md goes on from there."""
    options = TritonOptions(
        backend=backend,
        precision=precision,
        name=name,
        max_batch=max_batch,
        instances=instances,
        threads=threads,
        latency_budget_ms=latency_budget_ms,
        queue_delay_us=queue_delay_us,
        queue_limits=queue_limits,
    )
    exported = export_repository(ModelBundle.load(bundle), out, options, profile=profile)
    NOTES.print(f"wrote {out / exported.name}", markup=False, soft_wrap=True)
    if as_json:
        print_json(to_mapping(exported))
    else:
        _print(exported)


def _print(exported: ExportedRepository) -> None:
    plan = exported.plan
    rows = [
        ("model", f"{exported.name}, sha256 {exported.model_sha256[:12]}"),
        ("runs on", f"the {exported.backend.value} backend, {exported.precision}"),
        ("largest batch", f"{plan.max_batch} faces"),
        ("queue delay", f"{plan.queue_delay_us} us"),
        ("timeout in the queue", "none" if plan.timeout_us is None else f"{plan.timeout_us} us"),
        ("longest queue", "any" if plan.max_queue is None else f"{plan.max_queue} requests"),
        ("these figures", plan.origin),
    ]
    print_table(exported.repository, ("", "value"), rows)
