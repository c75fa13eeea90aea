"""Figures whose colours are those of the page around them, light or dark.

matplotlib writes colours as numbers. Each colour of the page has a number of its own here, which no figure uses
otherwise; in the SVG text it is replaced by the page's CSS variable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

from ...core.options import Precision
from ...runtime.profiling.layer_report import LayerRole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

_NAMES = (
    *("ink", "muted", "line", "panel"),
    *(precision.value for precision in Precision),
    *(role.name.lower().replace("_", "-") for role in LayerRole),
    *("peak", "beyond", "rest"),
)
_CODES = {name: f"#0a0b{number:02x}" for number, name in enumerate(_NAMES, start=1)}

INK, MUTED, LINE, PANEL = (_CODES[name] for name in ("ink", "muted", "line", "panel"))
PEAK, BEYOND, REST = (_CODES[name] for name in ("peak", "beyond", "rest"))


def color_of(what: Precision | LayerRole) -> str:
    """Return the colour of a number format or of a part of the network."""
    name = what.value if isinstance(what, Precision) else what.name.lower().replace("_", "-")
    return _CODES[name]


@dataclass(frozen=True)
class Plot:
    """A figure of the page.

    Attributes:
        title: Heading above it.
        svg: The figure, an SVG element that takes its colours from the page.
        caption: How to read it.
    """

    title: str
    svg: str
    caption: str


@contextmanager
def drawing(width: float, height: float, columns: int = 1, **options: Any) -> Iterator[tuple[Figure, list[Axes]]]:
    """Give a figure and its axes in the style of the page.

    Args:
        width: Inches.
        height: Inches.
        columns: Axes side by side.
        options: Passed to matplotlib's ``subplots``.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots(1, columns, squeeze=False, **options)
        yield figure, list(axes[0])


def to_svg(figure: Figure, label: str) -> str:
    """Return a figure as an SVG element; equal figures give equal text.

    Args:
        figure: Drawn within :func:`drawing`, and not left yet.
        label: What it shows, for those who cannot see it.
    """
    stream = StringIO()
    figure.savefig(
        stream, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
    )
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    for name, code in _CODES.items():
        text = text.replace(code, f"var(--{name})")
    text = re.sub(r"font: ([0-9.]+)px [^;\"]*", r"font-size: \1px", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def plain_logarithm(axis: Axis) -> None:
    """Write the numbers of a logarithmic axis as people do, 0.5, 1, 2, 5, 10."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


_STYLE: Any = {  # matplotlib's type names every key that its present version knows
    "svg.fonttype": "none",
    "svg.hashsalt": "fsrfer",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
}
