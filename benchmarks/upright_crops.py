"""What turning tilted faces upright is worth, by face size, and whether landmarks are good enough for it.

Two measurements. First, what the line of the eyes shows: photos are turned by known angles and shrunk until their faces
have a given size, and the tilt that the detector's landmarks show is compared with what it shows in the photo at full
size, plus the angle. Second, what that is worth: test faces are turned by the same angles and shrunk to the same sizes,
their eyes are put where the first measurement says that a detector sees them (its errors are drawn from), and the
model's accuracy is taken with and without turning the crops. Faces of data sets are cropped too tightly for a detector
to find them, hence the two steps.

    python benchmarks/upright_crops.py --data ferplus:PATH --detector retinaface --detector yunet --json FILE
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from fsrfer.core import Precision
from fsrfer.core.crop import UPRIGHT_FROM_DEG, crop_faces, crop_upright_faces, eye_tilts
from fsrfer.core.files import write_json
from fsrfer.datasets.opening import open_dataset
from fsrfer.runtime import default_bundle_path
from fsrfer.runtime.classifier import ExpressionClassifier
from fsrfer.runtime.detection import DetectorConfig, FaceDetections, FaceDetector, open_detector
from fsrfer.runtime.opening import open_bundle

REFERENCE_SIDE_PX = 56.0
SAME_FACE = 0.3
CROP_OF_BOX = 1.2
SCALE_STEP = 1.1
EYE_DISTANCE = 0.45
EXACT = "exact landmarks"

Image = npt.NDArray[np.uint8]
Float = npt.NDArray[np.float64]
Errors = dict[tuple[int, int], Float]


@dataclass(frozen=True)
class Reading:
    """What a detector's landmarks show of faces of one size that are turned by one angle.

    Attributes:
        detector: Its name.
        side_px: Side of the square crop.
        angle_deg: By how much the photo was turned.
        faces: How many there were.
        found: Share that was found at all.
        median_error_deg: Of the tilt that the eyes show; minus the angle where they show none.
        spread_deg: Standard deviation of it.
    """

    detector: str
    side_px: int
    angle_deg: int
    faces: int
    found: float
    median_error_deg: float
    spread_deg: float


@dataclass(frozen=True)
class Accuracy:
    """Accuracy in percent on faces of one size that are turned by one angle.

    Attributes:
        side_px: Side of the crop.
        angle_deg: By how much the faces were turned, half of them to either side.
        plain: Crops as they are.
        upright: Crops turned by the landmarks of a detector, by its name.
    """

    side_px: int
    angle_deg: int
    plain: float
    upright: dict[str, float]


def main() -> None:
    """Measure, print both tables, and write them if asked to."""
    options = parse_options()
    photos = [read_rgb(path) for path in sorted(options.photos.glob("*.jpg"))]
    readings: list[Reading] = []
    errors: dict[str, Errors] = {
        EXACT: {(side, angle): np.zeros(1) for side in options.sides for angle in options.angles}
    }
    for spec in options.detector:
        with open_detector(spec, DetectorConfig(min_face_px=4.0), threads=options.threads) as detector:
            of_detector, errors[spec] = read_landmarks(spec, detector, photos, options)
            readings += of_detector
    accuracies = []
    faces, labels = read_faces(options)
    with open_bundle(options.bundle, precision=options.precision, threads=options.threads) as classifier:
        for side in options.sides:
            for angle in options.angles:
                accuracies.append(measure(classifier, faces, labels, (side, angle), errors))
                print(accuracies[-1], flush=True)
    if options.json is not None:
        about = {"faces": len(faces), "photos": len(photos), "precision": options.precision.value}
        about["min_tilt_deg"] = UPRIGHT_FROM_DEG
        tables = {"landmarks": [asdict(reading) for reading in readings], "accuracy": [asdict(a) for a in accuracies]}
        write_json(options.json, {**about, **tables})


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="as for fsrfer-train; its test faces are used")
    parser.add_argument("--bundle", type=Path, default=default_bundle_path())
    parser.add_argument("--precision", type=Precision, default=Precision.FP32, help="fp32 or int8")
    parser.add_argument("--detector", action="append", help="as for fsrfer-run; may be given several times")
    parser.add_argument("--photos", type=Path, default=Path("../shared/media/photos"), metavar="FOLDER")
    parser.add_argument("--sides", type=int, nargs="+", default=[12, 16, 20, 24, 32, 48], metavar="PX")
    parser.add_argument("--angles", type=int, nargs="+", default=[0, 15, 30, 45], metavar="DEG")
    parser.add_argument("--every", type=int, default=1, help="take every n-th test face")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results here")
    options = parser.parse_args()
    options.detector = options.detector or ["retinaface"]
    return options


def read_rgb(path: Path) -> Image:
    """Read a picture."""
    return np.ascontiguousarray(cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1])


def read_faces(options: argparse.Namespace) -> tuple[list[Image], npt.NDArray[np.int64]]:
    """Read the test faces and their labels, as indices into the bundle's labels: both follow the canonical order."""
    data = open_dataset(options.data, "test")
    samples = [data[index] for index in range(0, len(data), options.every)]
    return [sample.image for sample in samples], np.array([sample.label for sample in samples])


def read_landmarks(
    name: str, detector: FaceDetector, photos: Sequence[Image], options: argparse.Namespace
) -> tuple[list[Reading], Errors]:
    """Turn and shrink photos, and compare the tilt that the eyes show with what it should be."""
    clear = detector.with_config(DetectorConfig(max_side=1600, max_enlargement=1.5, score_threshold=0.8))
    references = [(photo, large_faces(clear.detect(photo))) for photo in photos]
    errors: dict[tuple[int, int], list[float]] = defaultdict(list)
    counts: dict[tuple[int, int], int] = defaultdict(int)
    for photo, faces in references:
        for angle in options.angles:
            turned, matrix = turn(photo, angle)
            for side in options.sides:
                # Photos have faces of several sizes: each is measured where it comes to within a twentieth of the side.
                steps = np.rint(np.log(side / (CROP_OF_BOX * faces.sides)) / np.log(SCALE_STEP))
                for step in np.unique(steps):
                    scale, near = float(SCALE_STEP**step), faces.select(steps == step)
                    small = cv2.resize(turned, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                    expected = (near.landmarks @ matrix[:, :2].T + matrix[:, 2]) * scale
                    found = detector.detect(np.asarray(small, np.uint8))
                    counts[side, angle] += len(near)
                    errors[side, angle] += errors_of(found, expected.astype(np.float32), near, angle, scale)
    readings = [
        Reading(name, *key, counts[key], len(values) / counts[key], float(np.median(values)), float(np.std(values)))
        for key, values in sorted(errors.items())
        if values
    ]
    for reading in readings:
        print(reading, flush=True)
    return readings, {key: np.array(values or [0.0]) for key, values in errors.items()}


def large_faces(faces: FaceDetections) -> FaceDetections:
    """Return the faces that are large enough for their landmarks to be taken as true."""
    return faces.select(faces.sides >= REFERENCE_SIDE_PX)


def turn(photo: Image, angle_deg: float) -> tuple[Image, Float]:
    """Turn a photo clockwise on a canvas that holds all of it; return it and the matrix that did it."""
    height, width = photo.shape[:2]
    matrix = np.array(cv2.getRotationMatrix2D((width / 2, height / 2), -angle_deg, 1.0), np.float64)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = round(height * sine + width * cosine), round(height * cosine + width * sine)
    matrix[:, 2] += np.array([size[0] - width, size[1] - height]) / 2
    return np.asarray(cv2.warpAffine(photo, matrix, size), np.uint8), matrix


def errors_of(
    found: FaceDetections, expected: npt.NDArray[np.float32], faces: FaceDetections, angle: float, scale: float
) -> list[float]:
    """Return the errors of the tilt of those faces that were found, in degrees."""
    if len(found) == 0 or found.landmarks is None or faces.landmarks is None:
        return []
    errors = []
    shown = eye_tilts(found.landmarks, np.zeros((len(found), 4), np.float32))
    true = eye_tilts(faces.landmarks, np.zeros((len(faces), 4), np.float32)) + angle
    for index, points in enumerate(expected):
        away = np.linalg.norm(found.landmarks.mean(axis=1) - points.mean(axis=0), axis=1)
        nearest = int(away.argmin())
        if away[nearest] < SAME_FACE * faces.sides[index] * scale:
            errors.append(float((shown[nearest] - true[index] + 180.0) % 360.0 - 180.0))
    return errors


def measure(
    classifier: ExpressionClassifier,
    faces: Sequence[Image],
    labels: npt.NDArray[np.int64],
    key: tuple[int, int],
    errors: dict[str, Errors],
) -> Accuracy:
    """Return the accuracy on faces of a size that are turned by an angle, with and without turning the crops."""
    side, angle = key
    rng = np.random.default_rng([side, angle])
    angles = np.where(np.arange(len(faces)) % 2 == 0, angle, -angle)
    scenes = [scene_of(face, tilt, side) for face, tilt in zip(faces, angles, strict=True)]
    margin = classifier.manifest.preprocess.crop_margin
    box = box_of(side, margin)
    plain = accuracy(classifier, [crop_faces(scene, box, margin)[0] for scene in scenes], labels)
    upright = {}
    for name, drawn in errors.items():
        shown = angles + np.sign(angles + 0.5) * rng.choice(drawn[key], len(faces))
        crops = [
            crop_upright_faces(scene, box, eyes_at(tilt, box), margin, min_side_px=0)[0]
            for scene, tilt in zip(scenes, shown, strict=True)
        ]
        upright[name] = accuracy(classifier, crops, labels)
    return Accuracy(side, angle, plain, upright)


def scene_of(face: Image, angle_deg: float, side: int) -> Image:
    """Return a frame of three times ``side`` with a face that is turned clockwise in its middle."""
    size = len(face)
    wide = cv2.copyMakeBorder(face, size, size, size, size, cv2.BORDER_REPLICATE)
    middle = ((3 * size - 1) / 2, (3 * size - 1) / 2)
    matrix = cv2.getRotationMatrix2D(middle, -angle_deg, 1.0)
    turned = cv2.warpAffine(wide, matrix, (3 * size, 3 * size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(turned, (3 * side, 3 * side), interpolation=cv2.INTER_AREA), np.uint8)


def box_of(side: int, margin: float) -> npt.NDArray[np.float32]:
    """Return the box in the middle of the frame whose crop has this side."""
    half = side / (1 + 2 * margin) / 2
    return np.array([[1.5 * side - half, 1.5 * side - half, 1.5 * side + half, 1.5 * side + half]], np.float32)


def eyes_at(tilt_deg: float, box: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return landmarks whose eyes show a tilt: float32 (1, 5, 2)."""
    middle, side = (box[0, :2] + box[0, 2:]) / 2, box[0, 2] - box[0, 0]
    along = EYE_DISTANCE / 2 * side * np.array([np.cos(np.radians(tilt_deg)), np.sin(np.radians(tilt_deg))])
    return np.array([[middle - along, middle + along, middle, middle, middle]], np.float32)


def accuracy(classifier: ExpressionClassifier, crops: Sequence[Image], labels: npt.NDArray[np.int64]) -> float:
    """Return the share of crops that are classified right, in percent."""
    predicted = classifier.classify(crops).probabilities.argmax(axis=1)
    return round(100.0 * float(np.mean(predicted == labels)), 2)


if __name__ == "__main__":
    main()
