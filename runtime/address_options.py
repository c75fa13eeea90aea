"""Options behind an address: ``#qos=1&password_file=/run/secrets/mqtt``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import parse_qsl

from ..core.errors import UsageError
from .secret import Secret


class AddressOptions:
    """Options that were written, taken one by one; what is left over at the end is wrong.

    They are the fragment of the address, which no client ever sends to a server.

    Args:
        text: What follows the ``#``; empty for no options.
        owner: How to speak of what they belong to; holds no credentials.

    Raises:
        UsageError: It is not ``NAME=VALUE``, joined by ``&``, each name once.
    """

    def __init__(self, text: str, owner: str) -> None:
        self._owner = owner
        self._known: list[str] = []
        try:
            pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True) if text else []
        except ValueError as problem:
            raise self._unreadable() from problem
        self._values = dict(pairs)
        # The text may be the rest of a password that had a `#` in it: it is not repeated.
        if len(self._values) < len(pairs) or not all(re.fullmatch(r"[a-z_]+", name) for name in self._values):
            raise self._unreadable()

    def _unreadable(self) -> UsageError:
        return UsageError(
            f"cannot understand what follows the # of {self._owner}",
            expected="NAME=VALUE, joined by &, each name once",
            fix="write a # that belongs to a password as %23",
        )

    def text(self, name: str) -> str | None:
        """Take a text as it is; None where it was not written."""
        self._known.append(name)
        return self._values.pop(name, None)

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """Take a whole number.

        Raises:
            UsageError: It is none, or out of range.
        """
        number = self.number(name, default, least, most)
        if number != int(number):
            raise self.wrong(name, f"a whole number from {least} to {most}")
        return int(number)

    def number(self, name: str, default: float, least: float, most: float) -> float:
        """Take a number.

        Raises:
            UsageError: It is none, or out of range.
        """
        text = self.text(name)
        try:
            value = default if text is None else float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise self.wrong(name, f"a number from {least:g} to {most:g}")
        return value

    def path(self, name: str) -> Path | None:
        """Take a path; None where it was not written."""
        text = self.text(name)
        return None if text is None else Path(text)

    def secret(self, name: str) -> Secret | None:
        """Take a secret from where ``NAME_env`` (a variable of the environment) or ``NAME_file`` says.

        Raises:
            UsageError: The variable is not set, the file cannot be read, there is nothing in it, or both were written.
        """
        by_variable, by_file = f"{name}_env", f"{name}_file"
        variable, path = self.text(by_variable), self.text(by_file)
        if variable is not None and path is not None:
            raise self.wrong(by_variable, f"either {by_variable} or {by_file}")
        if variable is not None:
            return self._checked(by_variable, os.environ.get(variable, ""))
        if path is None:
            return None
        try:
            return self._checked(by_file, Path(path).read_text(encoding="utf-8").rstrip("\r\n"))
        except (OSError, UnicodeDecodeError) as problem:
            raise self.wrong(by_file, f"a file that can be read, not {path}") from problem

    def _checked(self, name: str, value: str) -> Secret:
        if not value or not value.isprintable() or not value.isascii():
            raise self.wrong(name, "a secret of printable ASCII characters")
        return Secret(value)

    def finish(self) -> None:
        """Refuse what is left over.

        Raises:
            UsageError: There is an option that nobody took.
        """
        if self._values:
            raise UsageError(
                f"{self._owner} has no such option", expected=joined(self._known), found=joined(self._values)
            )

    def wrong(self, name: str, expected: str) -> UsageError:
        """Return the error for an option that cannot be used; its value is not repeated."""
        return UsageError(f"{self._owner}: {name} cannot be used", expected=expected)


def joined(names: Iterable[str]) -> str:
    """Return names in order, for a message."""
    return ", ".join(sorted(names))
