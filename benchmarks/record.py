"""Keeps what a benchmark measured, with the command, the machine and the versions that it was measured with."""

import json
import sys
from pathlib import Path
from typing import Any

from fsrfer.core.environment import read_environment
from fsrfer.core.files import write_text
from fsrfer.core.provenance import installed_versions
from fsrfer.core.schema import to_mapping


def record(measured: dict[str, Any], output: Path | None) -> None:
    """Print what was measured, and write it.

    Args:
        measured: Plain values.
        output: File; None prints only.
    """
    result = {
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *map(_told, sys.argv[1:])]),
        "machine": to_mapping(read_environment()),
        "versions": installed_versions(),
        **measured,
    }
    text = json.dumps(result, indent=1, default=str)
    print(text)
    if output is not None:
        write_text(output, text + "\n")


def _told(word: str) -> str:
    """Return a word of the command line without the folders of this machine."""
    family, colon, file = word.rpartition(":")
    return f"{family}{colon}{Path(file).name}" if Path(file).exists() else word
