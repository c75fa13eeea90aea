"""``fsrfer demo``: the whole chain on the embedded data set, every command shown as it runs."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import FsrferError
from .console import NOTES

app = typer.Typer(no_args_is_help=False, add_completion=False, rich_markup_mode=None)


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder for everything that the demo makes.")] = Path("demo-output"),
) -> None:
    """Train, fuse, calibrate, build, run and profile a small model on drawn faces, in a few minutes.

    It shows how the parts fit together; its accuracy is that on drawings. Run it again and it goes on where it was.
    """
    started = time.monotonic()
    for title, command in _steps(output):
        NOTES.print(f"\n[bold]{title}[/bold]\n[cyan]$ {shlex.join(command)}[/cyan]")
        _run(command)
    NOTES.print(f"\n[bold]Done in {time.monotonic() - started:.0f} s.[/bold] Look at:")
    for name, what in _RESULTS.items():
        NOTES.print(f"  {output / name}  {what}")


_RESULTS = {
    "report.html": "the model, its accuracy by face size, its latency",
    "full-size-and-small-faces.png": "the same faces at full size, small, and small with features super-resolved",
    "crowd-annotated.mp4": "a crowd clip with what the model reads",
    "crowd-results.jsonl": "the same as JSON lines",
    "bundle": "the model bundle: use it with fsrfer-run",
}


def _steps(output: Path) -> list[tuple[str, list[str]]]:
    """Return each step's title and command, paths included."""
    bundle, clip = str(output / "bundle"), str(output / "crowd.mp4")
    picture = str(output / "full-size-and-small-faces.png")
    profile = str(output / "profile.json")
    run = ["fsrfer-run", clip, "--bundle", bundle, "--precision", "int8", "--engine"]
    run += ["--detector", f"boxes:{output / 'crowd.jsonl'}", "--annotated", str(output / "crowd-annotated.mp4")]
    run += ["--output", str(output / "crowd-results.jsonl")]
    return [
        ("Train on the embedded faces", ["fsrfer-train", "fit", "--recipe", "demo", "--output", bundle]),
        ("Fuse backbone, generator and classifier into one graph", ["fsrfer-export", "onnx", bundle]),
        ("Calibrate INT8", ["fsrfer-calibrate", "int8", bundle, "--data", "procedural"]),
        (
            "Build an engine for this CPU",
            ["fsrfer-export", "build-engine", bundle, "--backend", "onnxruntime", "--precision", "int8"],
        ),
        ("Evaluate three implementations", ["fsrfer-train", "evaluate", bundle, "--runners", "pytorch,fp32,int8"]),
        ("Draw a crowd", ["fsrfer", "draw", "clip", clip]),
        ("Read the crowd's faces", run),
        ("Measure latency", ["fsrfer-profile", bundle, "--batch", "1,32", "--seconds", "1", "--json", profile]),
        ("Show what super-resolution changes", ["fsrfer-train", "showcase", bundle, "--output", picture]),
        (
            "Write the report",
            [
                *("fsrfer-export", "report", bundle, "--output", str(output / "report.html")),
                *("--picture", picture, "--profile", profile),
            ],
        ),
    ]


def _run(command: list[str]) -> None:
    # The scripts beside this interpreter, and not whatever the search path finds first.
    script = Path(sys.executable).with_name(command[0])
    done = subprocess.run([str(script), *command[1:]], check=False)
    if done.returncode != 0:
        raise FsrferError(
            f"`{shlex.join(command)}` ended with exit code {done.returncode}",
            fix="read its error above, then run it again",
        )
