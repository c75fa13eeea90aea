"""``fsrfer-profile``: latency and throughput."""

from __future__ import annotations

import typer

from . import profile_capacity, profile_model, profile_pipeline, profile_scenario
from .default_group import DefaultGroup

app = typer.Typer(cls=DefaultGroup, no_args_is_help=True, add_completion=False, rich_markup_mode=None)
app.command("model")(profile_model.model)  # the first one: it runs where none is named
app.command("pipeline")(profile_pipeline.pipeline)
app.command("capacity")(profile_capacity.capacity)
app.command("scenario")(profile_scenario.scenario)


@app.callback()
def _group() -> None:
    """Measure latency and throughput."""
