"""A picture of which layers INT8 harms."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from ..core.files import atomic_path
from ..core.roles import Role
from .sensitivity import LayerSensitivity

# Okabe and Ito's palette: told apart by colour-blind readers, and in print.
_COLORS = {Role.BACKBONE: "#0072B2", Role.GENERATOR: "#D55E00", Role.CLASSIFIER: "#009E73", Role.OTHER: "#999999"}
_MARKERS = "osD^vP*X"


def draw_sensitivity(ranking: Sequence[LayerSensitivity], kept_float: Collection[str], path: Path) -> None:
    """Draw the damage of each layer, one mark a face size, the worst as a bar.

    Args:
        ranking: Layers, the most harmful first, one or more.
        kept_float: Layers that the search left in floating point; marked.
        path: Picture to write; its suffix decides the format.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    figure = Figure(figsize=(8.5, 1.2 + 0.26 * len(ranking)), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    rows = range(len(ranking))
    axis.barh(rows, [layer.worst for layer in ranking], color=[_COLORS[layer.role] for layer in ranking], alpha=0.45)
    for position, size in enumerate(ranking[0].damage_by_size):
        values = [layer.damage_by_size[size] for layer in ranking]
        axis.plot(values, rows, _MARKERS[position % len(_MARKERS)], markersize=4, color="black", label=f"{size} px")
    names = [f"{layer.name}  (kept in float)" if layer.name in kept_float else layer.name for layer in ranking]
    axis.set_yticks(rows, names, fontsize=8)
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.set_xlabel("divergence of the probabilities when this layer alone is INT8 (nats)")
    axis.grid(alpha=0.3, axis="x")
    roles = [Patch(color=_COLORS[role], alpha=0.45, label=role.value) for role in {layer.role: 0 for layer in ranking}]
    axis.legend(handles=[*axis.get_legend_handles_labels()[0], *roles], fontsize=8, loc="lower right")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=140)
