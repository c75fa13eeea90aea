"""Live streams that come in bursts, spread over time."""

from __future__ import annotations

_MAX_STEP_S = 1.0


class Pacer:
    """Tells how long to hold each frame back, so that frames are as far apart as their time stamps.

    HLS comes by segments of some seconds. Of the frames of a whole segment at once, the reader of a live source would
    take the last one only.
    """

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._last_stamp_s = 0.0

    def wait_s(self, stream_time_s: float | None, now_s: float) -> float:
        """Return for how long to wait before a frame is shown: a second at most.

        Args:
            stream_time_s: Its time stamp; None where the stream says none, and the frame is shown at once.
            now_s: Present time of the monotonic clock.
        """
        if stream_time_s is None:
            return 0.0
        step_s, self._last_stamp_s = stream_time_s - self._last_stamp_s, stream_time_s
        if self._offset_s is None or not 0.0 <= step_s <= _MAX_STEP_S or stream_time_s + self._offset_s < now_s:
            self._offset_s = now_s - stream_time_s  # from here on, the stream is so much later
            return 0.0
        return min(stream_time_s + self._offset_s - now_s, _MAX_STEP_S)
