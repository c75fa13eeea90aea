"""When Triton queued each request and ran it, from the trace that the server itself writes (level TIMESTAMPS).

Release 2.51 ended several times where thousands of requests a second were traced; with hundreds it never did.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np


def trace_arguments(path: Path) -> tuple[str, ...]:
    """Return words of the server's command line that make it trace every request; the file is written at its end."""
    settings = ("mode=triton", f"triton,file={path}", "level=TIMESTAMPS", "rate=1", "count=-1")
    return tuple(f"--trace-config={setting}" for setting in settings)


@dataclass(frozen=True)
class Traced:
    """What a server did with a request, in seconds of the system's monotonic clock.

    Attributes:
        queued_s: It came into the queue.
        begun_s: Its run began.
        ended_s: Its run was over.
    """

    queued_s: float
    begun_s: float
    ended_s: float


@dataclass(frozen=True)
class Runs:
    """Runs of a model, in their order.

    Attributes:
        faces: Of each run: int64 (N,).
        seconds: Time of each run: float64 (N,).
        of_request: Run of each request, by its place; -1 where it was not run: int64 (K,).
        gaps_s: Times between a run and the next whose requests were due when the first began: float64 (M,).
    """

    faces: np.ndarray
    seconds: np.ndarray
    of_request: np.ndarray
    gaps_s: np.ndarray


def read_trace(path: Path) -> dict[int, Traced]:
    """Read a trace of requests whose identifiers are numbers.

    Returns:
        What became of each that was run, by its identifier.
    """
    moments: dict[int, dict[str, int]] = defaultdict(dict)
    names: dict[int, int] = {}
    for event in json.loads(path.read_text(encoding="utf-8")):
        if str(event.get("request_id", "")).isdecimal():
            names[event["id"]] = int(event["request_id"])
        for stamp in event.get("timestamps", ()):
            moments[event["id"]][stamp["name"]] = stamp["ns"]
    wanted = ("QUEUE_START", "COMPUTE_START", "COMPUTE_END")
    return {
        name: Traced(*(moments[number][stamp] / 1e9 for stamp in wanted))
        for number, name in names.items()
        if all(stamp in moments[number] for stamp in wanted)
    }


def runs_of(trace: dict[int, Traced], first: int, faces: np.ndarray, delay_s: float) -> Runs:
    """Put requests that were run together together; of a server with a single instance.

    Args:
        trace: All requests.
        first: Identifier of the first request.
        faces: Of it and those that follow: int (N,).
        delay_s: Queue delay, after which a run is due for its oldest request.
    """
    together: dict[tuple[float, float], list[int]] = defaultdict(list)
    for number in range(len(faces)):
        traced = trace.get(first + number)
        if traced is not None:
            together[traced.begun_s, traced.ended_s].append(number)
    spans = sorted(together)
    due_s = [min(trace[first + number].queued_s for number in together[span]) + delay_s for span in spans]
    gaps = [
        begun_s - ended_s
        for (last_begun_s, ended_s), (begun_s, _), next_due_s in zip(spans, spans[1:], due_s[1:], strict=False)
        if next_due_s < last_begun_s
    ]
    of_request = np.full(len(faces), -1)
    for place, span in enumerate(spans):
        of_request[together[span]] = place
    return Runs(
        faces=np.array([int(np.sum(faces[together[span]])) for span in spans]),
        seconds=np.array([ended_s - begun_s for begun_s, ended_s in spans]),
        of_request=of_request,
        gaps_s=np.array(gaps),
    )
