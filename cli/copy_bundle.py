"""``fsrfer copy-bundle``: the model that comes with fsrfer, to work on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from ..core.bundle import ModelBundle
from ..core.errors import UsageError
from ..runtime.shipped import default_bundle_path
from .console import NOTES

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def copy_bundle(
    output: Annotated[Path, typer.Argument(help="Folder to make; it must not be there yet.")],
) -> None:
    """Copy the model that comes with fsrfer, to build engines from it, calibrate it anew or train on."""
    source = default_bundle_path()
    ModelBundle.load(source)
    if output.exists():
        raise UsageError(f"{output} is there already", expected="the name of a new folder", fix="name another one")
    partial = output.with_name(output.name + ".partial")
    if partial.exists():
        shutil.rmtree(partial)
    shutil.copytree(source, partial)
    partial.rename(output)
    NOTES.print(f"wrote {output}", markup=False, soft_wrap=True)
