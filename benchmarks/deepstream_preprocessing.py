"""What DeepStream's preprocessing costs, emulated: one face size for all, and how nvinfer cuts and scales faces.

    python benchmarks/deepstream_preprocessing.py --data ferplus:PATH --faces 600 --output FILE

First the bundle's graph is told one native size for every face, instead of its own. Then faces are cut and scaled as
Gst-nvinfer's sources do it (left and top of a box rounded up to even pixels, width and height down), by OpenCV's
kernels in place of the GPU's: from the box as a detector gives it, stretched or padded in black, and from the square
crop to which the exported pipeline widens it. Boxes are the data set's crops without the model's margin, four fifths as
wide as high. DeepStream itself takes no part.
"""

import argparse
import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from record import record

from fsrfer.core import ModelBundle, preprocess
from fsrfer.core.bundle import TemperatureBand
from fsrfer.core.options import Precision
from fsrfer.core.resample import bicubic_resize
from fsrfer.datasets import Track, evaluate_by_size, open_dataset
from fsrfer.datasets.subset import evenly_spread, with_labels
from fsrfer.export.deepstream import GRAPH_FILE, PIPELINE_FILE, DeepStreamOptions, export_deepstream
from fsrfer.runtime import OnnxRuntimeRunner
from fsrfer.runtime.opening import open_bundle
from fsrfer.runtime.shipped import default_bundle_path

Uint8Array = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]
FILTERS = {"nearest": cv2.INTER_NEAREST, "bilinear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}
_BORDER = 8
_ASPECT = 0.8


def nvinfer_input(frame: Uint8Array, box: Box, side: int, kernel: str, *, keep_aspect: bool) -> Uint8Array:
    """Return what nvinfer makes of a grey frame's box, uint8 (side, side)."""
    left, top = (int(value) + int(value) % 2 for value in box[:2])
    width, height = (max(2, int(value) - int(value) % 2) for value in box[2:])
    cut = frame[top : top + height, left : left + width]
    if not keep_aspect:
        return np.asarray(cv2.resize(cut, (side, side), interpolation=FILTERS[kernel]), np.uint8)
    scale = side / max(cut.shape)
    shape = (max(1, int(cut.shape[1] * scale)), max(1, int(cut.shape[0] * scale)))
    padded = np.zeros((side, side), np.uint8)
    x, y = (side - shape[0]) // 2, (side - shape[1]) // 2
    padded[y : y + shape[1], x : x + shape[0]] = cv2.resize(cut, shape, interpolation=FILTERS[kernel])
    return padded


def placed(crop: Uint8Array, margin: float, rng: np.random.Generator) -> tuple[Uint8Array, Box]:
    """Return a frame around a crop, at an odd or even place, and the detector's box in it."""
    x, y = (int(value) for value in rng.integers(_BORDER, _BORDER + 2, 2))
    frame = cv2.copyMakeBorder(crop, y, _BORDER, x, _BORDER, cv2.BORDER_REPLICATE)
    height = crop.shape[0] / (1.0 + 2.0 * margin)
    width = _ASPECT * height
    left, top = x + (crop.shape[1] - width) / 2, y + (crop.shape[0] - height) / 2
    return np.asarray(frame, np.uint8), (left, top, width, height)


def fixed_sizes(bundle: ModelBundle, dataset: Any, sizes: list[int], fixed: list[int]) -> list[dict[str, Any]]:
    """Return accuracies by face size of a model that is told one size for all; None tells it the true one.

    Confidence is calibrated by the temperature of the size that is told, as in the exported graph.
    """
    rows = []
    with open_bundle(bundle.path, precision=Precision.FP32) as classifier:
        for track in Track:
            for told in (None, *fixed):

                def classify(faces: Uint8Array, native: Any, told: int | None = told) -> Any:
                    return classifier.logits(faces, native if told is None else np.full_like(native, told))

                bands = bundle.manifest.temperatures
                if told is not None and bands:
                    kept = [band for band in bands if band.min_face_px <= told] or bands[:1]
                    bands = (TemperatureBand(0.0, kept[-1].temperature),)
                report = evaluate_by_size(
                    classify, dataset, bundle.manifest.preprocess, sizes, temperatures=bands, track=track
                )
                row = _row(sizes, [found.accuracy.value for found in report.sizes])
                errors = {f"{found.face_size_px}px": round(found.ece, 3) for found in report.sizes}
                rows.append({"track": track.value, "told_px": told, **row, "calibration_error": errors})
                print(rows[-1], flush=True)
    return rows


def cut_and_scaled(bundle: ModelBundle, dataset: Any, sizes: list[int], told: int) -> list[dict[str, Any]]:
    """Return accuracies of the exported graph by face size and way to cut."""
    spec = bundle.manifest.preprocess
    with tempfile.TemporaryDirectory() as name:
        export_deepstream(bundle, Path(name), DeepStreamOptions(face_size_px=told))
        widened = _loaded(Path(name) / PIPELINE_FILE).widened
        graph = (Path(name) / GRAPH_FILE).read_bytes()

    def wide(frame: Uint8Array, box: Box) -> Box:
        result: Box = widened(*box, frame.shape[1], frame.shape[0])
        return result

    def by_nvinfer(frame: Uint8Array, box: Box, kernel: str, *, keep_aspect: bool = False) -> Uint8Array:
        return nvinfer_input(frame, box, spec.height, kernel, keep_aspect=keep_aspect)

    ways: dict[str, Callable[[Uint8Array, Uint8Array, Box], Uint8Array]] = {
        "as the bundle preprocesses": lambda crop, _frame, _box: preprocess([crop], spec)[0][0, 0],
        **{
            f"widened, {kernel}": lambda _crop, frame, box, kernel=kernel: by_nvinfer(frame, wide(frame, box), kernel)
            for kernel in ("cubic", "bilinear", "nearest")
        },
        "box, stretched, cubic": lambda _crop, frame, box: by_nvinfer(frame, box, "cubic"),
        "box, padded, cubic": lambda _crop, frame, box: by_nvinfer(frame, box, "cubic", keep_aspect=True),
    }
    images = [_gray(dataset[index].image) for index in range(len(dataset))]
    rows = []
    with OnnxRuntimeRunner(graph) as runner:
        for way, made in ways.items():
            accuracies = []
            for size in sizes:
                rng = np.random.default_rng(size)
                inputs = []
                for image in images:
                    crop = bicubic_resize(image, size)
                    inputs.append(made(crop, *placed(crop, spec.crop_margin, rng)))
                batch = np.stack(inputs)[:, None].astype(np.float32)
                parts = [batch[start : start + 64] for start in range(0, len(batch), 64)]
                found = np.concatenate([runner.infer({"faces": part})["probabilities"] for part in parts]).argmax(
                    axis=1
                )
                accuracies.append(float((found == dataset.label_indices).mean()))
            rows.append({"way": way, **_row(sizes, accuracies)})
            print(rows[-1], flush=True)
    return rows


def _row(sizes: list[int], accuracies: list[float]) -> dict[str, float]:
    named = {f"{size}px": round(100 * value, 2) for size, value in zip(sizes, accuracies, strict=True)}
    return {**named, "mean": round(100 * float(np.mean(accuracies)), 2)}


def _gray(image: Uint8Array) -> Uint8Array:
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("exported_pipeline", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=default_bundle_path(), help="a grey model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="valid")
    parser.add_argument("--faces", type=int, default=600)
    parser.add_argument("--sizes", type=int, nargs="+", default=[48, 32, 24, 16, 12, 8])
    parser.add_argument("--fixed", type=int, nargs="*", default=[48, 32, 24, 16, 12, 8], help="sizes told to the model")
    parser.add_argument("--told", type=int, default=12, help="size told while cuts are compared")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    bundle = ModelBundle.load(options.bundle)
    dataset = with_labels(
        evenly_spread(open_dataset(options.data, options.split), options.faces), bundle.manifest.labels
    )
    measured = {
        "dataset": dataset.dataset_id,
        "cuts": cut_and_scaled(bundle, dataset, options.sizes, options.told),
        "fixed": fixed_sizes(bundle, dataset, options.sizes, options.fixed),
    }
    record(measured, options.output)


if __name__ == "__main__":
    main()
