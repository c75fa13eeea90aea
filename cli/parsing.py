"""Options that several commands share, parsed once."""

from __future__ import annotations

from ..core.errors import UsageError
from ..datasets import Track


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


def parse_tracks(text: str) -> tuple[Track, ...]:
    """Read a list of the ways in which small faces are made, ``clean,realistic``.

    Args:
        text: Names, separated by commas.

    Returns:
        The tracks in the order given.

    Raises:
        UsageError: Something is no track, or stands there twice.
    """
    words = [word.strip() for word in text.split(",")]
    known = [track.value for track in Track]
    if not all(word in known for word in words) or len(set(words)) != len(words):
        raise UsageError("--tracks cannot be read", expected=f"some of {', '.join(known)}", found=text)
    return tuple(Track(word) for word in words)
