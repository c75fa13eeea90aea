"""``fsrfer-profile diff``: what changed between two profiles, and whether it is noise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import UsageError
from ..core.schema import to_mapping
from ..runtime.profiling.comparison import (
    DEFAULT_NOISE,
    Difference,
    ProfileDiff,
    RowChange,
    compare_profiles,
)
from ..runtime.profiling.report import ProfileReport
from ..runtime.profiling.report_file import read_profile
from .console import print_json, print_table
from .figures import ms
from .profile_parsing import describe_interference


def diff(
    before: Annotated[Path, typer.Argument(help="JSON file of `fsrfer-profile model`.", show_default=False)],
    after: Annotated[Path, typer.Argument(help="Another one, measured later.", show_default=False)],
    despite: Annotated[
        list[Difference] | None,
        typer.Option(help="Compare although this differs, because it is what is compared; may be given again."),
    ] = None,
    noise: Annotated[
        float, typer.Option(min=0.0, max=99.0, help="Percent of change that counts as noise in any case.")
    ] = 100 * DEFAULT_NOISE,
    fail_slower: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Exit with 3 where a row is surely slower by more than this percent, or could not be compared.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Say for each row of two profiles whether it became faster or slower, or whether that is noise.

    Rows are compared by the medians of their rounds. Another machine, graph or software makes them not comparable,
    unless --despite says that this is what is compared.
    """
    if Difference.SETTINGS in (despite or ()):
        raise UsageError(
            "--despite settings says nothing",
            expected="machine, graph or software",
            found="settings never prevent a comparison",
        )
    if fail_slower is not None and fail_slower < noise:
        raise UsageError(
            f"--fail-slower {fail_slower:g} has no effect",
            expected=f"{noise:g} or more: what changes by less than --noise never counts as slower",
            fix=f"--noise {fail_slower:g}, if the machine is that quiet",
        )
    old, new = read_profile(before), read_profile(after)
    found = compare_profiles(old, new, despite=despite or (), noise=noise / 100)
    if as_json:
        print_json(to_mapping(found))
    else:
        _print(found, old, new)
    if fail_slower is not None:
        found.raise_if_slower(fail_slower / 100)


def _print(found: ProfileDiff, old: ProfileReport, new: ProfileReport) -> None:
    columns = ("graph, clock", "batch", "threads", "streams", "before", "after", "change", "95 % interval", "verdict")
    title = f"{old.created} against {new.created}, p50 in ms"
    print_table(title, columns, [_cells(row) for row in found.rows], dense=True)
    typer.echo(
        f"change    of the medians of all rounds; up to {found.noise:.1%} it is noise, whatever the interval says"
    )
    for remark in dict.fromkeys((row.verdict.value, "; ".join(row.remarks)) for row in found.rows if row.remarks):
        typer.echo(f"{remark[0]}: {remark[1]}")
    for one in found.differences:
        typer.echo(f"{one.kind.value} differs: {one.name} was {one.before}, is {one.after}")
    for name, report in (("before", old), ("after", new)):
        warning = describe_interference(report.interference)
        if warning is not None:
            typer.echo(f"{name}: {warning}")
    for line in _accuracy(old, new):
        typer.echo(line)


def _cells(row: RowChange) -> tuple[object, ...]:
    what, interval = row.combination, row.interval
    return (
        f"{what.precision.value} {what.clock.value}",
        what.batch,
        what.threads,
        what.streams,
        "-" if row.before_ms is None else ms(row.before_ms),
        "-" if row.after_ms is None else ms(row.after_ms),
        "-" if row.ratio is None else f"{row.ratio - 1:+.1%}",
        "-" if interval is None else f"{interval[0] - 1:+.1%} to {interval[1] - 1:+.1%}",
        row.verdict.value,
    )


def _accuracy(old: ProfileReport, new: ProfileReport) -> list[str]:
    later = {row.face_size_px: row.accuracy for row in new.accuracy}
    return [
        f"accuracy at {row.face_size_px:g} px was {row.accuracy:.2%}, is {later[row.face_size_px]:.2%}"
        for row in old.accuracy
        if later.get(row.face_size_px, row.accuracy) != row.accuracy
    ]
