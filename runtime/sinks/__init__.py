"""Where results go: JSON lines, annotated videos and pictures."""

from .annotated_pictures import AnnotatedPictureSink
from .annotated_video import AnnotatedVideoSink
from .calibration_recorder import CalibrationRecorder
from .drawing import annotate
from .json_lines import JsonLinesSink, frame_record, output_schema
from .sink import ResultSink

__all__ = [
    "AnnotatedPictureSink",
    "AnnotatedVideoSink",
    "CalibrationRecorder",
    "JsonLinesSink",
    "ResultSink",
    "annotate",
    "frame_record",
    "output_schema",
]
