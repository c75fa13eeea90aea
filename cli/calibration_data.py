"""What the commands of ``fsrfer-calibrate`` share: methods, and faces that they must not use."""

from __future__ import annotations

from ..calibration import Int8Config, RangeMethod
from ..core.errors import CalibrationError, DatasetError, UsageError
from ..datasets import open_dataset, pixel_hashes
from .console import NOTES


def choose_method(method: RangeMethod | None, percentile: float | None) -> tuple[RangeMethod, float]:
    """Return how ranges are found, from two options of which one may say it all.

    Args:
        method: What was asked for; None for the default, or for that of a percentile.
        percentile: What was asked for.

    Raises:
        UsageError: A percentile is given for another method: it would be without effect.
    """
    if percentile is not None and method not in (None, RangeMethod.PERCENTILE):
        raise UsageError(f"--percentile has no effect on {method.value}", fix="leave one of the two out")
    if percentile is not None:
        return RangeMethod.PERCENTILE, percentile
    return method or Int8Config.method, Int8Config.percentile


def test_faces_of(data: str, split: str) -> frozenset[bytes] | None:
    """Return the hashes of the faces of a data set's test split; None where it has none, which is said.

    Args:
        data: Name of the data set.
        split: Split that is calibrated on.

    Raises:
        CalibrationError: That is the test split itself.
    """
    if split == "test":
        raise CalibrationError(
            "a model is not calibrated on what it is judged on", expected="--split train or valid", found="test"
        )
    try:
        return pixel_hashes(open_dataset(data, "test"))
    except DatasetError as problem:
        NOTES.print(f"no test split to compare with: {problem.message}", markup=False, soft_wrap=True)
        return None
