"""A bundle as one self-contained HTML page: accuracy by face size, INT8, latency, files."""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ..core.bundle import ModelBundle
from ..core.errors import UsageError
from ..core.files import write_text
from ..runtime.engine_record import engine_records
from ..runtime.profiling import LatencyClock
from ..runtime.profiling.report_file import read_profile

_TEMPLATE = "report.html.jinja"


@dataclass(frozen=True)
class ReportTable:
    """A table that another command measured.

    Attributes:
        columns: Headings.
        rows: Cells.
        note: What the figures mean.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str

    @classmethod
    def of_profile(cls, path: Path) -> ReportTable:
        """Read what ``fsrfer-profile --json`` wrote.

        Raises:
            UsageError: The file is absent or something else.
        """
        profile = read_profile(path)
        rows = [
            (
                row.precision.value,
                str(row.batch),
                str(row.threads),
                str(row.streams),
                row.clock.value,
                f"{row.latency.p50_ms:.2f}",
                f"{row.latency.p95_ms:.2f}",
                f"{row.faces_per_second:.0f}",
                row.stability.value,
            )
            for row in profile.rows
        ]
        clocks = "; ".join(f"{clock.value}: {clock.description}" for clock in LatencyClock)
        machine = profile.environment.processor.model or profile.environment.machine
        columns = ("graph", "batch", "threads", "streams", "clock", "p50 ms", "p95 ms", "faces/s", "verdict")
        return cls(columns, tuple(rows), f"{machine}. {clocks}.")

    @classmethod
    def of_verification(cls, path: Path) -> ReportTable:
        """Read what ``fsrfer-export verify --output`` wrote.

        Raises:
            UsageError: The file is absent or something else.
        """
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            run = [form for form in value["forms"] if form["fidelity"] is not None]
            sizes = [band["face_size_px"] for band in run[0]["fidelity"]["bands"]]
            rows = tuple(
                (form["name"], *(_cell(band["overall"]) for band in form["fidelity"]["bands"])) for form in run
            )
            absent = "".join(
                f" {form['name']} did not run: {form['not_run']}." for form in value["forms"] if form["not_run"]
            )
            note = f"{value['faces']} faces, track {value['track']}: accuracy, and points lost against FP32.{absent}"
        except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, IndexError, TypeError) as problem:
            raise UsageError(
                f"{path} is no verification", found=str(problem), fix="fsrfer-export verify BUNDLE --output FILE"
            ) from problem
        return cls(("form", *(f"{size} px" for size in sizes)), rows, note)


def _cell(fidelity: dict[str, Any] | None) -> str:
    if fidelity is None:
        return "no data"
    return f"{100 * fidelity['candidate_accuracy']:.2f} % ({100 * fidelity['drop']['value']:+.2f})"


@dataclass(frozen=True)
class ReportPicture:
    """A picture to embed.

    Attributes:
        title: Heading above it.
        data_uri: The picture itself.
    """

    title: str
    data_uri: str

    @classmethod
    def read(cls, path: Path) -> ReportPicture:
        """Read a picture file; its name, words separated by hyphens, becomes the heading.

        Raises:
            UsageError: The file is absent or no picture.
        """
        kind, _ = mimetypes.guess_type(path.name)
        if not path.is_file() or kind is None or not kind.startswith("image/"):
            raise UsageError(f"{path} cannot be shown", expected="a picture file (.png, .jpg, .svg)")
        encoded = base64.b64encode(path.read_bytes()).decode("ascii")
        return cls(path.stem.replace("-", " ").capitalize(), f"data:{kind};base64,{encoded}")


def write_report(
    bundle: ModelBundle,
    path: Path,
    *,
    pictures: Sequence[ReportPicture] = (),
    profile: ReportTable | None = None,
    verification: ReportTable | None = None,
) -> None:
    """Write the report of a bundle.

    Args:
        bundle: What to describe.
        path: HTML file to write; it needs no other file.
        pictures: Shown after the accuracy.
        profile: Latencies.
        verification: Forms of the model against FP32.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__, "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["percent"] = "{:.1%}".format
    evaluation = bundle.manifest.metrics.get("test")
    text = environment.get_template(_TEMPLATE).render(
        manifest=bundle.manifest,
        evaluation=evaluation,
        accuracy_plot=accuracy_svg(evaluation["sizes"]) if evaluation else "",
        pictures=pictures,
        profile=profile,
        verification=verification,
        engines=engine_records(bundle),
    )
    write_text(path, text)


def accuracy_svg(sizes: Sequence[dict[str, Any]]) -> str:
    """Return a plot of accuracy against face size, with 95 % intervals, as an SVG element.

    Equal figures give the same text: without date, and with ids that follow from the content.

    Args:
        sizes: Rows of :meth:`fsrfer.datasets.evaluation.EvaluationReport.to_json`.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.4), layout="constrained")
    FigureCanvasSVG(figure)
    axis = figure.subplots()
    rows = sorted(sizes, key=lambda row: float(row["face_size_px"]))
    positions = [row["face_size_px"] for row in rows]
    for key, label, color in (
        ("accuracy", "accuracy", "#2166ac"),
        ("mean_class_accuracy", "mean class accuracy", "#b2182b"),
    ):
        values = [100 * row[key]["value"] for row in rows]
        below = [100 * row[key]["low"] for row in rows]
        above = [100 * row[key]["high"] for row in rows]
        axis.plot(positions, values, marker="o", color=color, label=label)
        axis.fill_between(positions, below, above, color=color, alpha=0.15, linewidth=0)
    axis.set_xscale("log", base=2)
    axis.set_xticks(positions, [str(position) for position in positions])
    axis.set_xticks([], minor=True)
    axis.set(xlabel="face size in pixels", ylabel="percent", ylim=(0, 100))
    axis.grid(alpha=0.3)
    axis.legend(loc="lower right")
    stream = StringIO()
    with rc_context({"svg.hashsalt": "fsrfer"}):
        figure.savefig(stream, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = stream.getvalue()
    return text[text.index("<svg") :]
