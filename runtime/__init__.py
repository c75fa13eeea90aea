"""Serving without PyTorch: runners, classifier, face detection, sources, sinks, pipeline."""

from .classifier import ExpressionClassifier
from .onnxruntime_runner import OnnxRuntimeRunner, SessionOptions
from .runner import Runner, TensorSpec

__all__ = ["ExpressionClassifier", "OnnxRuntimeRunner", "Runner", "SessionOptions", "TensorSpec"]
