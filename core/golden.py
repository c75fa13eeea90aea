"""Golden vectors: a few faces and the logits that a model must give for them.

They travel in the bundle. Whatever executes the model tests itself on them before it serves, on the very device: a
wrong engine, a library that miscomputes or preprocessing that differs is found in milliseconds, and never served.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import BundleError, CheckFailedError
from .fidelity import sqnr_db
from .options import Precision
from .preprocess import PreprocessSpec, preprocess

Uint8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]
Classify = Callable[[Uint8Array, Float32Array], Float32Array]
"""From faces, uint8 (N, C, H, W), and native sizes, float32 (N,), to logits, float32 (N, K)."""

MIN_SQNR_DB = {Precision.FP32: 60.0, Precision.FP16: 35.0, Precision.BF16: 20.0, Precision.INT8: 15.0}
"""Least signal to noise of all logits together. What is broken has about 0 dB; sound graphs of each format have twice
these values."""

_ROW_ALLOWANCE_DB = 12.0
_MAX_PIXEL_DIFFERENCE = 1  # libraries round the last digit of a resampled pixel differently


@dataclass(frozen=True)
class GoldenVectors:
    """Faces with expected results.

    Attributes:
        crops: N crops as a detector gives them, uint8 (height, width) or (height, width, 3), of several sizes.
        faces: What preprocessing makes of them, uint8 (N, C, H, W).
        face_size_px: Their native sizes, float32 (N,).
        logits: What the FP32 graph makes of those, float32 (N, K).
    """

    crops: tuple[Uint8Array, ...]
    faces: Uint8Array
    face_size_px: Float32Array
    logits: Float32Array

    def write(self, path: Path) -> None:
        """Write the vectors as a NumPy archive."""
        arrays: dict[str, Any] = {f"crop_{index:02d}": crop for index, crop in enumerate(self.crops)}
        arrays |= {"faces": self.faces, "face_size_px": self.face_size_px, "logits": self.logits}
        with path.open("wb") as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def read(cls, path: Path) -> GoldenVectors:
        """Read vectors that :meth:`write` wrote.

        Raises:
            BundleError: The file is not such an archive.
        """
        try:
            # By way of memory: NumPy leaves a file open that turns out to be no archive.
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
                crops = tuple(archive[name] for name in sorted(archive.files) if name.startswith("crop_"))
                return cls(crops, archive["faces"], archive["face_size_px"], archive["logits"])
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as problem:
            raise BundleError(
                f"{path} holds no golden vectors", found=str(problem), fix="fsrfer-export onnx"
            ) from problem

    def check_preprocessing(self, spec: PreprocessSpec) -> None:
        """Compare what preprocessing makes of the crops on this machine with what it made where the model is from.

        Raises:
            CheckFailedError: A pixel differs by more than rounding.
        """
        faces, sizes = preprocess(list(self.crops), spec)
        difference = np.abs(faces.astype(np.int16) - self.faces)
        if difference.max() > _MAX_PIXEL_DIFFERENCE or not np.array_equal(sizes, self.face_size_px):
            raise CheckFailedError(
                "preprocessing on this machine differs from that of the model",
                expected=f"pixels within {_MAX_PIXEL_DIFFERENCE} level",
                found=f"a difference of {difference.max()} levels, sizes {sizes.tolist()}",
                fix="pip install --upgrade opencv-python-headless, or report this machine",
            )

    def check_logits(self, classify: Classify, precision: Precision, name: str) -> None:
        """Compare what a model gives on this machine with what it gave where it was exported.

        Args:
            classify: The model.
            precision: Its number format.
            name: What to call it in the message.

        Raises:
            CheckFailedError: Logits are not finite, or further away than the number format explains.
        """
        found = classify(self.faces, self.face_size_px)
        least = MIN_SQNR_DB[precision]
        if found.shape != self.logits.shape or not np.isfinite(found).all():
            raise CheckFailedError(
                f"{name} fails its self-test",
                expected=f"finite logits of shape {self.logits.shape}",
                found=f"{found.shape}, {np.isfinite(found).mean():.0%} of them finite",
                fix=_REMEDY,
            )
        expected, actual = _centered(self.logits), _centered(found)
        overall = sqnr_db(expected, actual)
        row = min(sqnr_db(one, other) for one, other in zip(expected, actual, strict=True))
        if overall < least or row < least - _ROW_ALLOWANCE_DB:
            raise CheckFailedError(
                f"{name} fails its self-test: it does not give the logits that the bundle records",
                expected=f"signal to noise of {least:g} dB for {precision.value}, {least - _ROW_ALLOWANCE_DB:g} a face",
                found=f"{overall:.1f} dB, and {row:.1f} for the worst face",
                fix=_REMEDY,
            )


_REMEDY = "build the engine again on this machine, or serve another precision; fsrfer-export verify tells more"


def _centered(logits: Float32Array) -> Float32Array:
    # What is common to all logits of a face does not change its probabilities.
    return np.asarray(logits - logits.mean(axis=1, keepdims=True), np.float32)
