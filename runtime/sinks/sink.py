"""The seam between the pipeline and whatever takes its results."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from ..groups import GroupWindow
from ..results import FrameResult


class ResultSink(Protocol):
    """Takes the results of frames; use it as a context manager.

    Leaving it because of an error throws away what is unfinished; leaving it normally completes it.
    """

    def write(self, result: FrameResult) -> None:
        """Take one result; those of one source come in the order of its frames."""

    def __enter__(self) -> ResultSink: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class WindowSink(Protocol):
    """Takes what was seen over windows of time; entered and left like a :class:`ResultSink`, and often one as well."""

    def write_window(self, window: GroupWindow) -> None:
        """Take one window; those of one source come in order."""
