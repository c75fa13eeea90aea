"""The seam between the pipeline and whatever takes its results."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, runtime_checkable

from ...core.errors import FsrferError
from ..groups import GroupWindow
from ..results import FrameResult


class SinkError(FsrferError):
    """Results cannot be written, sent or delivered."""


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


@runtime_checkable
class WindowSink(Protocol):
    """Takes what was seen over windows of time; entered and left like a :class:`ResultSink`, and often one as well."""

    def write_window(self, window: GroupWindow) -> None:
        """Take one window; those of one source come in order."""


@runtime_checkable
class QueuedSink(ResultSink, WindowSink, Protocol):
    """A sink that neither holds the pipeline up nor ends it: it has a queue, and keeps its problems to itself.

    Ask for ``failure`` at the end: leaving the sink does not raise, or the sinks around it would throw their work away.
    """

    @property
    def name(self) -> str:
        """How to speak of it; holds no credentials."""

    @property
    def dropped(self) -> int:
        """Results and windows that it did not write, so far."""

    @property
    def failure(self) -> Exception | None:
        """Why results are not written now, or, once it is left, were not all written; None where all is well."""

    def __enter__(self) -> QueuedSink: ...
