"""``fsrfer-calibrate sensitivity``: which layers INT8 harms, and the mix that keeps a model accurate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..calibration import CalibrationSet, Int8Config, RangeMethod, calibrate_int8
from ..calibration.int8_builder import Int8Builder
from ..calibration.judging import Int8Judge
from ..calibration.mix_speed import speed_ratio
from ..calibration.mixed_precision import MixSearch, search_mix
from ..calibration.onnx_packages import import_onnx
from ..calibration.sensitivity import LayerSensitivity, rank_layers
from ..core.bundle import ArtifactKind, GraphSpec, ModelBundle
from ..core.errors import UsageError
from ..core.files import write_json
from ..core.provenance import installed_versions
from ..core.schema import to_mapping
from ..datasets import SPEC_FORMS, Track, evenly_spread, open_dataset
from .calibration_data import choose_method, test_faces_of
from .console import NOTES, command_line, note_resolution, print_json, print_table, progress_bar
from .launch import needing_extra
from .parsing import parse_sizes

if TYPE_CHECKING:
    from ..core.fidelity import FidelityReport


class Target(str, Enum):
    """What the INT8 graph is for."""

    CPU = "cpu"
    TENSORRT = "tensorrt"

    @property
    def kind(self) -> ArtifactKind:
        """The graph of the bundle."""
        return ArtifactKind.ONNX_INT8_CPU if self is Target.CPU else ArtifactKind.ONNX_INT8_TENSORRT


def sensitivity(
    bundle: Annotated[Path, typer.Argument(help="Bundle with a fused graph.")],
    data: Annotated[str, typer.Option(help=f"Labelled faces: {', '.join(SPEC_FORMS)}.")],
    split: Annotated[str, typer.Option(help="Split that ranges are measured on.")] = "train",
    check_split: Annotated[str, typer.Option(help="Split that the damage is measured on.")] = "valid",
    samples: Annotated[int, typer.Option(min=1, help="Faces to measure ranges on.")] = 512,
    ranked_on: Annotated[int, typer.Option(min=1, help="Faces to rank the layers on.")] = 256,
    judged_on: Annotated[
        int, typer.Option(min=1, help="Most faces to judge mixes on; they are kept in memory.")
    ] = 4000,
    sizes: Annotated[str, typer.Option(help="Native face sizes in pixels.")] = "48,24,16,12,8",
    method: Annotated[RangeMethod | None, typer.Option(help="How ranges are found.  [default: mse]")] = None,
    percentile: Annotated[
        float | None, typer.Option(help="Part of the values inside the range, in percent; for the method percentile.")
    ] = None,
    target: Annotated[Target, typer.Option(help="Whose INT8 graph is looked at.")] = Target.CPU,
    keep_fp32: Annotated[
        list[str] | None,
        typer.Option(help="Regular expression: nodes whose names contain a match stay in float; may be given again."),
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(min=0.0, help="Find the fewest layers in float that lose no more points at any face size."),
    ] = None,
    store: Annotated[bool, typer.Option("--store", help="Store the INT8 graphs of that mix in the bundle.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Key of the draw of faces.")] = 0,
    output: Annotated[Path | None, typer.Option(help="Folder for sensitivity.json and sensitivity.png.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Rank the layers by the damage that INT8 does to each, and find the mix that keeps every face size accurate.

    Each layer is quantised alone. With --max-drop, the most harmful ones are left in floating point until no face size
    loses more than that; exits with 3 where that cannot be had.
    """
    if store and max_drop is None:
        raise UsageError("--store keeps the mix that --max-drop finds, and none is looked for", fix="give --max-drop")
    if output is not None:
        with needing_extra("fsrfer-calibrate sensitivity --output"):
            import matplotlib as _matplotlib  # noqa: F401 - named here, so that absence is told before any work
    loaded = ModelBundle.load(bundle)
    wanted = parse_sizes(sizes)
    chosen, inside = choose_method(method, percentile)
    config = Int8Config(
        samples=samples,
        sizes=wanted,
        method=chosen,
        percentile=inside,
        seed=seed,
        keep_float=tuple(keep_fp32 or ()),
    )
    spec, graph = loaded.manifest.preprocess, loaded.manifest.graph
    # The very draw of `int8`, so that what is judged is what --store stores.
    measured, _ = CalibrationSet.draw_with_held_out(
        open_dataset(data, split),
        spec,
        samples=samples,
        held_out=config.held_out,
        sizes=wanted,
        seed=seed,
        test_faces=test_faces_of(data, split),
    )
    checked = open_dataset(data, check_split)
    ranked = CalibrationSet.draw(checked, spec, samples=ranked_on, sizes=wanted, seed=seed)
    source = import_onnx().load(loaded.artifact_path(ArtifactKind.ONNX_FP32))
    builder = Int8Builder.measured(source, graph, measured, config)
    with progress_bar() as bars:
        task = bars.add_task("quantising each layer alone", total=len(builder.layers(target.kind)))
        ranking = rank_layers(
            builder, target.kind, graph, ranked, lambda done, total: bars.update(task, completed=done, total=total)
        )
    found = times_fp32 = None
    if max_drop is not None:
        judged = evenly_spread(checked, judged_on)
        note_resolution(len(judged), max_drop)
        judge = Int8Judge(builder.model, loaded.manifest, target.kind, judged, wanted)
        found = _search(builder, target, ranking, judge, max_drop)
        times_fp32 = _times_fp32(builder, target, graph, ranked, found)
    result = {
        "command": command_line(),
        "versions": installed_versions(),
        "target": target.value,
        "calibrated_on": to_mapping(measured.manifest),
        "ranked_on": to_mapping(ranked.manifest),
        "track": Track.CLEAN.protocol,
        "layers": [{**to_mapping(layer), "worst": layer.worst} for layer in ranking],
        "max_drop_points": max_drop,
        "mix": None if found is None else to_mapping(found),
        "times_fp32_speed": times_fp32,
    }
    if output is not None:
        _write(output, result, ranking, found)
    if as_json:
        print_json(result)
    else:
        _show(ranking, found)
        _show_speed(times_fp32)
    if store and found is not None:
        _store(loaded, data, split, config, found)


def _search(
    builder: Int8Builder, target: Target, ranking: Sequence[LayerSensitivity], judge: Int8Judge, max_drop: float
) -> MixSearch:
    with progress_bar() as bars:
        task = bars.add_task("judging mixes", total=None)

        def judged(kept: frozenset[str]) -> FidelityReport:
            report = judge.compare(builder.build(target.kind, kept), f"INT8, {len(kept)} layers in float")
            bars.advance(task)
            return report

        return search_mix(ranking, judged, max_drop / 100)


def _times_fp32(
    builder: Int8Builder, target: Target, graph: GraphSpec, faces: CalibrationSet, found: MixSearch
) -> dict[str, float] | None:
    """Measure all layers in INT8 and the mix beside FP32; None for TensorRT's graph, which is slow on a processor."""
    if target is Target.TENSORRT:
        return None
    feed = next(faces.feeds(graph, batch_size=32))
    graphs = {"all INT8": builder.build(target.kind), "this mix": builder.build(target.kind, found.kept_float)}
    return {name: round(speed_ratio(candidate, builder.model, feed), 2) for name, candidate in graphs.items()}


def _store(bundle: ModelBundle, data: str, split: str, config: Int8Config, found: MixSearch) -> None:
    kept = (*config.keep_float, *(f"^{re.escape(name)}$" for name in found.kept_float))
    stored = calibrate_int8(
        bundle, open_dataset(data, split), replace(config, keep_float=kept), test_faces=test_faces_of(data, split)
    )
    for kind in (ArtifactKind.ONNX_INT8_TENSORRT, ArtifactKind.ONNX_INT8_CPU):
        NOTES.print(f"wrote {stored.artifact_path(kind)}", markup=False, soft_wrap=True)


def _write(folder: Path, result: dict[str, Any], ranking: Sequence[LayerSensitivity], found: MixSearch | None) -> None:
    from ..calibration.sensitivity_plot import draw_sensitivity

    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "sensitivity.json", result)
    draw_sensitivity(ranking, found.kept_float if found else (), folder / "sensitivity.png")
    NOTES.print(f"wrote {folder}/sensitivity.json and sensitivity.png", markup=False, soft_wrap=True)


def _show(ranking: Sequence[LayerSensitivity], found: MixSearch | None) -> None:
    sizes = tuple(ranking[0].damage_by_size)
    rows = [
        (
            layer.name,
            layer.role.value,
            f"{layer.parameters:,}",
            *(f"{1e3 * layer.damage_by_size[s]:.2f}" for s in sizes),
        )
        for layer in ranking
    ]
    columns = ("layer", "part", "weights", *(f"{size} px" for size in sizes))
    print_table("damage of INT8 in each layer alone: divergence in thousandths of a nat", columns, rows)
    if found is None:
        return
    trials = [
        (
            len(trial.kept_float),
            f"{100 * trial.worst_drop:+.2f} at {trial.worst_size_px} px",
            "yes" if trial.within else "no",
        )
        for trial in found.trials
    ]
    print_table("mixes", ("layers in float", "points lost at the worst size", "within"), trials)
    rows = [
        (
            f"{band.face_size_px} px",
            *(
                ("no data",) * 4
                if (one := band.overall) is None
                else (
                    f"{one.reference_accuracy:.2%}",
                    f"{one.candidate_accuracy:.2%}",
                    f"{100 * one.drop.value:+.2f}",
                    f"{100 * one.drop.low:+.2f} to {100 * one.drop.high:+.2f}",
                )
            ),
        )
        for band in found.fidelity.bands
    ]
    title = f"kept in float: {', '.join(found.kept_float) or 'nothing'}"
    print_table(title, ("face size", "FP32", "this mix", "points lost", "95 %"), rows)


def _show_speed(times_fp32: dict[str, float] | None) -> None:
    if times_fp32 is not None:
        rows = [(name, f"{times:.2f}") for name, times in times_fp32.items()]
        print_table("speed, one thread of this processor", ("graph", "times FP32"), rows)
