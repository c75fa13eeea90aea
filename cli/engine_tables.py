"""Tables of ``fsrfer-export``: what a build would do, engines, bundles, graphs."""

from __future__ import annotations

from typing import Any

from ..core.bundle import ModelBundle
from ..core.options import Backend, Precision
from ..core.schema import to_mapping
from ..export.dry_run import DryRun
from ..export.engine_config import EngineBuildConfig
from ..export.inspect_graph import GraphDescription
from ..runtime.engine_record import EngineRecord, engine_records
from .console import NOTES, print_json, print_table

Row = tuple[str, object]


def print_dry_run(found: DryRun, config: EngineBuildConfig, *, as_json: bool) -> None:
    """Print what a build would do; what was not checked goes to stderr as well."""
    plan, reading = found.plan, found.reading
    fields: dict[str, Any] = {
        "engine": None if plan is None else str(plan.engine),
        "graph": str(found.graph),
        "precision": config.precision.value,
        "library_version": None if plan is None else plan.library_version,
        "device": None if plan is None else plan.device,
        "compute_capabilities": [] if plan is None else list(plan.compute_capabilities),
        "build_key": None if plan is None else plan.build_key,
        "up_to_date": plan is not None and plan.up_to_date is not None,
        "parsed_by": reading.parser,
        "inputs": reading.inputs,
        "profiles": to_mapping(reading.profiles),
        "layers": reading.layers,
        "number_formats": reading.number_formats,
        "not_checked": found.unchecked or None,
    }
    if as_json:
        print_json(fields)
    else:
        rows: list[Row] = [(key.replace("_", " "), _cell(value)) for key, value in fields.items()]
        print_table("would build", ("", "value"), rows)
    if found.unchecked:
        NOTES.print(f"{config.backend.value} has not read the graph: {found.unchecked}", markup=False, soft_wrap=True)


def print_record(record: EngineRecord, *, as_json: bool) -> None:
    """Print what an engine is."""
    if as_json:
        print_json(to_mapping(record))
        return
    rows: list[Row] = [
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
    if record.on_dla or record.not_on_dla:
        rows.insert(4, ("layers on the accelerator", str(len(record.on_dla))))
        rows.insert(5, ("layers on the GPU instead", ", ".join(record.not_on_dla) or "none"))
    print_table(record.file, ("", "value"), [*rows, *_quantisation(record)])


def _quantisation(record: EngineRecord) -> list[Row]:
    """Say where the quantisation of the graph went; nothing for engines that have none, or that list no layers."""
    if record.precision is not Precision.INT8 or record.backend is Backend.ONNXRUNTIME:
        return []
    if record.unaccounted is None:
        return [("layers in INT8", "not accounted for: the build log lists no layers")]
    total = len(record.int8_layers) + len(record.not_int8_layers)
    rows: list[Row] = [("layers in INT8", f"{len(record.int8_layers)} of {total} that the graph quantises")]
    if record.not_int8_layers:
        rows.append(("quantised, yet not in INT8", ", ".join(record.not_int8_layers)))
    rows.append(("Q/DQ nodes not accounted for", ", ".join(record.unaccounted) or "none"))
    return rows


def print_bundle(bundle: ModelBundle, *, as_json: bool) -> None:
    """Print the files of a bundle."""
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


def print_graph(description: GraphDescription, name: str, *, as_json: bool) -> None:
    """Print what is in a graph."""
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
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_cell(item)}" for key, item in value.items()) or "-"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return "-" if value is None else str(value)
