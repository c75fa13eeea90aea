"""Annotated pictures, one a frame."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import cv2

from ...core.errors import UsageError
from ...core.files import write_bytes
from ..results import FrameResult
from .drawing import annotate
from .face_blur import FaceBlur
from .output_names import OutputNames

PICTURE_OUTPUT_SUFFIXES = frozenset({".jpeg", ".jpg", ".png", ".webp"})


class AnnotatedPictureSink:
    """Writes each frame as a picture with boxes, expressions and confidences drawn in.

    Args:
        path: The picture; with several pictures their names go before its suffix.
        is_single: Whether there is a single picture.
        blur_faces: Make the faces that were found unrecognisable.

    Raises:
        UsageError: The suffix is not that of a picture.
    """

    def __init__(self, path: Path, *, is_single: bool = True, blur_faces: bool = False) -> None:
        if path.suffix.lower() not in PICTURE_OUTPUT_SUFFIXES:
            raise UsageError(
                f"cannot write annotated pictures to {path}",
                expected=f"a path ending in {', '.join(sorted(PICTURE_OUTPUT_SUFFIXES))}",
            )
        self._suffix = path.suffix.lower()
        self._blur = FaceBlur() if blur_faces else None
        self._names = OutputNames(path, is_single=is_single)

    def write(self, result: FrameResult) -> None:
        """Draw one frame and write it to its file."""
        shown = result if self._blur is None else self._blur.blurred(result)
        image_bgr = cv2.cvtColor(annotate(shown), cv2.COLOR_RGB2BGR)
        _, data = cv2.imencode(self._suffix, image_bgr)
        write_bytes(self._names.path_for(result.frame.source), data.tobytes())

    def __enter__(self) -> AnnotatedPictureSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave it; every picture was complete when it was written."""
