"""``fsrfer-profile``: latency and throughput."""

from __future__ import annotations

import typer

from ..runtime.profiling.report_file import profile_schema
from . import (
    profile_capacity,
    profile_diff,
    profile_engine,
    profile_layers,
    profile_model,
    profile_pipeline,
    profile_scenario,
)
from .console import print_json
from .default_group import DefaultGroup

app = typer.Typer(cls=DefaultGroup, no_args_is_help=True, add_completion=False, rich_markup_mode=None)
# The first one runs where none is named.
app.command("model", short_help="Latency and throughput of graphs.")(profile_model.model)
app.command("layers", short_help="Where a graph's time goes; roofline.")(profile_layers.layers)
app.command("pipeline", short_help="Where the time of frames goes.")(profile_pipeline.pipeline)
app.command("capacity", short_help="How many cameras this machine carries.")(profile_capacity.capacity)
app.command("scenario", short_help="The loads of MLPerf on a classifier.")(profile_scenario.scenario)
app.command("engine", short_help="An engine of TensorRT on a GPU.")(profile_engine.engine)
app.command("diff", short_help="Faster, slower, or noise.")(profile_diff.diff)


@app.callback()
def _group() -> None:
    """Measure latency and throughput."""


@app.command("schema", short_help="JSON Schema of the files.")
def schema() -> None:
    """Print the JSON Schema of the files that `model`, `layers` and `engine` write."""
    print_json(profile_schema())
