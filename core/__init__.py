"""What every part of fsrfer shares: the bundle, labels, preprocessing, predictions, errors."""

from .bundle import Artifact, ArtifactKind, BundleManifest, GraphSpec, ModelBundle, TemperatureBand
from .crop import crop_faces
from .errors import FsrferError
from .labels import CANONICAL_LABELS, canonical_label
from .options import Backend, Precision
from .predictions import ExpressionPredictions
from .preprocess import ColorMode, EnlargeFilter, PreprocessSpec, preprocess
from .provenance import Provenance
from .resample import bicubic_resize

__all__ = [
    "CANONICAL_LABELS",
    "Artifact",
    "ArtifactKind",
    "Backend",
    "BundleManifest",
    "ColorMode",
    "EnlargeFilter",
    "ExpressionPredictions",
    "FsrferError",
    "GraphSpec",
    "ModelBundle",
    "Precision",
    "PreprocessSpec",
    "Provenance",
    "TemperatureBand",
    "bicubic_resize",
    "canonical_label",
    "crop_faces",
    "preprocess",
]
