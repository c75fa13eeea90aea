"""Options behind the address of a sink: ``#qos=1&password_file=/run/secrets/mqtt``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import parse_qsl

from ...core.errors import UsageError
from .message import Content
from .secret import Secret


class SinkOptions:
    """Options that were written, taken one by one; what is left over at the end is wrong.

    They are the fragment of the address, which no client ever sends to a server.

    Args:
        text: What follows the ``#``; empty for no options.
        sink: How to speak of the sink; holds no credentials.

    Raises:
        UsageError: It is not ``NAME=VALUE``, joined by ``&``, each name once.
    """

    def __init__(self, text: str, sink: str) -> None:
        self._sink = sink
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
            f"cannot understand what follows the # of {self._sink}",
            expected="NAME=VALUE, joined by &, each name once",
            fix="write a # that belongs to a password as %23",
        )

    def _take(self, name: str) -> str | None:
        self._known.append(name)
        return self._values.pop(name, None)

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """Take a whole number.

        Raises:
            UsageError: It is none, or out of range.
        """
        number = self.number(name, default, least, most)
        if number != int(number):
            raise self._wrong(name, f"a whole number from {least} to {most}")
        return int(number)

    def number(self, name: str, default: float, least: float, most: float) -> float:
        """Take a number.

        Raises:
            UsageError: It is none, or out of range.
        """
        text = self._take(name)
        try:
            value = default if text is None else float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise self._wrong(name, f"a number from {least:g} to {most:g}")
        return value

    def path(self, name: str) -> Path | None:
        """Take a path; None where it was not written."""
        text = self._take(name)
        return None if text is None else Path(text)

    def contents(self, name: str) -> frozenset[Content]:
        """Take what is to be sent: several of :class:`Content`, joined by commas; all where it was not written.

        Raises:
            UsageError: One is unknown.
        """
        text = self._take(name)
        try:
            return frozenset(Content if text is None else map(Content, text.split(",")))
        except ValueError as problem:
            raise self._wrong(name, _joined(content.value for content in Content)) from problem

    def secret(self, name: str) -> Secret | None:
        """Take a secret from where ``NAME_env`` (a variable of the environment) or ``NAME_file`` says.

        Raises:
            UsageError: The variable is not set, the file cannot be read, there is nothing in it, or both were written.
        """
        by_variable, by_file = f"{name}_env", f"{name}_file"
        variable, path = self._take(by_variable), self._take(by_file)
        if variable is not None and path is not None:
            raise self._wrong(by_variable, f"either {by_variable} or {by_file}")
        if variable is not None:
            return self._checked(by_variable, os.environ.get(variable, ""))
        if path is None:
            return None
        try:
            return self._checked(by_file, Path(path).read_text(encoding="utf-8").rstrip("\r\n"))
        except (OSError, UnicodeDecodeError) as problem:
            raise self._wrong(by_file, f"a file that can be read, not {path}") from problem

    def _checked(self, name: str, value: str) -> Secret:
        if not value or not value.isprintable() or not value.isascii():
            raise self._wrong(name, "a secret of printable ASCII characters")
        return Secret(value)

    def finish(self) -> None:
        """Refuse what is left over.

        Raises:
            UsageError: There is an option that nobody took.
        """
        if self._values:
            raise UsageError(
                f"{self._sink} has no such option", expected=_joined(self._known), found=_joined(self._values)
            )

    def _wrong(self, name: str, expected: str) -> UsageError:
        return UsageError(f"{self._sink}: {name} cannot be used", expected=expected)


def _joined(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
