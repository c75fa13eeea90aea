"""Which imports the start of a command pays for, as `python -X importtime` tells."""

import re
import subprocess
import sys

_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|(\s*)(\S+)")


def heaviest_imports(command: list[str], count: int = 10) -> list[dict[str, object]]:
    """Run a command once, and return the modules whose own code took longest to import.

    Args:
        command: Words for the Python interpreter.
        count: How many modules.

    Returns:
        Name, own milliseconds, and milliseconds with all that it imported first; the interpreter is slowed down by
        telling them.
    """
    done = subprocess.run([sys.executable, "-X", "importtime", *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    found = [
        {"module": name, "own_ms": int(own) / 1e3, "with_imported_ms": int(whole) / 1e3}
        for own, whole, _, name in _LINE.findall(done.stderr)
    ]
    return sorted(found, key=lambda row: -row["own_ms"])[:count]
