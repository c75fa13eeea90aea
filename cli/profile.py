"""``fsrfer-profile``: latency and throughput."""

from __future__ import annotations

import typer

from ..runtime.profiling.report_file import profile_schema
from . import profile_diff, profile_engine, profile_layers, profile_model
from .console import print_json
from .default_group import DefaultGroup

app = typer.Typer(cls=DefaultGroup, no_args_is_help=True, add_completion=False, rich_markup_mode=None)
app.command("model")(profile_model.model)  # the first one: it runs where none is named
app.command("layers")(profile_layers.layers)
app.command("engine")(profile_engine.engine)
app.command("diff")(profile_diff.diff)


@app.callback()
def _group() -> None:
    """Measure latency and throughput."""


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of the files that `model` and `layers` write."""
    print_json(profile_schema())
