"""Serving without PyTorch: runners, classifier, face detection, sources, sinks, pipeline."""

from typing import TYPE_CHECKING

from ..core.lazy_names import lazy_names

if TYPE_CHECKING:
    from .classifier import ExpressionClassifier
    from .onnxruntime_runner import OnnxRuntimeRunner, SessionOptions
    from .opening import open_bundle
    from .pipeline import PipelineOptions, StreamPipeline
    from .runner import Runner, TensorSpec
    from .shipped import default_bundle_path
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "ExpressionClassifier": "classifier",
            "OnnxRuntimeRunner": "onnxruntime_runner",
            "PipelineOptions": "pipeline",
            "Runner": "runner",
            "SessionOptions": "onnxruntime_runner",
            "StreamPipeline": "pipeline",
            "TensorSpec": "runner",
            "default_bundle_path": "shipped",
            "open_bundle": "opening",
        },
    )

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
