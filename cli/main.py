"""The group ``fsrfer`` and the entry points of its sub-commands, each also a script of its own.

A sub-command's module is imported only when that command runs: ``fsrfer-run`` must start where PyTorch is not
installed, and fast.
"""

from __future__ import annotations

from typing import Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from ..core.provenance import package_version
from .launch import launch, load_app

_SUMMARIES = {
    "train": "Train models and evaluate them by face size.",
    "export": "Fuse a model to ONNX, convert its precision, build engines.",
    "calibrate": "Make INT8 graphs and confidence calibration from data.",
    "run": "Classify the faces of cameras, streams, files and pictures.",
    "profile": "Measure latency and throughput.",
    "doctor": "Show what this machine has, and what is missing for which command.",
    "copy-bundle": "Copy the model that comes with fsrfer, to work on it.",
    "draw": "Draw the embedded faces and crowd clips.",
    "demo": "Run the whole chain on the embedded data set.",
}


class _LazyGroup(TyperGroup):
    # Signatures are those of the base class.
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(_SUMMARIES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in _SUMMARIES:
            return None
        command = get_command(load_app(cmd_name.replace("-", "_")))
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_SUMMARIES.items()))


app = typer.Typer(cls=_LazyGroup, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def fsrfer(
    version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    """Facial expression recognition for small faces: train, fuse, quantise, build engines, serve, profile."""
    if version:
        typer.echo(f"fsrfer {package_version('fsrfer')}")
        raise typer.Exit


def main() -> NoReturn:
    """Run ``fsrfer``."""
    launch("main")


def train() -> NoReturn:
    """Run ``fsrfer-train``."""
    launch("train")


def export() -> NoReturn:
    """Run ``fsrfer-export``."""
    launch("export")


def calibrate() -> NoReturn:
    """Run ``fsrfer-calibrate``."""
    launch("calibrate")


def run() -> NoReturn:
    """Run ``fsrfer-run``."""
    launch("run")


def profile() -> NoReturn:
    """Run ``fsrfer-profile``."""
    launch("profile")
