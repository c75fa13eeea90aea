"""``fsrfer-export fp16`` and ``bf16``: the fused graph in 16 bits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..calibration import CalibrationSet
from ..core.bundle import ArtifactKind, ModelBundle
from ..core.schema import to_mapping
from ..datasets import open_dataset
from ..export.bfloat16 import export_bfloat16
from ..export.float16 import LARGEST_HALF, Float16Report, export_float16
from .console import NOTES, print_json, print_table
from .parsing import parse_sizes

BundleArgument = Annotated[Path, typer.Argument(help="Bundle with a fused graph.")]
DataOption = Annotated[
    str | None, typer.Option(help="Faces to look for overflow and compare decisions on, such as ferplus:PATH.")
]
SplitOption = Annotated[str, typer.Option(help="Split of these faces.")]
SamplesOption = Annotated[int, typer.Option(min=1, help="How many of them.")]
SizesOption = Annotated[str, typer.Option(help="Native face sizes in pixels.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Key of their draw.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

_SIZES = "48,32,24,16,12,8"


def fp16(
    bundle: BundleArgument,
    data: DataOption = None,
    split: SplitOption = "valid",
    samples: SamplesOption = 256,
    sizes: SizesOption = _SIZES,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Convert the fused graph to half precision, leaving in float32 what that would harm."""
    loaded = ModelBundle.load(bundle)
    stored, report = export_float16(loaded, _faces(loaded, data, split, samples, sizes, seed))
    NOTES.print(f"wrote {stored.artifact_path(ArtifactKind.ONNX_FP16)}")
    if as_json:
        print_json(to_mapping(report))
        return
    rows: list[tuple[str, object]] = [
        ("nodes in float16", report.float16_nodes),
        ("nodes in float32", len(report.float32_nodes)),
        ("of these for overflow", len(report.overflowing)),
        ("weights that vanish", report.vanishing_weights),
        *_compared(report.logits_sqnr_db, report.agreement),
    ]
    print_table("half precision", ("", "value"), rows)
    kept = [
        (name, "overflow" if name in report.overflowing else "precision", _magnitude(report, name))
        for name in report.float32_nodes
    ]
    print_table(f"kept in float32 (half precision ends at {LARGEST_HALF:g})", ("node", "for", "largest value"), kept)
    half = [name for name in report.largest if name not in report.float32_nodes]
    if half:
        top = max(half, key=report.largest.__getitem__)
        NOTES.print(f"largest value in half precision: {report.largest[top]:g}, at {top}", markup=False, soft_wrap=True)


def bf16(
    bundle: BundleArgument,
    data: DataOption = None,
    split: SplitOption = "valid",
    samples: SamplesOption = 256,
    sizes: SizesOption = _SIZES,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Convert the fused graph to bfloat16: the range of float32, for TensorRT 10 on GPUs from Ampere on."""
    loaded = ModelBundle.load(bundle)
    stored, report = export_bfloat16(loaded, _faces(loaded, data, split, samples, sizes, seed))
    NOTES.print(f"wrote {stored.artifact_path(ArtifactKind.ONNX_BF16)}")
    if as_json:
        print_json(to_mapping(report))
        return
    rows: list[tuple[str, object]] = [
        ("nodes in bfloat16", report.bfloat16_nodes),
        ("nodes in float32", len(report.float32_nodes)),
        *_compared(report.logits_sqnr_db, report.agreement),
    ]
    print_table("bfloat16, its rounding in float32 arithmetic", ("", "value"), rows)


def _magnitude(report: Float16Report, node: str) -> str:
    return f"{report.largest[node]:g}" if node in report.largest else "not measured"


def _faces(
    bundle: ModelBundle, data: str | None, split: str, samples: int, sizes: str, seed: int
) -> CalibrationSet | None:
    if data is None:
        return None
    return CalibrationSet.draw(
        open_dataset(data, split), bundle.manifest.preprocess, samples=samples, sizes=parse_sizes(sizes), seed=seed
    )


def _compared(noise_db: float | None, agreement: float | None) -> list[tuple[str, object]]:
    return [
        ("SQNR of the logits", "not measured" if noise_db is None else f"{noise_db} dB"),
        ("same expression as FP32", "not measured" if agreement is None else f"{agreement:.2%}"),
    ]
