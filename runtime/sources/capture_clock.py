"""When a live frame was captured, from its time stamp and from when it arrived."""

from __future__ import annotations

_MAX_DRIFT = 2e-4  # quartz clocks are good to 100 ppm, and both ends have one
_MAX_LAG_S = 10.0


class CaptureClock:
    """Maps the time stamps of one connection to Unix time.

    Arrival times jitter by what the network and the decoder delay; time stamps do not, but count from an arbitrary
    moment. The frame that was delayed least tells the offset between the two, which is then kept, and is let grow by
    as much as clocks drift.
    """

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._last_s = 0.0

    def time_of(self, stream_time_s: float | None, arrival_s: float) -> float:
        """Return when a frame was captured, in Unix time; never later than it arrived.

        Args:
            stream_time_s: Its time stamp; None where the stream says none.
            arrival_s: Unix time at which it was decoded.
        """
        if stream_time_s is None:
            return arrival_s
        observed_s = arrival_s - stream_time_s
        self._offset_s = self._updated_offset(stream_time_s, observed_s)
        self._last_s = stream_time_s
        return stream_time_s + self._offset_s

    def _updated_offset(self, stream_time_s: float, observed_s: float) -> float:
        elapsed_s = stream_time_s - self._last_s
        if self._offset_s is None or elapsed_s < 0 or observed_s - self._offset_s > _MAX_LAG_S:
            return observed_s  # a new connection, or a stream that began to count anew
        return min(self._offset_s + _MAX_DRIFT * elapsed_s, observed_s)
