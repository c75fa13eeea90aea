"""Recall of face detectors by face height, at a fixed precision, and their time per frame.

The pictures are a folder with ``boxes.json``: file name -> ``{"boxes": [[x, y, width, height], ...], "invalid": [0 or
1, ...]}`` in pixels. A detection is right when it overlaps a face that no better detection took by an intersection
over union of 0.5 or more. Faces that are marked invalid or lower than 8 px are neither asked for nor held against a
detector that finds them; nor is a false alarm lower than 8 px, as in COCO's evaluation by size, unless ``--strict``
counts those. The score threshold of a setting is the lowest at which ``--precision`` still holds over all pictures, so
that settings compare at the same rate of false alarms. Intervals are of 95 %, by resampling pictures, thresholds
included.

Time is that of the processor, of one thread: it also holds on a machine that does other things meanwhile.

    python benchmarks/detection_recall.py --detector retinaface --detector yunet --enlarge 1 2 3 --scales 1 1,0.667
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from fsrfer.core.files import write_json
from fsrfer.runtime.detection import DetectorConfig, FaceDetector, TilingConfig, open_detector
from fsrfer.runtime.detection.nms import intersection_over_union

HEIGHT_BANDS_PX = ((8, 12), (12, 16), (16, 24), (24, 48))
LOWEST_PX = HEIGHT_BANDS_PX[0][0]
MIN_IOU = 0.5
LEAST_SCORE = 0.05
ANY_SIDE_PX = 1_000_000
RESAMPLINGS = 200

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Picture:
    """A picture and its faces.

    Attributes:
        image: uint8 (height, width, 3), RGB.
        boxes: float32 (F, 4), x0, y0, x1, y1 in pixels.
        counts: bool (F,), whether the face is asked for.
    """

    image: npt.NDArray[np.uint8]
    boxes: Array
    counts: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Outcome:
    """What a detector made of one picture.

    Attributes:
        scores: float32 (D,), of the detections that are right or wrong; those on uncounted faces are left out.
        face_of: int (D,), index of the detection's face in the picture, -1 for a false alarm.
    """

    scores: Array
    face_of: npt.NDArray[np.intp]


@dataclass(frozen=True)
class Setting:
    """One way to look at the pictures.

    Attributes:
        detector: As for ``fsrfer-run``.
        enlarge: Factor by which pictures, or their tiles, are enlarged before the network sees them.
        scales: Factors of that size at which the network looks.
        tile: Side and overlap of the tiles in pixels; None for whole pictures.
    """

    detector: str
    enlarge: float
    scales: tuple[float, ...]
    tile: tuple[int, int] | None

    def open(self, threads: int, nms_iou: float) -> FaceDetector:
        """Open the detector so that it reports everything that could be a face."""
        config = DetectorConfig(
            score_threshold=LEAST_SCORE,
            nms_iou=nms_iou,
            min_face_px=0.0,
            max_side=ANY_SIDE_PX,
            max_enlargement=self.enlarge,
            scales=self.scales,
        )
        tiling = None if self.tile is None else TilingConfig(side=self.tile[0], overlap=self.tile[1])
        return open_detector(self.detector, config, tiling=tiling, threads=threads)


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Attributes:
        detector: What was opened; of a file, its name without folders.
        enlarge: Factor by which pictures were enlarged.
        scales: Factors of that size at which the network looked.
        tile: Side and overlap of the tiles.
        threshold: Score at which the precision was reached.
        recall: By band of face height, ``"8-12"``.
        interval: Of the recall, by band.
        cpu_ms_per_frame: Median over the pictures, preparation and decoding included.
    """

    detector: str
    enlarge: float
    scales: tuple[float, ...]
    tile: tuple[int, int] | None
    threshold: float
    recall: dict[str, float]
    interval: dict[str, tuple[float, float]]
    cpu_ms_per_frame: float


def main() -> None:
    """Measure every setting, print the table, and write it if asked to."""
    options = parse_options()
    pictures = read_pictures(options.pictures)
    results = []
    print_header(pictures)
    for setting in settings_of(options):
        results.append(measure(setting, pictures, options))
        print_result(results[-1])
    if options.json is not None:
        about = {"pictures": len(pictures), "precision": options.precision, "threads": options.threads}
        about |= {"nms_iou": options.nms_iou, "strict": options.strict, "machine": platform.machine()}
        write_json(options.json, {**about, "results": [asdict(result) for result in results]})


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", action="append", help="as for fsrfer-run; may be given several times")
    parser.add_argument("--enlarge", type=float, nargs="+", default=[1.0, 2.0, 3.0], metavar="FACTOR")
    parser.add_argument("--scales", type=scales_in, nargs="+", default=[(1.0,)], metavar="S,S", help="such as 1,0.667")
    parser.add_argument("--tile", type=tile_in, nargs="+", default=[None], metavar="SIDE:OVERLAP", help="or none")
    parser.add_argument("--pictures", type=Path, default=Path("../shared/media/boxes"), metavar="FOLDER")
    parser.add_argument("--precision", type=float, default=0.9)
    parser.add_argument("--strict", action="store_true", help="count false alarms of less than 8 px as well")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--nms-iou", type=float, default=DetectorConfig.nms_iou)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results here")
    options = parser.parse_args()
    options.detector = options.detector or ["retinaface"]
    return options


def scales_in(text: str) -> tuple[float, ...]:
    """Parse ``1,0.667``."""
    return tuple(float(part) for part in text.split(","))


def tile_in(text: str) -> tuple[int, int] | None:
    """Parse ``208:64``, or ``none``."""
    if text == "none":
        return None
    side, _, overlap = text.partition(":")
    return int(side), int(overlap)


def settings_of(options: argparse.Namespace) -> list[Setting]:
    """Return every combination that was asked for."""
    combinations = itertools.product(options.detector, options.scales, options.tile, options.enlarge)
    return [Setting(detector, enlarge, scales, tile) for detector, scales, tile, enlarge in combinations]


def read_pictures(folder: Path) -> list[Picture]:
    """Read the pictures of a folder and their faces."""
    pictures = []
    for name, entry in json.loads((folder / "boxes.json").read_text(encoding="utf-8")).items():
        image_bgr = cv2.imread(str(folder / name), cv2.IMREAD_COLOR)
        if image_bgr is None:
            raise SystemExit(f"cannot read {folder / name}")
        boxes = np.asarray(entry["boxes"], np.float32).reshape(-1, 4)
        valid = ~np.asarray(entry["invalid"], bool)
        counts = valid & (boxes[:, 3] >= HEIGHT_BANDS_PX[0][0])
        boxes[:, 2:] += boxes[:, :2]
        pictures.append(Picture(np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), np.uint8), boxes, counts))
    return pictures


def measure(setting: Setting, pictures: Sequence[Picture], options: argparse.Namespace) -> Result:
    """Run one setting over all pictures."""
    with setting.open(options.threads, options.nms_iou) as detector:
        detector.detect(pictures[0].image)
        timed = [judge(detector, picture, strict=options.strict) for picture in pictures]
    outcomes = [outcome for outcome, _ in timed]
    threshold = threshold_at(options.precision, outcomes)
    recall = recalls(options.precision, pictures, outcomes)
    rng = np.random.default_rng(0)
    samples = [rng.integers(0, len(pictures), len(pictures)) for _ in range(RESAMPLINGS)]
    resampled = [
        recalls(options.precision, [pictures[index] for index in sample], [outcomes[index] for index in sample])
        for sample in samples
    ]
    low, high = np.quantile([list(values.values()) for values in resampled], (0.025, 0.975), axis=0).round(3)
    return Result(
        detector=label_of(setting.detector),
        enlarge=setting.enlarge,
        scales=setting.scales,
        tile=setting.tile,
        threshold=round(threshold, 3),
        recall={band: round(value, 3) for band, value in recall.items()},
        interval={band: (float(low[index]), float(high[index])) for index, band in enumerate(recall)},
        cpu_ms_per_frame=round(1000.0 * float(np.median([seconds for _, seconds in timed])), 2),
    )


def label_of(spec: str) -> str:
    """Return what was asked for, without the folders of this machine."""
    family, _, file = spec.partition(":")
    return f"{family}:{Path(file).name}" if file else family


def judge(detector: FaceDetector, picture: Picture, *, strict: bool) -> tuple[Outcome, float]:
    """Return what a detector made of a picture, and the processor's seconds that it took."""
    start = time.process_time()
    found = detector.detect(picture.image)
    seconds = time.process_time() - start
    overlap = intersection_over_union(found.boxes, picture.boxes)
    face_of = np.full(len(found), -1, np.intp)
    if len(picture.boxes) > 0:
        for index in range(len(found)):  # best score first
            face = int(overlap[index].argmax())
            if overlap[index, face] >= MIN_IOU:
                face_of[index] = face
                overlap[:, face] = 0.0 if picture.counts[face] else overlap[:, face]
    is_alarm = face_of < 0
    is_counted = is_alarm.copy() if len(picture.boxes) == 0 else is_alarm | picture.counts[face_of]
    if not strict:
        is_counted &= ~(is_alarm & (found.boxes[:, 3] - found.boxes[:, 1] < LOWEST_PX))
    return Outcome(found.scores[is_counted], face_of[is_counted]), seconds


def threshold_at(precision: float, outcomes: Sequence[Outcome]) -> float:
    """Return the lowest score at which the precision holds over all detections at or above it."""
    scores = np.concatenate([outcome.scores for outcome in outcomes])
    right = np.concatenate([outcome.face_of >= 0 for outcome in outcomes])
    order = np.argsort(-scores, kind="stable")
    precisions = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    holds = np.flatnonzero(precisions >= precision)
    return float(scores[order][holds[-1]]) if len(holds) > 0 else 1.0


def recalls(precision: float, pictures: Sequence[Picture], outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the share of the faces that was found at a precision, by band of heights."""
    threshold = threshold_at(precision, outcomes)
    return {f"{low}-{high}": recall_of((low, high), threshold, pictures, outcomes) for low, high in HEIGHT_BANDS_PX}


def recall_of(
    band: tuple[int, int], threshold: float, pictures: Sequence[Picture], outcomes: Sequence[Outcome]
) -> float:
    """Return the share of the faces of a band of heights that scored a threshold or more."""
    wanted = found = 0
    for picture, outcome in zip(pictures, outcomes, strict=True):
        in_band = faces_in(band, picture)
        hits = outcome.face_of[(outcome.scores >= threshold) & (outcome.face_of >= 0)]
        wanted += len(in_band)
        found += len(np.intersect1d(in_band, hits))
    return found / wanted if wanted else 0.0


def faces_in(band: tuple[int, int], picture: Picture) -> npt.NDArray[np.intp]:
    """Return the indices of the counted faces whose height is in a band."""
    heights = picture.boxes[:, 3] - picture.boxes[:, 1]
    return np.flatnonzero(picture.counts & (heights >= band[0]) & (heights < band[1]))


def print_header(pictures: Sequence[Picture]) -> None:
    """Print the head of the table and how many faces each band has."""
    bands = [f"{low}-{high}" for low, high in HEIGHT_BANDS_PX]
    counts = [sum(len(faces_in(band, picture)) for picture in pictures) for band in HEIGHT_BANDS_PX]
    print(f"{'detector':<26} {'enlarged':<22} {'score':>5} " + " ".join(f"{band:>15}" for band in bands) + "  CPU ms")
    print(f"{f'({len(pictures)} pictures)':<26} {'':<22} {'faces':>5} " + " ".join(f"{n:>15}" for n in counts))


def print_result(result: Result) -> None:
    """Print one line of the table."""
    recalls = [
        f"{value:.3f} {low:.2f}-{high:.2f}"
        for value, (low, high) in zip(result.recall.values(), result.interval.values(), strict=True)
    ]
    looks = ", ".join(f"{result.enlarge * scale:.2g}x" for scale in result.scales)
    tiles = "" if result.tile is None else f" tiles {result.tile[0]}:{result.tile[1]}"
    setting = f"{result.detector:<26} {looks + tiles:<22} {result.threshold:>5.3f}"
    print(f"{setting} {' '.join(f'{text:>15}' for text in recalls)} {result.cpu_ms_per_frame:>7.1f}", flush=True)


if __name__ == "__main__":
    main()
