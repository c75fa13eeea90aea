"""Errors that a user can mend.

::

    FsrferError                     exit 1
    ├── UsageError                  exit 2: options that contradict each other or cannot be parsed
    ├── MissingDependencyError      an optional package is not installed; the message names the extra
    ├── InputSpecError              an array has the wrong shape, dtype or range
    ├── BundleError                 a model bundle is absent, incomplete, altered or too new
    ├── DatasetError                a data set is absent, incomplete or malformed
    ├── RecipeError                 a training recipe has an unknown key or an impossible value
    ├── CheckpointError             a checkpoint is absent or does not fit the run
    ├── ProcessGroupError           processes that train together cannot meet, differ, or lost each other
    ├── SourceError                 a camera, stream, file or folder cannot be read
    ├── DetectorError               a face detector's weights are absent or not what was expected
    ├── BackendUnavailableError     an execution provider, device or library is not there
    ├── DeviceError                 a GPU refuses a call, or runs out of memory
    ├── EngineBuildError            a graph cannot be parsed or compiled
    ├── EngineCompatibilityError    an engine was built for another device or version
    ├── CalibrationError            calibration data is absent or unusable
    └── CheckFailedError            exit 3: a gate (parity, accuracy) was not met
        └── ParityError             two implementations of one model disagree

Everything else that escapes is a defect of fsrfer and keeps its traceback.
"""

from __future__ import annotations

from typing import ClassVar


class FsrferError(Exception):
    """Base of all errors that a user can mend: what is wrong, what was expected, what was found, what to do next.

    Args:
        message: What is wrong, naming the file, option or tensor.
        expected: What would have been right.
        found: What there was instead.
        fix: What to run or change next.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, expected: object = None, found: object = None, fix: str | None = None) -> None:
        self.message = message
        self.expected = expected
        self.found = found
        self.fix = fix
        super().__init__(message)

    def __str__(self) -> str:
        parts = [self.message]
        if self.expected is not None:
            parts.append(f"expected {self.expected}")
        if self.found is not None:
            parts.append(f"found {self.found}")
        text = "; ".join(parts)
        return f"{text}. Next: {self.fix}" if self.fix else text


class UsageError(FsrferError):
    """Options contradict each other or cannot be parsed."""

    exit_code = 2


class MissingDependencyError(FsrferError):
    """An optional package is not installed."""

    @classmethod
    def for_extra(cls, package: str, extra: str, purpose: str) -> MissingDependencyError:
        """Name the extra that brings the package.

        Args:
            package: Distribution that is missing.
            extra: Extra of fsrfer that installs it.
            purpose: What needs it, as a noun phrase.
        """
        return cls(
            f"{purpose} needs the package {package}", found="no such package", fix=f"pip install 'fsrfer[{extra}]'"
        )


class InputSpecError(FsrferError):
    """An array has the wrong shape, dtype or range."""


class BundleError(FsrferError):
    """A model bundle is absent, incomplete, altered or too new."""


class DatasetError(FsrferError):
    """A data set is absent, incomplete or malformed."""


class RecipeError(FsrferError):
    """A training recipe has an unknown key or an impossible value."""


class CheckpointError(FsrferError):
    """A checkpoint is absent or does not fit the run."""


class ProcessGroupError(FsrferError):
    """Processes that train together cannot meet, differ, or lost each other."""


class SourceError(FsrferError):
    """A camera, stream, file or folder cannot be read."""


class DetectorError(FsrferError):
    """A face detector's weights are absent or not what was expected."""


class BackendUnavailableError(FsrferError):
    """An execution provider, device or library is not there."""


class DeviceError(FsrferError):
    """A GPU refuses a call, or runs out of memory."""


class EngineBuildError(FsrferError):
    """A graph cannot be parsed or compiled."""


class EngineCompatibilityError(FsrferError):
    """An engine was built for another device or version."""


class CalibrationError(FsrferError):
    """Calibration data is absent or unusable."""


class CheckFailedError(FsrferError):
    """A gate (parity, accuracy) was not met."""

    exit_code = 3


class ParityError(CheckFailedError):
    """Two implementations of one model disagree."""
