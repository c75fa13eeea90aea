"""Several sources: those that a user names, and what is new in a changed list of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .source_file import is_source_file, read_source_file
from .specification import SourceSpec, parse_source, refuse_shared_pipe


@dataclass(frozen=True)
class SourceChanges:
    """What is new in a list of sources.

    Attributes:
        added: Sources whose names are new.
        removed: Sources whose names are gone.
        changed: Sources whose names are in both, with another address or other settings; as they are now.
    """

    added: tuple[SourceSpec, ...]
    removed: tuple[SourceSpec, ...]
    changed: tuple[SourceSpec, ...]

    def __bool__(self) -> bool:
        """Whether anything is new."""
        return bool(self.added or self.removed or self.changed)


def parse_sources(texts: Iterable[str]) -> tuple[SourceSpec, ...]:
    """Understand several sources, and number those whose names would be the same.

    Args:
        texts: Sources as :func:`parse_source` takes them, and paths of files that name sources (``.toml``), as
            :func:`read_source_file` takes them.

    Raises:
        SourceError: One of them cannot be understood, or several want the standard input.
    """
    specs: list[SourceSpec] = []
    for text in texts:
        specs.extend(read_source_file(Path(text)) if is_source_file(text) else [parse_source(text)])
    seen: Counter[str] = Counter()
    named = []
    for spec in specs:
        seen[spec.name] += 1
        repeated = seen[spec.name] > 1
        named.append(replace(spec, name=f"{spec.name}#{seen[spec.name]}") if repeated else spec)
    refuse_shared_pipe(tuple(named))
    return tuple(named)


def changes(old: Sequence[SourceSpec], new: Sequence[SourceSpec]) -> SourceChanges:
    """Compare two lists of sources by their names.

    Args:
        old: Sources as they were; names are different.
        new: Sources as they are to be; names are different.
    """
    before = {spec.name: spec for spec in old}
    after = {spec.name: spec for spec in new}
    return SourceChanges(
        added=tuple(spec for spec in new if spec.name not in before),
        removed=tuple(spec for spec in old if spec.name not in after),
        changed=tuple(spec for spec in new if spec.name in before and before[spec.name] != spec),
    )
