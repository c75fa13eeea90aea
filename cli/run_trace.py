"""The option ``--trace``: when which frame of a run was where."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..runtime.pipeline import StreamPipeline
from .run_summary import note
from .writable import check_writable

if TYPE_CHECKING:
    from ..runtime.profiling.chrome_trace import TraceRecorder


class RunTrace:
    """Records a run, where that was asked for.

    Args:
        path: File of the trace; None for none.

    Raises:
        UsageError: It cannot be written there.
    """

    def __init__(self, path: Path | None) -> None:
        check_writable(None if path is None else str(path), "--trace")
        self._path = path
        self.recorder: TraceRecorder | None = None
        if path is not None:
            from ..runtime.profiling.chrome_trace import TraceRecorder  # a run without a trace starts without it

            self.recorder = TraceRecorder()

    def sampling(self, pipeline: StreamPipeline, tick: Callable[[], None]) -> Callable[[], None]:
        """Return what also keeps the counts of the moment whenever it is called.

        Args:
            pipeline: What is recorded.
            tick: Called as well.
        """

        def sample() -> None:
            if self.recorder is not None:
                self.recorder.sample(pipeline.report(), time.monotonic())
            tick()

        return sample

    def write(self) -> None:
        """Write the trace, and say so."""
        if self.recorder is not None and self._path is not None:
            events = self.recorder.write(self._path)
            note(f"wrote {self._path}: {events} events for https://ui.perfetto.dev")
