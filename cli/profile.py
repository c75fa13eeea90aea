"""``fsrfer-profile``: latency and throughput.

Comparing two files or printing their schema loads nothing that measures.
"""

from __future__ import annotations

import typer

from .lazy_group import LazyDefaultGroup


class _Commands(LazyDefaultGroup):
    prefix = "profile_"
    summaries = {  # noqa: RUF012 (a ClassVar of the base class)
        "model": "Latency and throughput of graphs.",
        "layers": "Where a graph's time goes; roofline.",
        "pipeline": "Where the time of frames goes.",
        "capacity": "How many cameras this machine carries.",
        "scenario": "The loads of MLPerf on a classifier.",
        "engine": "An engine of TensorRT on a GPU.",
        "diff": "Faster, slower, or noise.",
        "schema": "JSON Schema of the files.",
    }


app = typer.Typer(cls=_Commands, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Measure latency and throughput."""
