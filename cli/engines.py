"""Commands of ``fsrfer-export`` that need no PyTorch: half precision, engines, looking into files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from ..core.bundle import MANIFEST_NAME, ModelBundle
from ..core.errors import UsageError
from ..core.options import Backend, Precision
from ..core.schema import to_mapping
from ..export.build_engine import EnginePlan, compiler_for, plan_engine
from ..export.build_engine import build_engine as build
from ..export.build_recipe import BuildRecipe, plan_recipe
from ..export.engine_compiler import OnProgress
from ..export.engine_config import EngineBuildConfig
from ..export.inspect_graph import GraphDescription, describe_graph
from ..runtime.engine_record import BatchProfile, EngineRecord, engine_records, record_path
from .console import NOTES, print_json, print_table, progress_bar

BundleArgument = Annotated[Path, typer.Argument(help="Bundle with a fused graph.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def build_engine(
    bundle: BundleArgument,
    backend: Annotated[Backend, typer.Option(help="Library that compiles and runs the engine.")],
    precision: Annotated[Precision, typer.Option(help="Number format.")] = Precision.FP32,
    batch: Annotated[str, typer.Option(help="Batch sizes to serve, min:opt:max; ONNX Runtime serves any.")] = "1:16:64",
    workspace_mib: Annotated[int | None, typer.Option(help="Scratch memory for TensorRT, in MiB.")] = None,
    optimization_level: Annotated[int | None, typer.Option(help="How long TensorRT searches, 0 to 5.")] = None,
    timing_cache: Annotated[Path | None, typer.Option(help="File that keeps TensorRT's measurements.")] = None,
    compute_capability: Annotated[
        str, typer.Option(help="GPUs that TensorRT-RTX compiles for; 8.0,8.6,8.9,12.0 where left out.")
    ] = "",
    hardware_compatible: Annotated[
        bool, typer.Option("--hardware-compatible", help="TensorRT: also run on other GPUs from Ampere on.")
    ] = False,
    version_compatible: Annotated[
        bool, typer.Option("--version-compatible", help="TensorRT: also run on later versions.")
    ] = False,
    dla_core: Annotated[
        int | None, typer.Option(help="TensorRT: run on this deep learning accelerator of a Jetson.")
    ] = None,
    gpu_fallback: Annotated[
        bool, typer.Option("--gpu-fallback", help="Run on the GPU what the accelerator cannot.")
    ] = False,
    strip_weights: Annotated[
        bool,
        typer.Option("--strip-weights", help="TensorRT: leave the weights out, for loading to fill in."),
    ] = False,
    output: Annotated[Path | None, typer.Option(help="Another path for the engine.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Build although an equal engine is there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be built.")] = False,
    plan_only: Annotated[
        Path | None, typer.Option(help="Build nothing: write a recipe for the device to this JSON file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compile a graph of the bundle for one library and device."""
    config = EngineBuildConfig(
        backend=backend,
        precision=precision,
        batch=BatchProfile.parse(batch),
        workspace_mib=workspace_mib,
        optimization_level=optimization_level,
        timing_cache=timing_cache,
        compute_capabilities=tuple(word.strip() for word in compute_capability.split(",") if word.strip()),
        hardware_compatible=hardware_compatible,
        version_compatible=version_compatible,
        dla_core=dla_core,
        gpu_fallback=gpu_fallback,
        strip_weights=strip_weights,
    )
    loaded = ModelBundle.load(bundle)
    if plan_only is not None:
        _write_recipe(plan_recipe(loaded, config), plan_only, as_json=as_json)
        return
    plan = plan_engine(loaded, config, compiler_for(backend), output=output)
    if dry_run:
        _print_plan(plan, as_json)
        return
    with progress_bar() as progress:
        record = build(loaded, config, output=output, force=force, on_progress=_show(progress))
    reused = plan.up_to_date is not None and not force
    NOTES.print(f"{'up to date:' if reused else 'wrote'} {plan.engine}")
    _print_record(record, as_json)


def inspect(
    target: Annotated[Path, typer.Argument(help="A bundle, an engine, an engine's JSON file, or an ONNX graph.")],
    as_json: JsonOption = False,
) -> None:
    """Show what a bundle, an engine or a graph is."""
    if target.is_dir() or target.name == MANIFEST_NAME:
        _print_bundle(ModelBundle.load(target if target.is_dir() else target.parent), as_json)
    elif target.suffix == ".json":
        _print_record(EngineRecord.read(target), as_json)
    elif record_path(target).is_file():
        _print_record(EngineRecord.read(record_path(target)), as_json)
    elif target.suffix == ".onnx" and target.is_file():
        _print_graph(describe_graph(target), target.name, as_json)
    else:
        raise UsageError(
            f"{target} cannot be inspected", expected="a bundle, an engine with its record, or an ONNX graph"
        )


def _write_recipe(recipe: BuildRecipe, path: Path, *, as_json: bool) -> None:
    recipe.write(path)
    NOTES.print(f"wrote {path}", markup=False, soft_wrap=True)
    if as_json:
        print_json(to_mapping(recipe))
        return
    NOTES.print("On the device, with fsrfer:\n", recipe.fsrfer, markup=False, soft_wrap=True)
    NOTES.print("or in the bundle's folder, without:\n", recipe.trtexec, markup=False, soft_wrap=True)


def _show(progress: Progress) -> OnProgress:
    tasks: dict[str, Any] = {}

    def on_progress(phase: str, done: int, total: int) -> None:
        if phase not in tasks:
            tasks[phase] = progress.add_task(phase, total=total)
        progress.update(tasks[phase], completed=done, visible=done < total or len(tasks) == 1)

    return on_progress


def _print_plan(plan: EnginePlan, as_json: bool) -> None:
    fields = {
        "engine": str(plan.engine),
        "graph": str(plan.graph),
        "library_version": plan.library_version,
        "device": plan.device,
        "compute_capabilities": list(plan.compute_capabilities),
        "build_key": plan.build_key,
        "up_to_date": plan.up_to_date is not None,
    }
    if as_json:
        print_json(fields)
    else:
        print_table("would build", ("", "value"), [(key.replace("_", " "), _cell(fields[key])) for key in fields])


def _print_record(record: EngineRecord, as_json: bool) -> None:
    if as_json:
        print_json(to_mapping(record))
        return
    rows = [
        ("backend", f"{record.backend.value} {record.library_version}"),
        ("precision", record.precision.value),
        ("batch", "any" if record.backend is Backend.ONNXRUNTIME else str(record.batch)),
        ("device", record.device),
        ("compute capabilities", ", ".join(record.compute_capabilities) or "-"),
        ("platform", record.platform),
        ("built from", f"{record.source.value} {record.source_sha256[:12]}"),
        ("size", f"{record.size_bytes / 1e6:.2f} MB"),
        ("built in", f"{record.build_seconds:.2f} s, {record.created}"),
        ("built by", record.command),
    ]
    if record.int8_layers or record.not_int8_layers:
        total = len(record.int8_layers) + len(record.not_int8_layers)
        rows.append(("layers in INT8", f"{len(record.int8_layers)} of {total} that the graph quantises"))
    if record.not_int8_layers:
        rows.append(("quantised, yet not in INT8", ", ".join(record.not_int8_layers)))
    if record.on_dla or record.not_on_dla:
        rows.insert(4, ("layers on the accelerator", str(len(record.on_dla))))
        rows.insert(5, ("layers on the GPU instead", ", ".join(record.not_on_dla) or "none"))
    print_table(record.file, ("", "value"), rows)


def _print_bundle(bundle: ModelBundle, as_json: bool) -> None:
    manifest, engines = bundle.manifest, engine_records(bundle)
    if as_json:
        print_json({**to_mapping(manifest), "engines": to_mapping(engines)})
        return
    rows = [
        (artifact.path, kind, f"{artifact.size_bytes / 1e6:.2f} MB", artifact.sha256[:12])
        for kind, artifact in manifest.artifacts.items()
    ]
    rows += [
        (
            f"engines/{record.file}",
            f"{record.backend.value} {record.precision.value}",
            f"{record.size_bytes / 1e6:.2f} MB",
            record.engine_sha256[:12],
        )
        for record in engines
    ]
    print_table(f"{manifest.name}: {', '.join(manifest.labels)}", ("file", "what", "size", "sha256"), rows)


def _print_graph(description: GraphDescription, name: str, as_json: bool) -> None:
    if as_json:
        print_json(to_mapping(description))
        return
    rows: list[tuple[str, object]] = [
        *((f"input {name}", text) for name, text in description.inputs.items()),
        *((f"output {name}", text) for name, text in description.outputs.items()),
        ("opset", f"{description.opset} (IR {description.ir_version})"),
        ("operators", ", ".join(f"{count} {operator}" for operator, count in description.operators.items())),
        ("parameters", f"{description.parameters:,}"),
        ("arithmetic", "not known" if description.macs is None else f"{description.macs / 1e6:.2f} MMAC a face"),
        ("size", f"{description.size_bytes / 1e6:.2f} MB"),
    ]
    print_table(name, ("", "value"), rows)
    nodes = [
        (node.name, node.operator, node.number_format, "-" if node.macs is None else f"{node.macs / 1e6:.3f}")
        for node in description.weighted_nodes
    ]
    print_table("nodes with weights", ("name", "operator", "format", "MMAC"), nodes)


def _cell(value: object) -> str:
    return ", ".join(map(str, value)) or "-" if isinstance(value, list) else str(value)
