"""Keeping up with a live stream that is decoded too slowly."""

from __future__ import annotations

import math

_MAX_LAG_S = 2.0
_PATIENCE_S = 2.0
_CAUGHT_UP_S = 1.0
_MAX_JUMP_S = 2.0
_MAX_WAIT_S = 15.0  # some streams refresh their picture bit by bit, and have no key frames
_MAX_DRIFT = 2e-4  # quartz clocks are good to 100 ppm, and both ends have one


class CatchUp:
    """Decides which packets are left out undecoded so that a live stream does not lag.

    What a machine has no time to decode waits in the buffers of its network, which hold many seconds. Once packets
    have come more than 2 s late for 2 s, all are left out up to a key frame that is fresh, or that comes after 2 s of
    reading without decoding, which empties any buffer. A network that stalls for a moment and delivers the rest in a
    burst is caught up with by decoding.
    """

    def __init__(self) -> None:
        self._least_s = math.inf
        self._last_s = 0.0
        self._last_stamp_s = -math.inf
        self._late_since_s: float | None = None
        self._jump_since_s: float | None = None

    def leaves_out(self, stream_time_s: float, now_s: float, *, is_key: bool) -> bool:
        """Tell whether a packet is left out.

        Args:
            stream_time_s: Its time stamp.
            now_s: Present time of the monotonic clock.
            is_key: Whether a frame that builds on no other one begins with it.
        """
        lag_s = self._lag_s(stream_time_s, now_s)
        if self._jump_since_s is None:
            self._late_since_s = (self._late_since_s or now_s) if lag_s > _MAX_LAG_S else None
            if self._late_since_s is None or now_s - self._late_since_s < _PATIENCE_S:
                return False
            self._jump_since_s = now_s
        jumped_s, is_fresh = now_s - self._jump_since_s, lag_s < _CAUGHT_UP_S
        is_landing = is_key and (is_fresh or jumped_s >= _MAX_JUMP_S)
        if not is_landing and jumped_s < _MAX_WAIT_S:
            return True
        self._late_since_s = self._jump_since_s = None
        if not is_fresh:
            self._least_s = now_s - stream_time_s  # it was no lag: the stamps run slow
        return False

    def _lag_s(self, stream_time_s: float, now_s: float) -> float:
        observed_s = now_s - stream_time_s
        if stream_time_s < self._last_stamp_s:
            self._least_s = math.inf  # the stream began to count anew
        self._least_s = min(self._least_s + _MAX_DRIFT * (now_s - self._last_s), observed_s)
        self._last_s, self._last_stamp_s = now_s, stream_time_s
        return observed_s - self._least_s
