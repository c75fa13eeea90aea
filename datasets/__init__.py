"""Labelled faces: the seam that everything reads through, readers of public and own data sets, evaluation."""

from .degradation import EVALUATION_SIZES, paper_sizes, shrink
from .evaluation import EvaluationReport, SizeReport, evaluate_by_size
from .faults import SkippedFile
from .in_memory import InMemoryFaces
from .leakage import pixel_hash, pixel_hashes
from .opening import SPEC_FORMS, open_dataset
from .sample import FaceDataset, FaceSample
from .splits import SPLITS
from .subset import Subset, balanced_indices, evenly_spread, with_labels
from .tracks import SizedBatch, Track, sized_batches

__all__ = [
    "EVALUATION_SIZES",
    "SPEC_FORMS",
    "SPLITS",
    "EvaluationReport",
    "FaceDataset",
    "FaceSample",
    "InMemoryFaces",
    "SizeReport",
    "SizedBatch",
    "SkippedFile",
    "Subset",
    "Track",
    "balanced_indices",
    "evaluate_by_size",
    "evenly_spread",
    "open_dataset",
    "paper_sizes",
    "pixel_hash",
    "pixel_hashes",
    "shrink",
    "sized_batches",
    "with_labels",
]
