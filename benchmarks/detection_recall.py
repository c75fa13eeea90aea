"""Recall of face detectors by face height, at a fixed precision, and their time per frame.

The pictures are a folder with ``boxes.json``: file name -> ``{"boxes": [[x, y, width, height], ...], "invalid": [0 or
1, ...]}`` in pixels. A detection is right when it overlaps a face that no better detection took by an intersection
over union of 0.5 or more. Faces that are marked invalid or lower than 8 px are neither asked for nor held against a
detector that finds them. The score threshold of a setting is the lowest at which ``--precision`` still holds over all
pictures, so that settings compare at the same rate of false alarms.

    python benchmarks/detection_recall.py --detector retinaface --detector yunet:FILE.onnx --max-side 416 832 1248
"""

from __future__ import annotations

import argparse
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
from fsrfer.runtime.detection import DetectorConfig, FaceDetector, open_detector

HEIGHT_BANDS_PX = ((8, 12), (12, 16), (16, 24), (24, 48))
MIN_IOU = 0.5
LEAST_SCORE = 0.02
ANY_ENLARGEMENT = 64.0

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
class Result:
    """One line of the table.

    Attributes:
        detector: What was opened; of a file, its name without folders.
        max_side: Longest side of the network's input.
        threshold: Score at which the precision was reached.
        recall: By band of face height, ``"8-12"``.
        ms_per_frame: Median over the pictures, preparation and decoding included.
    """

    detector: str
    max_side: int
    threshold: float
    recall: dict[str, float]
    ms_per_frame: float


def main() -> None:
    """Measure every setting, print the table, and write it if asked to."""
    options = parse_options()
    pictures = read_pictures(options.pictures)
    results = []
    print_header(pictures)
    for spec in options.detector:
        for max_side in options.max_side:
            results.append(measure(spec, max_side, pictures, options))
            print_result(results[-1])
    if options.json is not None:
        about = {"pictures": len(pictures), "precision": options.precision, "threads": options.threads}
        about["machine"] = platform.machine()
        write_json(options.json, {**about, "results": [asdict(result) for result in results]})


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", action="append", help="as for fsrfer-run; may be given several times")
    parser.add_argument("--max-side", type=int, nargs="+", default=[416, 640, 832, 1248], metavar="PX")
    parser.add_argument("--pictures", type=Path, default=Path("../shared/media/boxes"), metavar="FOLDER")
    parser.add_argument("--precision", type=float, default=0.9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--nms-iou", type=float, default=DetectorConfig.nms_iou)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results here")
    options = parser.parse_args()
    options.detector = options.detector or ["retinaface"]
    return options


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


def measure(spec: str, max_side: int, pictures: Sequence[Picture], options: argparse.Namespace) -> Result:
    """Run one setting over all pictures."""
    config = DetectorConfig(
        score_threshold=LEAST_SCORE,
        nms_iou=options.nms_iou,
        min_face_px=0.0,
        max_side=max_side,
        max_enlargement=ANY_ENLARGEMENT,
    )
    with open_detector(spec, config, threads=options.threads) as detector:
        detector.detect(pictures[0].image)
        timed = [judge(detector, picture) for picture in pictures]
    outcomes = [outcome for outcome, _ in timed]
    threshold = threshold_at(options.precision, outcomes)
    recall = {f"{low}-{high}": recall_of((low, high), threshold, pictures, outcomes) for low, high in HEIGHT_BANDS_PX}
    milliseconds = 1000.0 * float(np.median([seconds for _, seconds in timed]))
    return Result(label_of(spec), max_side, round(threshold, 3), recall, round(milliseconds, 2))


def label_of(spec: str) -> str:
    """Return what was asked for, without the folders of this machine."""
    family, _, file = spec.partition(":")
    return f"{family}:{Path(file).name}" if file else family


def judge(detector: FaceDetector, picture: Picture) -> tuple[Outcome, float]:
    """Return what a detector made of a picture, and the seconds that it took."""
    start = time.perf_counter()
    found = detector.detect(picture.image)
    seconds = time.perf_counter() - start
    overlap = intersection_over_union(found.boxes, picture.boxes)
    face_of = np.full(len(found), -1, np.intp)
    if len(picture.boxes) > 0:
        for index in range(len(found)):  # best score first
            face = int(overlap[index].argmax())
            if overlap[index, face] >= MIN_IOU:
                face_of[index] = face
                overlap[:, face] = 0.0 if picture.counts[face] else overlap[:, face]
    judged = (face_of < 0) | picture.counts[face_of] if len(picture.boxes) > 0 else np.ones(len(found), bool)
    return Outcome(found.scores[judged], face_of[judged]), seconds


def intersection_over_union(a: Array, b: Array) -> Array:
    """Return the overlap of every box of ``a`` (N, 4) with every box of ``b`` (M, 4), float32 (N, M)."""
    corners = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    common = np.maximum(corners, 0.0).prod(axis=2)
    areas_a, areas_b = (a[:, 2:] - a[:, :2]).prod(axis=1), (b[:, 2:] - b[:, :2]).prod(axis=1)
    ratio: Array = common / np.maximum(areas_a[:, None] + areas_b[None, :] - common, 1e-9)
    return ratio


def threshold_at(precision: float, outcomes: Sequence[Outcome]) -> float:
    """Return the lowest score at which the precision holds over all detections at or above it."""
    scores = np.concatenate([outcome.scores for outcome in outcomes])
    right = np.concatenate([outcome.face_of >= 0 for outcome in outcomes])
    order = np.argsort(-scores, kind="stable")
    precisions = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    holds = np.flatnonzero(precisions >= precision)
    return float(scores[order][holds[-1]]) if len(holds) > 0 else 1.0


def recall_of(
    band: tuple[int, int], threshold: float, pictures: Sequence[Picture], outcomes: Sequence[Outcome]
) -> float:
    """Return the share of the faces of a band of heights that was found."""
    wanted = found = 0
    for picture, outcome in zip(pictures, outcomes, strict=True):
        in_band = faces_in(band, picture)
        hits = outcome.face_of[(outcome.scores >= threshold) & (outcome.face_of >= 0)]
        wanted += len(in_band)
        found += len(np.intersect1d(in_band, hits))
    return round(found / wanted, 3) if wanted else 0.0


def faces_in(band: tuple[int, int], picture: Picture) -> npt.NDArray[np.intp]:
    """Return the indices of the counted faces whose height is in a band."""
    heights = picture.boxes[:, 3] - picture.boxes[:, 1]
    return np.flatnonzero(picture.counts & (heights >= band[0]) & (heights < band[1]))


def print_header(pictures: Sequence[Picture]) -> None:
    """Print the head of the table and how many faces each band has."""
    bands = [f"{low}-{high}" for low, high in HEIGHT_BANDS_PX]
    counts = [sum(len(faces_in(band, picture)) for picture in pictures) for band in HEIGHT_BANDS_PX]
    print(f"{'detector':<28} {'side':>5} {'score':>6} " + " ".join(f"{band:>7}" for band in bands) + "   ms/frame")
    print(f"{f'({len(pictures)} pictures)':<28} {'':>5} {'faces':>6} " + " ".join(f"{count:>7}" for count in counts))


def print_result(result: Result) -> None:
    """Print one line of the table."""
    recalls = " ".join(f"{value:>7.3f}" for value in result.recall.values())
    setting = f"{result.detector:<28} {result.max_side:>5} {result.threshold:>6.3f}"
    print(f"{setting} {recalls} {result.ms_per_frame:>10.1f}", flush=True)


if __name__ == "__main__":
    main()
