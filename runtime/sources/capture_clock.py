"""When a live frame was captured, from its time stamp and from when it arrived."""

from __future__ import annotations

import math

_MAX_AGE_S = 10.0
_WINDOW_S = 30.0


class CaptureClock:
    """Tells how old each frame of one connection is.

    Arrival times jitter by what the network and the decoder delay; time stamps do not, but count from an arbitrary
    moment. The frame that was delayed least tells the offset between the two: the least of the last 30 to 60 s, so that
    the clock of the camera may drift. The price is that a delay which lasts longer than that goes unnoticed.

    All is reckoned on the monotonic clock, which no correction of the system's time moves. Stamps that jump back, or
    ahead, or stand still for long begin anew: the camera restarted, its clock was set, or its counter wrapped.
    """

    def __init__(self) -> None:
        self._least = _WindowedLeast(_WINDOW_S)
        self._last_stamp_s = -math.inf
        self._last_capture_s = -math.inf

    def age_s(self, stream_time_s: float | None, arrival_s: float) -> float:
        """Return how long ago a frame was captured when it arrived: 0 to 10 s.

        The moments of capture that follow from it never run backwards.

        Args:
            stream_time_s: Its time stamp; None where the stream says none, and the frame counts as new.
            arrival_s: When it was decoded, on the monotonic clock.
        """
        capture_s = arrival_s if stream_time_s is None else stream_time_s + self._offset_s(stream_time_s, arrival_s)
        capture_s = max(min(capture_s, arrival_s), self._last_capture_s)
        self._last_capture_s = capture_s
        return max(arrival_s - capture_s, 0.0)

    def _offset_s(self, stream_time_s: float, arrival_s: float) -> float:
        observed_s = arrival_s - stream_time_s
        if stream_time_s < self._last_stamp_s or observed_s - self._least.value > _MAX_AGE_S:
            self._least = _WindowedLeast(_WINDOW_S)
        self._last_stamp_s = stream_time_s
        self._least.add(arrival_s, observed_s)
        return self._least.value


class _WindowedLeast:
    """The least value of the present window of time and of the one before it."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._begin_s = -math.inf
        self._before = math.inf
        self._present = math.inf

    @property
    def value(self) -> float:
        return min(self._before, self._present)

    def add(self, time_s: float, value: float) -> None:
        if time_s - self._begin_s >= self._window_s:
            self._before, self._present, self._begin_s = self._present, math.inf, time_s
        self._present = min(self._present, value)
