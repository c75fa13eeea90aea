"""Drawn faces and crowds with known truth, for trying things out without a download; no evidence of accuracy."""

from .crowd import CrowdClip, CrowdFrame
from .expressions import LABELS, ActionUnits
from .faces import ProceduralFaces
from .recording import read_ground_truth, write_clip, write_ground_truth
from .rendering import FaceParameters, render_face

__all__ = [
    "LABELS",
    "ActionUnits",
    "CrowdClip",
    "CrowdFrame",
    "FaceParameters",
    "ProceduralFaces",
    "read_ground_truth",
    "render_face",
    "write_clip",
    "write_ground_truth",
]
