"""``fsrfer-export deepstream``: a model for NVIDIA's pipelines of decoded streams."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.bundle import ModelBundle
from ..core.options import Precision
from ..core.schema import to_mapping
from ..export.deepstream import DeepStreamOptions, export_deepstream
from .console import NOTES, print_json, print_table


def deepstream(
    bundle: Annotated[Path, typer.Argument(help="Bundle with a fused graph.")],
    output: Annotated[Path, typer.Option("--out", "--output", help="Folder to write.")],
    face_size: Annotated[
        float, typer.Option(min=1, help="Native face size that every face is taken for; DeepStream does not tell it.")
    ] = 12.0,
    batch: Annotated[int, typer.Option(min=1, help="Most faces in one inference.")] = 16,
    precision: Annotated[Precision, typer.Option(help="Arithmetic of the engine, fp32 or fp16.")] = Precision.FP16,
    min_face: Annotated[int, typer.Option(min=1, help="Smallest side of a box that is read, in pixels.")] = 8,
    threshold: Annotated[float, typer.Option(min=0.0, help="Probability below which a face gets no label.")] = 0.0,
    detector_id: Annotated[int, typer.Option(min=0, help="gie-unique-id of your face detector.")] = 1,
    face_class: Annotated[int, typer.Option(min=0, help="Class that it gives to faces.")] = 0,
    classifier_id: Annotated[int, typer.Option(min=0, help="gie-unique-id of the classifier.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write a graph that nvinfer can feed, its configuration, labels and a pipeline.

    Exits with 3, writing nothing, where the graph differs from the bundle's.
    """
    options = DeepStreamOptions(
        face_size_px=face_size,
        batch=batch,
        precision=precision,
        min_face_px=min_face,
        threshold=threshold,
        detector_id=detector_id,
        face_class=face_class,
        classifier_id=classifier_id,
    )
    proof = export_deepstream(ModelBundle.load(bundle), output, options)
    NOTES.print(f"wrote {output}")
    if as_json:
        print_json({"options": to_mapping(options), "proof": to_mapping(proof)})
        return
    print_table(
        "the graph for nvinfer against the bundle's",
        ("", "value"),
        [("golden faces", proof.faces), ("largest difference of a probability", f"{proof.max_error:.1e}")],
    )
