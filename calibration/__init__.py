"""INT8 calibration: calibration sets, Q/DQ quantisation, and the check that the result still classifies."""

from .calibration_set import CalibrationManifest, CalibrationSet
from .int8 import calibrate_int8
from .int8_config import Int8Config, RangeMethod
from .quantization_report import GraphQuantization, QuantizationReport

__all__ = [
    "CalibrationManifest",
    "CalibrationSet",
    "GraphQuantization",
    "Int8Config",
    "QuantizationReport",
    "RangeMethod",
    "calibrate_int8",
]
