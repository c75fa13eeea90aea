"""A picture of what feature super-resolution changes: the same faces at full size, small, and small with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ..core.errors import UsageError
from ..core.files import atomic_path
from ..core.preprocess import PreprocessSpec, preprocess
from ..datasets import FaceDataset, shrink
from .models.network import ExpressionNetwork

Uint8Array = npt.NDArray[np.uint8]

_RIGHT, _WRONG = "#1b7837", "#b2182b"


@dataclass(frozen=True)
class ShowcaseRow:
    """One way of reading the faces.

    Attributes:
        title: What the row shows.
        faces: What the model was given, as it came: N images, uint8.
        probabilities: float32 (N, K).
    """

    title: str
    faces: Sequence[Uint8Array]
    probabilities: npt.NDArray[np.float32]


def showcase_rows(
    network: ExpressionNetwork, spec: PreprocessSpec, faces: Sequence[Uint8Array], face_size_px: int
) -> tuple[ShowcaseRow, ...]:
    """Read faces at full size, small without the generator, and small with it where the network has one.

    Args:
        network: In evaluation mode.
        spec: The model's preprocessing.
        faces: Full-size faces, uint8 (height, width, 3) or (height, width).
        face_size_px: Native size of the small ones.

    Raises:
        InputSpecError: A face is smaller than that already.
    """
    small = [shrink(face, face_size_px) for face in faces]
    rows = (
        ShowcaseRow("full size", faces, _probabilities(network, spec, faces, super_resolve=True)),
        ShowcaseRow(f"{face_size_px} px", small, _probabilities(network, spec, small, super_resolve=False)),
    )
    if network.generator is None:
        return rows
    title = f"{face_size_px} px,\nfeatures\nsuper-resolved"
    return (*rows, ShowcaseRow(title, small, _probabilities(network, spec, small, super_resolve=True)))


def draw_showcase(rows: Sequence[ShowcaseRow], labels: Sequence[str], truth: Sequence[int], path: Path) -> None:
    """Draw rows of faces with their predictions, green where right and red where wrong.

    Args:
        rows: Ways of reading the same N faces.
        labels: Expression names.
        truth: N indices of the true expressions.
        path: Picture to write; its suffix decides the format.

    Raises:
        UsageError: Pictures of that format cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = len(truth)
    figure = Figure(figsize=(1.25 * columns + 0.9, 1.62 * len(rows) + 0.3), layout="constrained")
    formats = FigureCanvasAgg(figure).get_supported_filetypes()
    if path.suffix[1:].lower() not in formats:
        raise UsageError(
            f"no picture can be written to {path}", expected=f"a name that ends in .{', .'.join(sorted(formats))}"
        )
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        line[0].set_ylabel(row.title, rotation=0, ha="right", va="center", fontsize=9)
        for axis, face, probabilities, expected in zip(line, row.faces, row.probabilities, truth, strict=True):
            axis.imshow(face, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            best = int(probabilities.argmax())
            color = _RIGHT if best == expected else _WRONG
            axis.set_title(f"{labels[best]} {probabilities[best]:.0%}", fontsize=8, color=color)
    for axis, expected in zip(axes[-1], truth, strict=True):
        axis.set_xlabel(f"is {labels[expected]}", fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)


def spread_choice(dataset: FaceDataset, count: int, seed: int) -> list[int]:
    """Choose faces that show as many different expressions as possible.

    Args:
        dataset: Where to choose.
        count: How many; fewer where the data set is smaller.
        seed: Which ones, 0 or more.

    Returns:
        Their positions in the data set.
    """
    order = np.random.default_rng(seed).permutation(len(dataset))
    labels = dataset.label_indices[order]
    # The rank of each face among those of its own expression: the first of each come first.
    rank = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        rank[members] = np.arange(len(members))
    return [int(order[position]) for position in np.lexsort((labels, rank))[:count]]


def _probabilities(
    network: ExpressionNetwork, spec: PreprocessSpec, faces: Sequence[Uint8Array], *, super_resolve: bool
) -> npt.NDArray[np.float32]:
    batch, sizes = preprocess(faces, spec)
    with torch.inference_mode():
        native = torch.from_numpy(sizes)
        features = network.extract(torch.from_numpy(batch), native)
        if super_resolve:
            features = network.super_resolve(features, native)
        return np.asarray(network.classifier(features).softmax(dim=1).numpy(), np.float32)
