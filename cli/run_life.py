"""The life of ``fsrfer-run`` as a process: signals, reloading its sources, and what the service manager is told."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

from ..core.errors import FsrferError
from ..runtime.pipeline import StreamPipeline
from ..runtime.service_manager import ServiceManager
from ..runtime.sources import Shard, SourceSpec, SourceState, changes, open_source, parse_sources

_LOGGER = logging.getLogger(__name__)

_STATUS_INTERVAL_S = 10.0


def read_sources(texts: Sequence[str], *, keep_trying: bool, shard: Shard | None = None) -> tuple[SourceSpec, ...]:
    """Understand the sources of the command line.

    Args:
        texts: Its words.
        keep_trying: Never give up on one that does not answer at the start.
        shard: Which of them are for this machine; None for all.

    Raises:
        SourceError: One of them cannot be understood, or none is for this machine.
    """
    specs = parse_sources(texts)
    if shard is not None:
        specs = shard.select(specs)
    if not keep_trying:
        return specs
    return tuple(replace(spec, settings=replace(spec.settings, keep_trying=True)) for spec in specs)


class RunningService:
    """Keeps a pipeline in step with signals and with the file of its sources.

    Args:
        pipeline: What runs.
        texts: Sources of the command line.
        specs: The same, understood.
        keep_trying: See :func:`read_sources`.
        shard: See :func:`read_sources`.
    """

    def __init__(
        self,
        pipeline: StreamPipeline,
        texts: Sequence[str],
        specs: Sequence[SourceSpec],
        *,
        keep_trying: bool,
        shard: Shard | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._texts = tuple(texts)
        self._specs = tuple(specs)
        self._keep_trying = keep_trying
        self._shard = shard
        self._manager = ServiceManager()
        self._wants_reload = False
        self._is_ready = False
        self._next_status_s = 0.0

    def tick(self) -> None:
        """Do what is due; called about twice a second by the pipeline."""
        if not self._is_ready:
            self._is_ready = True
            self._manager.ready()
        if self._wants_reload:
            self._wants_reload = False
            self._reload()
        self._tell_status()
        self._manager.alive()

    @contextmanager
    def handling_signals(self) -> Iterator[None]:
        """Let SIGINT and SIGTERM end the pipeline after the frames in hand, and the second of them at once.

        SIGHUP reads the sources again.
        """
        is_second = False

        def end(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (signature of a handler)
            nonlocal is_second
            if is_second:
                raise KeyboardInterrupt
            is_second = True
            self._pipeline.stop()
            # Buffered streams may be in use by the code that was interrupted.
            os.write(sys.stderr.fileno(), b"finishing the frames in hand; once more ends at once\n")

        def reload(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (signature of a handler)
            self._wants_reload = True

        handlers = {signal.SIGINT: end, signal.SIGTERM: end, signal.SIGHUP: reload}
        previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            self._manager.stopping()

    def _tell_status(self) -> None:
        now_s = time.monotonic()
        if self._manager.is_listening and now_s >= self._next_status_s:
            self._next_status_s = now_s + _STATUS_INTERVAL_S
            report = self._pipeline.report()
            up = sum(source.state is SourceState.UP for source in report.sources)
            self._manager.status(f"{up} of {len(report.sources)} sources up, {report.frames} frames so far")

    def _reload(self) -> None:
        """Read the sources again; where that fails, all stay as they are."""
        self._manager.reloading()
        try:
            specs = read_sources(self._texts, keep_trying=self._keep_trying, shard=self._shard)
        except FsrferError as problem:
            _LOGGER.error("the sources stay as they are: %s", problem)
        else:
            self._apply(specs)
        self._manager.ready()

    def _apply(self, specs: tuple[SourceSpec, ...]) -> None:
        difference = changes(self._specs, specs)
        failed = {source.name for source in self._pipeline.report().failed}
        again = [spec for spec in specs if spec.name in failed and spec not in difference.changed]
        for spec in (*difference.removed, *difference.changed, *again):
            self._pipeline.remove(spec.name)
        for spec in (*difference.added, *difference.changed, *again):
            self._pipeline.add(open_source(spec))
        self._specs = specs
        _LOGGER.warning(
            "sources read again: %d added, %d removed, %d changed, %d that had failed tried again, %d in all",
            *(len(difference.added), len(difference.removed), len(difference.changed), len(again), len(specs)),
        )
