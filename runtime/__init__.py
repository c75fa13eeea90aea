"""Serving without PyTorch: runners, classifier, face detection, sources, sinks, pipeline."""

from .classifier import ExpressionClassifier
from .onnxruntime_runner import OnnxRuntimeRunner, SessionOptions
from .opening import open_bundle
from .pipeline import PipelineOptions, StreamPipeline
from .runner import Runner, TensorSpec
from .shipped import default_bundle_path

__all__ = [
    "ExpressionClassifier",
    "OnnxRuntimeRunner",
    "PipelineOptions",
    "Runner",
    "SessionOptions",
    "StreamPipeline",
    "TensorSpec",
    "default_bundle_path",
    "open_bundle",
]
