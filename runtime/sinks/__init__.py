"""Where results go: JSON lines, tables, brokers, web servers, annotated videos and pictures."""

from ..secret import Secret
from .annotated_pictures import AnnotatedPictureSink
from .annotated_video import AnnotatedVideoSink
from .background import BackgroundOptions, BackgroundSink
from .calibration_recorder import CalibrationRecorder
from .csv_files import FaceCsvSink, GroupCsvSink
from .drawing import annotate
from .json_lines import JsonLinesFileSink, JsonLinesSink
from .message import Content
from .mqtt import MqttConfig, MqttTransport
from .opening import SINK_FORMS, open_sink
from .outbox import OutboxLimits
from .publishing import PublishingSink, Transport
from .records import frame_record, output_schema, window_record
from .sink import QueuedSink, ResultSink, SinkError, WindowSink
from .webhook import WebhookConfig, WebhookTransport

__all__ = [
    "SINK_FORMS",
    "AnnotatedPictureSink",
    "AnnotatedVideoSink",
    "BackgroundOptions",
    "BackgroundSink",
    "CalibrationRecorder",
    "Content",
    "FaceCsvSink",
    "GroupCsvSink",
    "JsonLinesFileSink",
    "JsonLinesSink",
    "MqttConfig",
    "MqttTransport",
    "OutboxLimits",
    "PublishingSink",
    "QueuedSink",
    "ResultSink",
    "Secret",
    "SinkError",
    "Transport",
    "WebhookConfig",
    "WebhookTransport",
    "WindowSink",
    "annotate",
    "frame_record",
    "open_sink",
    "output_schema",
    "window_record",
]
