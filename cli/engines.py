"""Commands of ``fsrfer-export`` that need no PyTorch: engines, looking into files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from ..core.bundle import MANIFEST_NAME, ModelBundle
from ..core.errors import UsageError
from ..core.options import Backend, Precision
from ..core.schema import to_mapping
from ..export.build_engine import build_engine as build
from ..export.build_engine import compiler_for, plan_engine
from ..export.build_recipe import BuildRecipe, plan_recipe
from ..export.dry_run import dry_run as run_dry
from ..export.engine_compiler import OnProgress
from ..export.engine_config import EngineBuildConfig
from ..export.inspect_graph import describe_graph
from ..runtime.engine_record import BatchProfile, EngineRecord, record_path
from .console import NOTES, print_json, progress_bar
from .engine_tables import print_bundle, print_dry_run, print_graph, print_record

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
        int | None, typer.Option(help="TensorRT, FP16: run on this deep learning accelerator of a Jetson.")
    ] = None,
    gpu_fallback: Annotated[
        bool, typer.Option("--gpu-fallback", help="Run on the GPU what the accelerator cannot.")
    ] = False,
    strip_weights: Annotated[
        bool,
        typer.Option("--strip-weights", help="TensorRT: leave the weights out, for loading to fill in."),
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="Another path for the engine; with --plan-only, on the device.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Build although an equal engine is there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Parse the graph and say what would be built.")] = False,
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
        _refuse_with_recipe({"--dry-run": dry_run, "--force": force})
        _write_recipe(plan_recipe(loaded, config, output=output), plan_only, as_json=as_json)
        return
    if dry_run:
        print_dry_run(run_dry(loaded, config, output=output), config, as_json=as_json)
        return
    plan = plan_engine(loaded, config, compiler_for(backend), output=output)
    with progress_bar() as progress:
        record = build(loaded, config, output=output, force=force, on_progress=_show(progress))
    reused = plan.up_to_date is not None and not force
    NOTES.print(f"{'up to date:' if reused else 'wrote'} {plan.engine}")
    print_record(record, as_json=as_json)


def inspect(
    target: Annotated[Path, typer.Argument(help="A bundle, an engine, an engine's JSON file, or an ONNX graph.")],
    as_json: JsonOption = False,
) -> None:
    """Show what a bundle, an engine or a graph is."""
    if target.is_dir() or target.name == MANIFEST_NAME:
        print_bundle(ModelBundle.load(target if target.is_dir() else target.parent), as_json=as_json)
    elif target.suffix == ".json":
        print_record(EngineRecord.read(target), as_json=as_json)
    elif record_path(target).is_file():
        print_record(EngineRecord.read(record_path(target)), as_json=as_json)
    elif target.suffix == ".onnx" and target.is_file():
        print_graph(describe_graph(target), target.name, as_json=as_json)
    else:
        raise UsageError(
            f"{target} cannot be inspected", expected="a bundle, an engine with its record, or an ONNX graph"
        )


def _refuse_with_recipe(given: dict[str, bool]) -> None:
    meaningless = [option for option, is_given in given.items() if is_given]
    if meaningless:
        raise UsageError(
            f"--plan-only builds nothing, so {', '.join(meaningless)} would say nothing", fix="leave it out"
        )


def _write_recipe(recipe: BuildRecipe, path: Path, *, as_json: bool) -> None:
    recipe.write(path)
    NOTES.print(f"wrote {path}", markup=False, soft_wrap=True)
    if as_json:
        print_json(to_mapping(recipe))
        return
    NOTES.print("On the device, with fsrfer:\n", recipe.fsrfer, markup=False, soft_wrap=True)
    NOTES.print("or in the bundle's folder, by TensorRT 10 or later:\n", recipe.trtexec, markup=False, soft_wrap=True)
    oldest = recipe.trtexec_8_6 or "not possible"
    NOTES.print("or by TensorRT 8.6 (JetPack 6.0):\n", oldest, markup=False, soft_wrap=True)


def _show(progress: Progress) -> OnProgress:
    tasks: dict[str, Any] = {}

    def on_progress(phase: str, done: int, total: int) -> None:
        if phase not in tasks:
            tasks[phase] = progress.add_task(phase, total=total)
        progress.update(tasks[phase], completed=done, visible=done < total or len(tasks) == 1)

    return on_progress
