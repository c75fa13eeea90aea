"""``fsrfer-export``: from a trained bundle to graphs and engines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.bundle import ArtifactKind, ModelBundle
from ..core.schema import to_mapping
from ..datasets import open_dataset
from . import deepstream, engines, half_precision, triton, verify
from .console import NOTES, print_json, print_table
from .launch import needing_extra
from .parsing import parse_sizes

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
app.command("fp16")(half_precision.fp16)
app.command("bf16")(half_precision.bf16)
app.command("build-engine")(engines.build_engine)
app.command("deepstream")(deepstream.deepstream)
app.command("inspect")(engines.inspect)
app.command("verify")(verify.verify)
app.command("triton")(triton.triton)


@app.callback()
def _group() -> None:
    """From a trained bundle to graphs and engines."""


@app.command("onnx")
def onnx(
    bundle: Annotated[Path, typer.Argument(help="Bundle that `fsrfer-train fit` wrote.")],
    data: Annotated[str, typer.Option(help="Faces for the proof of parity, such as ferplus:PATH.")] = "procedural",
    faces: Annotated[int, typer.Option(min=1, help="How many of them.")] = 64,
    sizes: Annotated[str, typer.Option(help="Native face sizes in pixels to prove parity at.")] = "48,24,16,12,8",
    opset: Annotated[int, typer.Option(min=17, help="ONNX operator set; TensorRT 8.6 reads 17.")] = 17,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Fuse backbone, generator and classifier into one ONNX graph, and prove that it equals PyTorch's.

    Exits with 3, keeping no graph, where a logit differs by more than 0.001 or a decision differs.
    """
    with needing_extra("fsrfer-export onnx"):
        from ..export.fuse import export_onnx
    dataset = open_dataset(data, "test")
    images = [dataset[index].image for index in range(min(faces, len(dataset)))]
    stored, report = export_onnx(ModelBundle.load(bundle), images, parse_sizes(sizes), opset=opset)
    NOTES.print(f"wrote {stored.artifact_path(ArtifactKind.ONNX_FP32)}")
    if as_json:
        print_json(to_mapping(report))
        return
    rows = [
        (f"{row.face_size_px} px", row.count, f"{row.max_error:.1e}", f"{row.agreement:.2%}") for row in report.rows
    ]
    print_table(
        f"{report.candidate} against {report.reference}", ("face size", "faces", "max error", "agreement"), rows
    )


@app.command("report")
def report(
    bundle: Annotated[Path, typer.Argument(help="Bundle to describe.")],
    output: Annotated[Path, typer.Option(help="HTML file to write; it needs no other file.")],
    picture: Annotated[list[Path] | None, typer.Option(help="Picture to embed; may be given again.")] = None,
    profile: Annotated[Path | None, typer.Option(help="JSON file of `fsrfer-profile`.")] = None,
    verification: Annotated[Path | None, typer.Option(help="JSON file of `fsrfer-export verify`.")] = None,
) -> None:
    """Write one HTML page about a bundle: accuracy by face size, INT8, latency, files."""
    with needing_extra("fsrfer-export report"):
        import jinja2 as _jinja2  # noqa: F401 - named here, so that absence is told before any work
        import matplotlib as _matplotlib  # noqa: F401

        from ..export.report import ReportPicture, ReportTable, write_report
    write_report(
        ModelBundle.load(bundle),
        output,
        pictures=[ReportPicture.read(path) for path in picture or ()],
        profile=None if profile is None else ReportTable.of_profile(profile),
        verification=None if verification is None else ReportTable.of_verification(verification),
    )
    NOTES.print(f"wrote {output}")
