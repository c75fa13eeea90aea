"""Passwords, tokens and keys, kept out of logs, messages and tracebacks."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Secret:
    """A text that nobody sees by accident: neither ``repr`` nor ``str`` shows it.

    Attributes:
        value: The text itself; ask for it only where it is handed over.
    """

    value: str = field(repr=False)

    def __str__(self) -> str:
        return "***"
