"""The option ``--tracks``, parsed once; apart from other options, since serving does without data sets."""

from __future__ import annotations

from ..core.errors import UsageError
from ..datasets import Track


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
