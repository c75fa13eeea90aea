"""Which faces of a batch a process takes, and in which pieces."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import UsageError


@dataclass(frozen=True)
class BatchRows:
    """Consecutive faces of a batch.

    Attributes:
        start: The first one, from 0.
        stop: Behind the last one.
        total: Faces in the whole batch.
    """

    start: int
    stop: int
    total: int

    @property
    def slice(self) -> slice:
        """The rows of an array of the whole batch."""
        return slice(self.start, self.stop)

    @property
    def share(self) -> float:
        """Part of the whole batch; exactly 1 for all of it.

        The mean over rows times their share, summed over all rows, is the mean over the batch, also where the rows are
        not equally many.
        """
        return (self.stop - self.start) / self.total

    def portion(self, index: int, count: int) -> BatchRows:
        """Return one of ``count`` portions, as equal as can be."""
        length = self.stop - self.start
        start, stop = (self.start + length * position // count for position in (index, index + 1))
        return BatchRows(start, stop, self.total)


def rows_of_process(total: int, pieces: int, rank: int, processes: int) -> tuple[BatchRows, ...]:
    """Return the rows that a process takes, one entry for each piece.

    The batch is cut into pieces first and each piece into one portion for each process: what the processes do at the
    same time is the same part of the batch however many they are.

    Args:
        total: Faces in the batch.
        pieces: Pieces that are taken one after another.
        rank: Number of the process, from 0.
        processes: How many there are.

    Raises:
        UsageError: There are fewer faces than portions.
    """
    if total < pieces * processes:
        raise UsageError(
            "a batch cannot be divided",
            expected=f"a face or more for each of {pieces} pieces and {processes} processes",
            found=f"{total} faces in a batch",
            fix="take fewer processes or pieces, or a larger batch_size in the recipe",
        )
    whole = BatchRows(0, total, total)
    return tuple(whole.portion(piece, pieces).portion(rank, processes) for piece in range(pieces))
