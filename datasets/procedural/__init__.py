"""Drawn faces and crowds with known truth, for trying things out without a download; no evidence of accuracy."""

from .expressions import LABELS, ActionUnits
from .faces import ProceduralFaces
from .rendering import FaceParameters, render_face

__all__ = ["LABELS", "ActionUnits", "FaceParameters", "ProceduralFaces", "render_face"]
