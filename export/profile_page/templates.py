"""The templates of the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template


def template(name: str) -> Template:
    """Return a template of this package; what it is given and does not have is an error, and text is escaped.

    Args:
        name: Its file.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__, "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["percent"] = "{:.1%}".format
    environment.filters["ms"] = ms
    return environment.get_template(name)


def ms(value: float) -> str:
    """Write milliseconds."""
    return f"{value:.2f}" if value < 100 else f"{value:.1f}"
