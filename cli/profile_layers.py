"""``fsrfer-profile layers``: where the time of a graph goes, and how far that is from what the machine could do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.bundle import ModelBundle
from ..core.files import write_json
from ..core.options import Precision
from ..core.schema import to_mapping
from .console import NOTES, print_json, progress_bar
from .launch import needing_extra
from .layer_tables import print_layers
from .profile_parsing import describe_machine, describe_watch, parse_list
from .writable import check_writable


def layers(
    bundle: Annotated[Path, typer.Argument(help="Bundle with a fused graph.", show_default=False)],
    precision: Annotated[
        str | None, typer.Option(help="Number formats, such as fp32,int8.  [default: all that the bundle has]")
    ] = None,
    batch: Annotated[int, typer.Option(help="Faces in one run.")] = 32,
    threads: Annotated[str, typer.Option(help="Threads inside one operator, such as 1,2.")] = "1",
    seconds: Annotated[
        float, typer.Option(help="Time of each graph and number of threads, traced and untraced.")
    ] = 2.0,
    every: Annotated[bool, typer.Option("--all", help="Also list layers that take less than half a percent.")] = False,
    json_path: Annotated[
        str | None, typer.Option("--json", help="Also write the profile to a file; - prints it instead of the tables.")
    ] = None,
) -> None:
    """Measure the layers of a bundle's graphs, against the fastest product and copy that this machine makes.

    The peaks are measured in the same rounds, with as many threads. Where FP32 and INT8 are both measured, they are set
    side by side, with what keeps INT8 back.
    """
    with needing_extra("fsrfer-profile layers"):
        import onnx as _onnx  # noqa: F401 - named here, so that absence is told before any work

        from ..export.layers import LayerConfig, profile_layers
    check_writable(json_path, "--json", or_stdout=True)
    config = LayerConfig(
        precisions=() if precision is None else parse_list(precision, "--precision", Precision, "fp32,int8"),
        batch=batch,
        threads=parse_list(threads, "--threads", int, "1,2"),
        seconds=seconds,
    )
    loaded = ModelBundle.load(bundle)
    with progress_bar() as progress:
        task = progress.add_task("measuring", total=None, visible=False)
        profile = profile_layers(
            loaded, config, lambda done, total: progress.update(task, completed=done, total=total, visible=True)
        )
    if json_path == "-":
        print_json(to_mapping(profile))
        return
    typer.echo(f"{profile.bundle} on {describe_machine(profile.environment)}")
    print_layers(profile.layers, every=every)
    for line in describe_watch(profile.layers.interference, profile.layers.machine):
        typer.echo(line)
    if json_path is not None:
        write_json(Path(json_path), to_mapping(profile))
        NOTES.print(f"wrote {json_path}", markup=False, soft_wrap=True)
