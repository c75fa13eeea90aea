"""Options that several commands share, parsed once."""

from __future__ import annotations

from ..core.errors import UsageError

AUTO = "auto"


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


def parse_detect_every(text: str) -> int | None:
    """Read how often frames are searched for faces.

    Args:
        text: A number of frames, or ``auto``.

    Returns:
        The number; None for ``auto``.

    Raises:
        UsageError: It is neither.
    """
    if text == AUTO:
        return None
    if not (text.isascii() and text.isdecimal() and int(text) >= 1):
        raise UsageError("--detect-every cannot be read", expected=f"a number of frames, or {AUTO}", found=text)
    return int(text)


def parse_counts(text: str, *, option: str) -> tuple[int, ...]:
    """Read a list of different whole numbers from 1, ``1,2,4``.

    Args:
        text: The numbers, separated by commas.
        option: Name of the option, for the message.

    Raises:
        UsageError: Something is none, or stands there twice.
    """
    words = [word.strip() for word in text.split(",")]
    are_counts = all(word.isascii() and word.isdecimal() and int(word) >= 1 for word in words)
    if not are_counts or len({int(word) for word in words}) < len(words):
        expected = "different whole numbers from 1, such as 1,2,4"
        raise UsageError(f"{option} cannot be read", expected=expected, found=text)
    return tuple(int(word) for word in words)
