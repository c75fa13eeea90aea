"""One table of all methods: the paper's, honest baselines, ours; same backbone, same data, same protocol."""

from .kept_logits import KeptLogits
from .markdown import to_markdown
from .methods import METHODS, Kind, Method
from .parts import Part
from .plot import draw_accuracy, draw_risk_coverage
from .run import evaluate_method
from .store import PartStore
from .table import HEADER, Comparison, MethodCost, MethodResult, cells

__all__ = [
    "HEADER",
    "METHODS",
    "Comparison",
    "KeptLogits",
    "Kind",
    "Method",
    "MethodCost",
    "MethodResult",
    "Part",
    "PartStore",
    "cells",
    "draw_accuracy",
    "draw_risk_coverage",
    "evaluate_method",
    "to_markdown",
]
