"""``fsrfer-calibrate``: what a bundle learns from data after training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..calibration import Int8Config, QuantizationReport, RangeMethod, calibrate_int8
from ..core.bundle import ArtifactKind, ModelBundle
from ..core.errors import BundleError
from ..core.schema import from_mapping
from ..datasets import open_dataset
from . import sensitivity, temperature
from .calibration_data import choose_method, test_faces_of
from .console import NOTES, print_json, print_table
from .parsing import parse_sizes

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
app.command("sensitivity")(sensitivity.sensitivity)
app.command("temperature")(temperature.temperature)


@app.callback()
def _group() -> None:
    """What a bundle learns from data after training."""


@app.command("int8")
def int8(
    bundle: Annotated[Path, typer.Argument(help="Bundle with a fused graph.")],
    data: Annotated[str, typer.Option(help="Faces like those that the model will meet, such as ferplus:PATH.")],
    split: Annotated[str, typer.Option(help="Split of these faces.")] = "train",
    samples: Annotated[int, typer.Option(min=1, help="Faces to measure ranges on.")] = 512,
    held_out: Annotated[int, typer.Option(min=1, help="Other faces to check the result on.")] = 256,
    sizes: Annotated[str, typer.Option(help="Native face sizes in pixels, in equal shares.")] = "48,32,24,16,12,8",
    method: Annotated[RangeMethod | None, typer.Option(help="How ranges are found.  [default: mse]")] = None,
    percentile: Annotated[
        float | None, typer.Option(help="Part of the values inside the range, in percent; for the method percentile.")
    ] = None,
    keep_fp32: Annotated[
        list[str] | None,
        typer.Option(help="Regular expression: nodes whose names contain a match stay in float; may be given again."),
    ] = None,
    min_agreement: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Fraction of held-out faces on which INT8 must decide as FP32.")
    ] = 0.9,
    seed: Annotated[int, typer.Option(min=0, help="Key of the draw of faces.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Make an INT8 graph for TensorRT and one for CPUs from one calibration, and check both.

    Exits with 3, storing nothing, where an INT8 graph decides differently from FP32 too often.
    """
    chosen, inside = choose_method(method, percentile)
    config = Int8Config(
        samples=samples,
        held_out=held_out,
        sizes=parse_sizes(sizes),
        method=chosen,
        percentile=inside,
        seed=seed,
        keep_float=tuple(keep_fp32 or ()),
        min_agreement=min_agreement,
    )
    dataset = open_dataset(data, split)
    stored = calibrate_int8(ModelBundle.load(bundle), dataset, config, test_faces=test_faces_of(data, split))
    for kind in (ArtifactKind.ONNX_INT8_TENSORRT, ArtifactKind.ONNX_INT8_CPU):
        NOTES.print(f"wrote {stored.artifact_path(kind)}")
    calibration = stored.manifest.calibration or {}
    if as_json:
        print_json(calibration)
    else:
        _print_report(from_mapping(QuantizationReport, calibration, where=str(bundle), error=BundleError))


def _print_report(report: QuantizationReport) -> None:
    rows = [
        (
            name,
            f"{graph.size_bytes / 1e6:.2f} MB",
            f"{graph.quantized} of {graph.quantized + len(graph.float_nodes)}",
            f"{graph.logits_sqnr_db} dB",
            f"{graph.agreement:.2%}",
        )
        for name, graph in (("TensorRT", report.tensorrt), ("CPU", report.cpu))
    ]
    columns = ("INT8 for", "size", "layers in INT8", "SQNR of logits", "same expression as FP32")
    print_table(f"checked on {report.checked_on.samples} held-out faces", columns, rows)
    by_size = [
        (f"{size} px", f"{report.tensorrt.agreement_by_size[size]:.2%}", f"{share:.2%}")
        for size, share in sorted(report.cpu.agreement_by_size.items(), key=lambda item: -int(item[0]))
    ]
    print_table("same expression as FP32", ("face size", "TensorRT", "CPU"), by_size)
