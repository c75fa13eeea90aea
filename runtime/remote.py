"""Runners whose answers may get lost on the way, because the model runs on another machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Protocol, runtime_checkable

from ..core.errors import BackendUnavailableError
from .runner import Array, Runner


class LossReason(str, Enum):
    """Why faces were not read."""

    UNAVAILABLE = "unavailable"
    """No server answers, or none has the model."""

    OVERLOADED = "overloaded"
    """The servers have more to do than they can."""

    DEADLINE = "deadline"
    """The answer did not come in time."""

    OTHER_MODEL = "other-model"
    """The server serves another model by now, or fails the self-test of the bundle."""

    REFUSED = "refused"
    """The server does not take the request: rights, or a defect."""


class InferenceLostError(BackendUnavailableError):
    """A batch was not read; asking again later may help.

    Args:
        reason: Why, in a word.
        message: Why, with the server's name.
        found: What the server said.
        fix: What to do next.
    """

    def __init__(self, reason: LossReason, message: str, *, found: object = None, fix: str | None = None) -> None:
        super().__init__(message, found=found, fix=fix)
        self.reason = reason


@runtime_checkable
class RemoteRunner(Runner, Protocol):
    """A runner on another machine.

    ``infer`` and ``infer_each`` wait for a server that is away, as long as its configuration allows, and raise
    :class:`InferenceLostError` then: recordings have time. ``attempt_each`` does not wait, for live pictures have none.
    """

    def attempt_each(self, feeds: Iterable[Mapping[str, Array]]) -> Iterator[dict[str, Array] | InferenceLostError]:
        """Run the graph on batch after batch, in their order; a batch that was lost gives its error.

        Args:
            feeds: Batches, each with one array for every input.
        """
