"""Progress on a terminal."""

from __future__ import annotations

import io

import numpy as np
from rich.console import Console

from fsrfer.cli.progress_sink import ProgressSink
from fsrfer.core.predictions import ExpressionPredictions
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.results import FrameResult


def test_frames_and_faces_are_counted():
    predictions = ExpressionPredictions(
        ("a", "b"),
        np.full((1, 2), 0.5, np.float32),
        np.zeros(1, np.int64),
        np.ones(1, np.float32),
        np.zeros(1, np.bool_),
    )
    result = FrameResult(Frame("x", 0, 0.0, Clock.STREAM, np.zeros((4, 4, 3), np.uint8)), predictions, None)
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with ProgressSink(console) as sink:
        sink.write(result)
    assert "1 frames, 1 faces" in console.file.getvalue()
