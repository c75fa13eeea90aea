"""The seam between the pipeline and whatever executes a graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..core.errors import InputSpecError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class TensorSpec:
    """What a graph says about one of its tensors.

    Attributes:
        name: Its name in the graph.
        dtype: Element type.
        shape: Length of each axis; None where the length is free (the batch, usually).
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]

    def describe(self) -> str:
        """Return dtype and shape for a message, ``uint8 (?, 3, 48, 48)``."""
        return f"{self.dtype} ({', '.join('?' if axis is None else str(axis) for axis in self.shape)})"

    def admits(self, array: Array) -> bool:
        """Tell whether an array has this dtype and shape."""
        return (
            array.dtype == self.dtype
            and array.ndim == len(self.shape)
            and all(axis is None or axis == length for axis, length in zip(self.shape, array.shape, strict=True))
        )


class Runner(Protocol):
    """Executes one graph. Use it as a context manager; resources are taken on entry and given back on exit.

    The returned arrays belong to the caller. One runner serves one thread at a time, unless it says otherwise.
    """

    @property
    def serves_threads(self) -> bool:
        """Whether several threads may run the graph at the same time."""

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """The graph's inputs by name."""

    @property
    def outputs(self) -> Mapping[str, TensorSpec]:
        """The graph's outputs by name."""

    def infer(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        """Run the graph.

        Args:
            feed: One array for every input.

        Returns:
            One array for every output.

        Raises:
            InputSpecError: An input is absent, unknown, or has the wrong dtype or shape.
        """

    def infer_each(self, feeds: Iterable[Mapping[str, Array]]) -> Iterator[dict[str, Array]]:
        """Run the graph on batch after batch, in their order; copying and computing may overlap.

        Args:
            feeds: Batches, each with one array for every input; may be asked for one ahead of the result given.
        """

    def __enter__(self) -> Runner: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def check_feed(feed: Mapping[str, Array], inputs: Mapping[str, TensorSpec]) -> None:
    """Compare what is fed with what the graph wants.

    Raises:
        InputSpecError: An input is absent, unknown, or has the wrong dtype or shape.
    """
    if feed.keys() != inputs.keys():
        raise InputSpecError("wrong inputs", expected=", ".join(inputs), found=", ".join(feed))
    for name, spec in inputs.items():
        if not spec.admits(feed[name]):
            raise InputSpecError(
                f"wrong input {name}", expected=spec.describe(), found=f"{feed[name].dtype} {feed[name].shape}"
            )


def specs_by_name(specs: Sequence[TensorSpec]) -> Mapping[str, TensorSpec]:
    """Return a read-only mapping of specifications by name, in their order."""
    return MappingProxyType({spec.name: spec for spec in specs})
