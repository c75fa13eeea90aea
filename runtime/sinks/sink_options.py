"""Options behind the address of a sink: those of every address, and what is to be sent."""

from __future__ import annotations

from ..address_options import AddressOptions, joined
from .message import Content


class SinkOptions(AddressOptions):
    """Options of a sink; see :class:`~fsrfer.runtime.address_options.AddressOptions`."""

    def contents(self, name: str) -> frozenset[Content]:
        """Take what is to be sent: several of :class:`Content`, joined by commas; all where it was not written.

        Raises:
            UsageError: One is unknown.
        """
        text = self.text(name)
        try:
            return frozenset(Content if text is None else map(Content, text.split(",")))
        except ValueError as problem:
            raise self.wrong(name, joined(content.value for content in Content)) from problem
