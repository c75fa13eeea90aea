"""Labelled faces: the seam that everything reads through, readers of public and own data sets, evaluation."""

from .faults import SkippedFile
from .in_memory import InMemoryFaces
from .opening import SPEC_FORMS, open_dataset
from .sample import FaceDataset, FaceSample
from .splits import SPLITS

__all__ = [
    "SPEC_FORMS",
    "SPLITS",
    "FaceDataset",
    "FaceSample",
    "InMemoryFaces",
    "SkippedFile",
    "open_dataset",
]
