"""Reading the files in which a kernel describes its machine; what cannot be read is None or empty."""

from __future__ import annotations

from pathlib import Path


def read_text(path: Path) -> str | None:
    """Return a file's text without the space and NUL around it; None where it is absent, unreadable or empty."""
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return None
    return text.strip(" \t\r\n\0") or None


def read_fields(path: Path) -> dict[str, str]:
    """Return the ``key: value`` lines of a file; the first of equal keys counts."""
    found: dict[str, str] = {}
    for line in (read_text(path) or "").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.strip(), value.strip())
    return found
