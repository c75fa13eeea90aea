"""Addresses of cameras, and how to speak of them without giving their passwords away."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HIDDEN = "***"

# What tells the streams of one camera apart. Any other parameter may be a token or a password, so its value is hidden.
_HARMLESS_PARAMETERS = frozenset({"channel", "fps", "height", "profile", "resolution", "stream", "subtype", "width"})


def is_address(text: str) -> bool:
    """Tell whether a text begins with a scheme, as in ``rtsp://``."""
    return _SCHEME.match(text) is not None


def scheme_of(address: str) -> str:
    """Return the scheme in lower case, ``rtsp``; empty where there is none."""
    found = _SCHEME.match(address)
    return found.group()[:-3].lower() if found else ""


def redact_address(address: str) -> str:
    """Replace what may be secret in an address by asterisks.

    User and password go, and so do the values of query parameters that are not known to be harmless, and the
    fragment. Passwords are often written without the percent signs that the standard asks for: everything up to the
    last ``@`` counts as user and password, at the price of hiding too much of an address with an ``@`` in its path.

    Args:
        address: An address; a text without a scheme is returned as it is.
    """
    found = _SCHEME.match(address)
    if found is None:
        return address
    scheme, rest = found.group(), address[found.end() :]
    _, at, rest = rest.rpartition("@")
    place, has_query, query = rest.partition("#")[0].partition("?")
    shown = (f"{_HIDDEN}@" if at else "") + place
    if has_query:
        shown += "?" + "&".join(_redact_parameter(parameter) for parameter in query.split("&"))
    return scheme + shown


def _redact_parameter(parameter: str) -> str:
    name, has_value, value = parameter.partition("=")
    if not has_value:
        return _HIDDEN if name else ""
    return f"{name}={value if name.lower() in _HARMLESS_PARAMETERS else _HIDDEN}"
