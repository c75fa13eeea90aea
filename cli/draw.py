"""``fsrfer draw``: the embedded faces and crowd clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cv2
import typer

from ..core.files import write_bytes
from ..datasets import open_dataset
from ..datasets.contact_sheet import contact_sheet
from ..datasets.procedural import CrowdClip, write_clip, write_ground_truth
from .console import NOTES

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Draw the embedded faces and crowd clips. They are for trying things out, and no evidence of accuracy."""


@app.command("faces")
def faces(
    output: Annotated[Path, typer.Argument(help="Picture to write (.png).")],
    count: Annotated[int, typer.Option(min=1, max=1000, help="Number of faces.")] = 42,
    size: Annotated[int, typer.Option(min=8, max=512, help="Side of each face in pixels.")] = 96,
    columns: Annotated[int, typer.Option(min=1, help="Faces in a row.")] = 14,
    seed: Annotated[int, typer.Option(min=0, help="Which faces.")] = 0,
) -> None:
    """Draw a sheet of procedural faces, each with its expression."""
    dataset = open_dataset(f"procedural?seed={seed}&count={count}&size={size}", "train")
    samples = [dataset[index] for index in range(count)]
    sheet = contact_sheet(
        [sample.image for sample in samples], columns, [dataset.labels[sample.label] for sample in samples]
    )
    encoded = cv2.imencode(output.suffix or ".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1]
    write_bytes(output, encoded.tobytes())
    NOTES.print(f"wrote {output}")


@app.command("clip")
def clip(
    output: Annotated[Path, typer.Argument(help="Clip to write (.mp4); its ground truth goes beside it (.jsonl).")],
    seed: Annotated[int, typer.Option(min=0, help="Which crowd.")] = 0,
) -> None:
    """Draw a crowd of small moving faces, and write where each face is and what it shows."""
    crowd = CrowdClip(seed=seed)
    write_clip(crowd, output)
    truth = output.with_suffix(".jsonl")
    write_ground_truth(crowd, truth)
    NOTES.print(f"wrote {output} ({crowd.frame_count} frames) and {truth}")
