"""What a profile measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...core.errors import UsageError
from ...core.options import Precision, Provider

OnProgress = Callable[[int, int], None]
"""Called with the number of steps that are done and that there are."""

_MOST_THREADS = 1024  # ONNX Runtime starts as many as it is told, and the machine stands still
_LONGEST_S = 86400.0


@dataclass(frozen=True)
class ProfileConfig:
    """What to measure.

    Attributes:
        precisions: Number formats; empty for all that the bundle has and the provider computes in.
        batches: Faces in one run.
        threads: Threads inside one operator.
        streams: Runs at the same time.
        seconds: Time of each row, all rounds together.
        warmup_seconds: Untimed time of each row before the first round.
        rounds: Parts that the time of each row is spread over. Six are the fewest that give an interval of the
            speed-up.
        seed: Key of the crops and of the order within a round.
        provider: Execution provider of ONNX Runtime; the one that is asked for must really be bound.
        spinning: Let idle threads spin: faster for runs one after the other, and not what ``fsrfer-run`` does.
    """

    precisions: tuple[Precision, ...] = ()
    batches: tuple[int, ...] = (1, 8, 32)
    threads: tuple[int, ...] = (1,)
    streams: tuple[int, ...] = (1,)
    seconds: float = 2.0
    warmup_seconds: float = 0.5
    rounds: int = 6
    seed: int = 0
    provider: Provider = Provider.CPU
    spinning: bool = False

    def __post_init__(self) -> None:
        for name in ("batches", "threads", "streams"):
            values = getattr(self, name)
            if not values or min(values) < 1 or len(set(values)) != len(values):
                raise UsageError(f"impossible {name}", expected="different whole numbers from 1", found=values)
        most = max(self.threads) * max(self.streams)
        if most > _MOST_THREADS:
            raise UsageError(
                "impossible threads", expected=f"at most {_MOST_THREADS}, times streams", found=f"{most} threads"
            )
        if not 0 < self.seconds <= _LONGEST_S or not 0 <= self.warmup_seconds <= _LONGEST_S or self.rounds < 1:
            raise UsageError(
                "impossible duration",
                expected=f"seconds above 0, warm-up of 0 or more, neither above {_LONGEST_S}, 1 round or more",
                found=f"{self.seconds}, {self.warmup_seconds}, {self.rounds}",
            )
