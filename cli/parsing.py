"""Options that several commands share, parsed once."""

from __future__ import annotations

from ..core.errors import UsageError


def parse_sizes(text: str, *, option: str = "--sizes") -> tuple[int, ...]:
    """Read a list of face sizes, ``48,24,16``.

    Args:
        text: Whole numbers of pixels, separated by commas.
        option: Name of the option, for the message.

    Returns:
        The sizes in the order given.

    Raises:
        UsageError: Something is not a whole number from 1 to 1024, or stands there twice.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and 1 <= int(word) <= 1024 for word in words) or len(set(words)) != len(words):
        raise UsageError(
            f"{option} cannot be read",
            expected="different sizes in pixels from 1 to 1024, such as 48,24,16",
            found=text,
        )
    return tuple(int(word) for word in words)
