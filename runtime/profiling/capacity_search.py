"""The largest number of something that still works, found with few tries."""

from __future__ import annotations

from collections.abc import Callable


def find_most(works: Callable[[int], bool], most: int, *, confirmations: int = 1) -> int:
    """Return the largest number that works, 0 where 1 does not.

    The number doubles until it does not work, and the gap is halved then. What is left has to work again, as often as
    asked for; where it does not, the next smaller one has to. The number above the answer did not work, unless the
    answer is ``most``.

    Args:
        works: Tries a number from 1 to ``most``; may answer differently another time.
        most: The largest number to try.
        confirmations: How often the answer has to work besides the first time.
    """
    good, bad, number = 0, most + 1, 1
    while good < most:
        if not works(number):
            bad = number
            break
        good, number = number, min(2 * number, most)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if works(middle) else (good, middle)
    while good and not all(works(good) for _ in range(confirmations)):
        good -= 1
    return good
