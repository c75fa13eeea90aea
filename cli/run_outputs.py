"""Where the results of ``fsrfer-run`` go: the sinks that its options ask for."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from ..core.errors import UsageError
from ..runtime.classifier import ExpressionClassifier
from ..runtime.serving import LiveHub, ServingOptions
from ..runtime.sinks import (
    AnnotatedPictureSink,
    AnnotatedVideoSink,
    BackgroundSink,
    CalibrationRecorder,
    JsonLinesSink,
    QueuedSink,
    ResultSink,
    SinkError,
    WindowSink,
    open_sink,
)
from ..runtime.sinks.annotated_video import VIDEO_OUTPUT_SUFFIXES
from ..runtime.sources import SourceKind, SourceSpec
from .console import NOTES
from .progress_sink import ProgressSink

_STDOUT = "stdout"
_TOKEN_VARIABLE = "FSRFER_TOKEN"


@dataclass(frozen=True)
class OpenOutputs:
    """Sinks that were entered.

    Attributes:
        results: Each gets every result.
        windows: Each gets every window.
        queued: Those that keep their problems to themselves until they are asked.
        hub: What the live page shows; None without one.
    """

    results: tuple[ResultSink, ...]
    windows: tuple[WindowSink, ...]
    queued: tuple[QueuedSink, ...]
    hub: LiveHub | None


@dataclass(frozen=True)
class Outputs:
    """What was asked for.

    Attributes:
        lines: File of the JSON lines; None for stdout.
        annotated: Video or picture with what was seen drawn in.
        video_segment_s: Length of the files of an annotated video, in seconds; None for one file a source.
        sinks: Further sinks, as :func:`~fsrfer.runtime.sinks.open_sink` takes them.
        calibration: Folder of recorded face crops.
        blur_faces: Make faces unrecognisable wherever pictures are shown or kept.
        aggregate_only: Tell windows only.
        serving: Where the live page is; None for none.
    """

    lines: Path | None = None
    annotated: Path | None = None
    video_segment_s: float | None = None
    sinks: tuple[str, ...] = ()
    calibration: Path | None = None
    blur_faces: bool = False
    aggregate_only: bool = False
    serving: ServingOptions | None = None

    def check(self, specs: Sequence[SourceSpec]) -> None:
        """Check that nothing is overwritten and that nothing contradicts itself, before anything is opened.

        Raises:
            UsageError: It does.
        """
        inputs = {path.resolve() for spec in specs for path in (*spec.pictures, Path(spec.location))}
        for option, path in (("--output", self.lines), ("--annotated", self.annotated)):
            if path is not None and path.resolve() in inputs:
                raise UsageError(f"{option} would overwrite the source {path}", fix="name another file")
            if path is not None and not path.parent.is_dir():
                raise UsageError(f"{option} names a folder that is not there", found=path.parent, fix="make it first")
        single = [
            option
            for option, value in (("--annotated", self.annotated), ("--record-calibration", self.calibration))
            if value is not None
        ]
        if self.aggregate_only and single:
            raise UsageError("--aggregate-only tells nothing about a single face", found=single[0])
        is_video = self.annotated is not None and self.annotated.suffix.lower() in VIDEO_OUTPUT_SUFFIXES
        if self.video_segment_s is not None and not is_video:
            raise UsageError("--video-segment cuts annotated videos", fix="name one: --annotated seen.mp4")

    def open(self, stack: ExitStack, specs: Sequence[SourceSpec], classifier: ExpressionClassifier) -> OpenOutputs:
        """Enter all sinks.

        Args:
            stack: Leaves them.
            specs: What is read.
            classifier: What reads it.
        """
        is_live = any(spec.may_be_live for spec in specs)
        sinks: list[ResultSink] = []
        for name, sink in self._own(stack, specs, classifier):
            # Whoever reads a recording waits for a slow sink, and learns of a broken one at once. So does a reader of
            # our stdout: when it has gone (`| head`), there is nothing left to do.
            is_apart = is_live and name != _STDOUT
            sinks.append(stack.enter_context(BackgroundSink(sink, name) if is_apart else sink))
        sinks += [stack.enter_context(open_sink(text)) for text in self.sinks]
        hub = None
        if self.serving is not None:
            hub = stack.enter_context(LiveHub(blur_faces=self.blur_faces, aggregate_only=self.aggregate_only))
            sinks.append(hub)
        windows = tuple(sink for sink in sinks if isinstance(sink, WindowSink))
        queued = tuple(sink for sink in sinks if isinstance(sink, QueuedSink))
        if NOTES.is_terminal and not NOTES.quiet and not (self.lines is None and sys.stdout.isatty()):
            sinks.append(stack.enter_context(ProgressSink(NOTES)))
        return OpenOutputs(() if self.aggregate_only else tuple(sinks), windows, queued, hub)

    def _own(
        self, stack: ExitStack, specs: Sequence[SourceSpec], classifier: ExpressionClassifier
    ) -> list[tuple[str, ResultSink]]:
        stream: TextIO = sys.stdout
        if self.lines is not None:
            try:
                stream = stack.enter_context(self.lines.open("w", encoding="utf-8"))
            except OSError as problem:
                raise UsageError(f"--output cannot be written to {self.lines}", found=problem.strerror) from problem
        name = _STDOUT if self.lines is None else str(self.lines)
        sinks: list[tuple[str, ResultSink]] = [(name, JsonLinesSink(stream, flush_each=self.lines is not None))]
        if self.annotated is not None:
            sinks.append((str(self.annotated), self._annotated_sink(specs, self.annotated)))
        if self.calibration is not None:
            recorder = CalibrationRecorder(
                self.calibration, classifier.labels, classifier.manifest.preprocess.crop_margin
            )
            sinks.append((str(self.calibration), recorder))
        return sinks

    def _annotated_sink(self, specs: Sequence[SourceSpec], path: Path) -> ResultSink:
        kinds = {spec.kind is SourceKind.PICTURES for spec in specs}
        if len(kinds) > 1:
            raise UsageError("--annotated writes either videos or pictures", found="sources of both kinds")
        if kinds == {True}:
            is_single = sum(len(spec.pictures) for spec in specs) == 1
            return AnnotatedPictureSink(path, is_single=is_single, blur_faces=self.blur_faces)
        return AnnotatedVideoSink(
            path, is_single=len(specs) == 1, blur_faces=self.blur_faces, segment_s=self.video_segment_s
        )


def serving_options(address: str | None, token_file: Path | None, hosts: Sequence[str]) -> ServingOptions | None:
    """Understand where the live page is to be; None for nowhere.

    Raises:
        UsageError: The address cannot be read, or other machines could come in without a token.
    """
    if address is None:
        if token_file is not None or hosts:
            raise UsageError("options of the live page without it", expected="--serve 127.0.0.1:8080")
        return None
    token = os.environ.get(_TOKEN_VARIABLE) or None
    if token_file is not None:
        try:
            token = token_file.read_text(encoding="utf-8").strip()
        except OSError as problem:
            raise UsageError(f"the token file {token_file} cannot be read", found=problem.strerror) from problem
    return ServingOptions.parse(address, token=token, allowed_hosts=tuple(hosts))


def raise_failures(queued: Sequence[QueuedSink]) -> None:
    """Say which sinks did not get everything.

    Raises:
        SinkError: One or more did not.
    """
    failed = [sink for sink in queued if sink.failure is not None]
    if failed:
        raise SinkError(
            "results could not be written everywhere",
            found="; ".join(f"{sink.name}: {sink.failure}" for sink in failed),
            fix="see the errors above",
        )
