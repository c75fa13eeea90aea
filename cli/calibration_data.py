"""Faces that commands of ``fsrfer-calibrate`` must not use."""

from __future__ import annotations

from ..core.errors import CalibrationError, DatasetError
from ..datasets import open_dataset, pixel_hashes
from .console import NOTES


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
