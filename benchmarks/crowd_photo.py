"""Faces that detectors find in a photograph of a crowd, whole and by tiles, and a sheet of them to be judged by eye.

python benchmarks/crowd_photo.py PHOTO.jpg --detector retinaface --detector yunet:FILE.onnx --tile 320 640 --sheets DIR

Each sheet shows a hundred of the faces that one way found, drawn at random with a seed, each with some of what is
around it. Look at them: what is no face is an error.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from record import record

from fsrfer.core.crop import square_boxes
from fsrfer.runtime.detection import DetectorConfig, FaceDetections, TilingConfig, open_detector
from fsrfer.runtime.face_crops import cut_faces

SAMPLE = 100
COLUMNS = 10
CELL_PX = 72
MARGIN = 0.5  # of a box's longer side: enough around a face to tell that it is one


def sheet(photo: np.ndarray, found: FaceDetections, seed: int) -> np.ndarray:
    """Return a picture of some of the faces, in random order."""
    chosen = np.random.default_rng(seed).permutation(len(found))[:SAMPLE]
    rows = -(-len(chosen) // COLUMNS)
    picture = np.full((max(rows, 1) * CELL_PX, COLUMNS * CELL_PX, 3), 32, np.uint8)
    for place, crop in enumerate(cut_faces(photo, found.select(chosen), MARGIN)):
        top, left = (place // COLUMNS) * CELL_PX, (place % COLUMNS) * CELL_PX
        side = CELL_PX - 4
        picture[top : top + side, left : left + side] = cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC)
    return picture


def sides(found: FaceDetections) -> list[float]:
    """Return quantiles 0, 0.1, 0.5, 0.9 and 1 of the sides of the squares around faces, in pixels."""
    squares = square_boxes(found.boxes, 0.0)
    quantiles = np.quantile(squares[:, 2] - squares[:, 0], [0, 0.1, 0.5, 0.9, 1]) if len(found) else []
    return [round(float(value), 1) for value in quantiles]


def main() -> None:
    """Search, count, and draw the sheets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--detector", action="append", required=True, help="as for fsrfer-run; repeatable")
    parser.add_argument("--tile", type=int, nargs="*", default=[], help="sides of tiles in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheets", type=Path, help="folder for the sheets")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    photo = cv2.cvtColor(cv2.imread(str(options.photo)), cv2.COLOR_BGR2RGB)
    if options.sheets is not None:
        options.sheets.mkdir(parents=True, exist_ok=True)
    rows = []
    for spec in options.detector:
        family = spec.partition(":")[0]
        for tile in (None, *options.tile):
            tiling = None if tile is None else TilingConfig(tile, overlap=min(TilingConfig.overlap, tile // 2))
            with open_detector(spec, DetectorConfig(), tiling=tiling, threads=1) as detector:
                found = detector.detect(photo)
            rows.append({"detector": family, "tile": tile, "faces": len(found), "sides_px": sides(found)})
            if options.sheets is not None:
                drawn = cv2.cvtColor(sheet(photo, found, options.seed), cv2.COLOR_RGB2BGR)
                cv2.imwrite(str(options.sheets / f"{family}-{tile or 'whole'}.png"), drawn)
    record({"photo_px": [photo.shape[1], photo.shape[0]], "found": rows}, options.output)


if __name__ == "__main__":
    main()
