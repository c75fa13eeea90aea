"""Small data sets in the layouts of the real ones."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from fsrfer.core.labels import FERPLUS_LABELS


def picture(seed: int, *shape: int) -> np.ndarray:
    """A smooth random picture, so that JPEG keeps it nearly as it is."""
    noise = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3)


def encode(suffix: str, image: np.ndarray) -> bytes:
    ok, data = cv2.imencode(suffix, image)
    assert ok
    return data.tobytes()


@pytest.fixture(scope="session")
def jpeg() -> Callable[..., bytes]:
    """Bytes of a small JPEG file: ``jpeg(seed, side=20)``."""
    return lambda seed, side=20: encode(".jpg", picture(seed, side, side, 3))


@pytest.fixture
def make_rafdb(jpeg) -> Callable[..., Path]:
    """Writer of RAF-DB's layout: ``make_rafdb(path, {"train_00001.jpg": 5, ...}, boxes=, attributes=)``."""

    def write(path: Path, labels: dict[str, int], *, boxes: bool = False, attributes: bool = False) -> Path:
        for folder in ("EmoLabel", "Image/aligned", "Image/original", "Annotation/manual"):
            (path / folder).mkdir(parents=True)
        lines = [f"{name} {label}\n" for name, label in labels.items()]
        (path / "EmoLabel/list_patition_label.txt").write_text("".join(lines))
        for seed, name in enumerate(labels):
            stem = Path(name).stem
            (path / f"Image/aligned/{stem}_aligned.jpg").write_bytes(jpeg(seed))
            (path / f"Image/original/{stem}.jpg").write_bytes(jpeg(seed, 60))
            if boxes:
                (path / "Annotation/boundingbox").mkdir(exist_ok=True)
                (path / f"Annotation/boundingbox/{stem}_boundingbox.txt").write_text("10.0 12.0 30.0 32.0 \n")
            if attributes:
                landmarks = "".join(f"{position}.5\t{position}.25\n" for position in range(5))
                (path / f"Annotation/manual/{stem}_manu_attri.txt").write_text(f"{landmarks}1\n2\n3\n")
        return path

    return write


@pytest.fixture
def make_folders(jpeg) -> Callable[..., Path]:
    """Writer of folders: ``make_folders(path, {"train/happiness": 3, ...})``."""

    def write(path: Path, counts: dict[str, int]) -> Path:
        seed = 0
        for folder, count in counts.items():
            (path / folder).mkdir(parents=True)
            for number in range(count):
                (path / folder / f"{number}.jpg").write_bytes(jpeg(seed))
                seed += 1
        return path

    return write


@pytest.fixture
def ferplus_rows() -> Callable[..., list[tuple[str, str, np.ndarray, list[int]]]]:
    """Rows of FER+ with clear votes: ``ferplus_rows(usage, count, start=0)`` gives usage, name, image and votes."""

    def make(usage: str, count: int, start: int = 0) -> list[tuple[str, str, np.ndarray, list[int]]]:
        rows = []
        for number in range(start, start + count):
            votes = [0] * 10
            votes[number % len(FERPLUS_LABELS)] = 7
            votes[(number + 1) % len(FERPLUS_LABELS)] = 3
            rows.append((usage, f"fer{number:07}.png", picture(number, 48, 48), votes))
        return rows

    return make


@pytest.fixture
def write_ferplus_lists() -> Callable[[Path, Sequence], Path]:
    """Writer of the official pair of lists: ``write_ferplus_lists(path, rows)``."""

    def write(path: Path, rows: Sequence) -> Path:
        path.mkdir(parents=True, exist_ok=True)
        with (path / "fer2013.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["emotion", "pixels", "Usage"])
            writer.writerows([0, " ".join(map(str, image.ravel())), usage] for usage, _, image, _ in rows)
        with (path / "fer2013new.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["Usage", "Image name", *FERPLUS_LABELS, "unknown", "NF"])
            writer.writerows([usage, name, *votes] for usage, name, _, votes in rows)
        return path

    return write


@pytest.fixture
def write_ferplus_arrays() -> Callable[[Path, str, Sequence], Path]:
    """Writer of one array file: ``write_ferplus_arrays(path, split, rows)``."""

    def write(path: Path, split: str, rows: Sequence) -> Path:
        path.mkdir(parents=True, exist_ok=True)
        np.savez(
            path / f"{split}.npz",
            images=np.stack([image for _, _, image, _ in rows]),
            votes=np.array([votes for *_, votes in rows], np.uint8),
            names=np.array([name for _, name, _, _ in rows]),
        )
        return path

    return write
