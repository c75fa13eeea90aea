"""Face crops kept for calibration: from the very cameras that a model will serve, and only where asked for.

No default records anything. Crops of people's faces are personal data; the folder says so, and says to delete it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
import numpy.typing as npt

from ...core.crop import crop_faces
from ...core.errors import UsageError
from ...core.files import sha256_of_bytes, write_bytes, write_text
from ..results import FrameResult

SIZE_BANDS_PX = (0, 10, 14, 20, 28, 40)
"""Lower ends of the bands of native face sizes that crops are balanced over."""

_LEAST_SECONDS = 1.0  # two crops of one face a moment apart are one crop
_NOTICE = """Face crops recorded by fsrfer-run --record-calibration.

These are pictures of people's faces. Keep them only as long as calibration needs them, and tell the people.

The folders are named after what the model took the expressions for, to balance the set; they are no labels.

    fsrfer-calibrate int8 BUNDLE --data folder:{folder}
"""


class CalibrationRecorder:
    """Writes face crops to ``FOLDER/train/EXPRESSION/HASH.png``, in balance over expressions and face sizes.

    Each combination of a size band and a predicted expression takes as many crops as every other; what comes after
    that is not kept. From one source at most one frame a second is looked at.

    Args:
        folder: Where to; made when absent. Crops that are there already count.
        labels: The model's expressions.
        crop_margin: Margin around a face's box that the model was trained with.
        limit: Most crops in all.

    Raises:
        UsageError: The folder is there and holds something else.
    """

    def __init__(self, folder: Path, labels: tuple[str, ...], crop_margin: float, limit: int = 1000) -> None:
        cells = len(labels) * len(SIZE_BANDS_PX)
        if limit < cells:
            raise UsageError("too few crops to balance", expected=f"{cells} or more", found=limit)
        if folder.exists() and (not folder.is_dir() or any(entry.name not in _OWN for entry in folder.iterdir())):
            raise UsageError(f"{folder} holds something else", expected="a new folder for calibration crops")
        self._folder = folder
        self._labels = labels
        self._margin = crop_margin
        self._share = limit // cells
        self._counts: Counter[tuple[str, int]] = Counter()
        self._last_s: dict[str, float] = {}
        self._seen: set[str] = set()

    @property
    def recorded(self) -> int:
        """Crops that were kept."""
        return sum(self._counts.values())

    def write(self, result: FrameResult) -> None:
        """Keep the faces of a frame that are still wanted."""
        source, time_s = result.frame.source, result.frame.time_s
        if time_s - self._last_s.get(source, -np.inf) < _LEAST_SECONDS or not len(result):
            return
        self._last_s[source] = time_s
        for face, crop in enumerate(self._crops(result)):
            label = self._labels[int(result.predictions.label_index[face])]
            band = bisect_right(SIZE_BANDS_PX, min(crop.shape[:2])) - 1
            if self._counts[label, band] < self._share:
                self._keep(crop, label, band)

    def _crops(self, result: FrameResult) -> list[npt.NDArray[np.uint8]]:
        if result.detections is None:
            return [result.frame.image]
        return crop_faces(result.frame.image, result.boxes, self._margin)

    def _keep(self, crop: npt.NDArray[np.uint8], label: str, band: int) -> None:
        ordered = cv2.cvtColor(crop, cv2.COLOR_RGB2BGR) if crop.ndim == 3 else crop
        data = cv2.imencode(".png", ordered)[1].tobytes()
        name = sha256_of_bytes(data)[:24]
        if name in self._seen:
            return
        self._seen.add(name)
        target = self._folder / "train" / label
        target.mkdir(parents=True, exist_ok=True)
        write_bytes(target / f"{name}.png", data)
        self._counts[label, band] += 1

    def __enter__(self) -> CalibrationRecorder:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_text(self._folder / "README.txt", _NOTICE.format(folder=self._folder))
        for path in (self._folder / "train").glob("*/*.png"):
            picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            if picture is not None and path.parent.name in self._labels:
                self._seen.add(path.stem)
                self._counts[path.parent.name, bisect_right(SIZE_BANDS_PX, min(picture.shape[:2])) - 1] += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave it; every crop was complete when it was written."""


_OWN = frozenset({"README.txt", "train"})
