"""Runs a command and turns what goes wrong into one line and an exit code.

Exit codes: 0 done; 1 an error that the user can mend; 2 wrong usage; 3 a check failed; 130 interrupted. Defects of
fsrfer keep their traceback. Results go to stdout; logs, progress and errors go to stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, NoReturn

from ..core.errors import FsrferError, MissingDependencyError
from .logs import configure_logs

_EXTRA_OF = {
    "torch": "train",
    "safetensors": "train",
    "tensorboard": "train",
    "onnx": "export",
    "onnxscript": "export",
    "onnxruntime": "cpu",
    "matplotlib": "report",
    "jinja2": "report",
    "starlette": "serve",
    "uvicorn": "serve",
    "prometheus_client": "serve",
    "paho": "mqtt",
    "tritonclient": "triton",
    "supervision": "supervision",
}


def launch(module: str) -> NoReturn:
    """Run the Typer application of a command module as the whole process.

    Args:
        module: Name of a module of this package that has an ``app``.
    """
    configure_logs(log_level())
    sys.exit(exit_code_of(lambda: load_app(module)()))


def log_level() -> str:
    """Return the level of the records that are shown: ``FSRFER_LOG`` where it is set."""
    return os.environ.get("FSRFER_LOG", "WARNING").upper()


def load_app(module: str) -> Any:
    """Import a command module and return its Typer application.

    Raises:
        MissingDependencyError: An optional package that the command needs is not installed.
    """
    return load_module(module, f"fsrfer {module}").app


def load_module(module: str, command: str) -> ModuleType:
    """Import a module of commands.

    Args:
        module: Its name within this package.
        command: What the user ran, for the message.

    Raises:
        MissingDependencyError: An optional package that it needs is not installed.
    """
    with needing_extra(command):
        return import_module(f"{__package__}.{module}")


@contextmanager
def needing_extra(command: str) -> Iterator[None]:
    """Turn the failing import of an optional package into an error that names the extra to install.

    Args:
        command: What the user ran, for the message.

    Raises:
        MissingDependencyError: A package of an extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as problem:
        package = (problem.name or "").partition(".")[0]
        if package not in _EXTRA_OF:
            raise
        raise MissingDependencyError.for_extra(package, _EXTRA_OF[package], f"`{command}`") from problem


def exit_code_of(command: Callable[[], Any]) -> int:
    """Call a command and return the process's exit code; errors that a user can mend are printed on one line."""
    try:
        command()
    except FsrferError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return _reader_left()
    except SystemExit as leaving:  # Typer ends this way, also after usage errors
        if isinstance(leaving.__context__, BrokenPipeError):
            return _reader_left()
        return leaving.code if isinstance(leaving.code, int) else 1 if leaving.code else 0
    return 0


def _reader_left() -> int:
    # The reader of our stdout (`| head`) has all it wanted. What is still buffered must not fail again at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
