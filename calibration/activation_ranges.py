"""Ranges of a graph's activations, measured on calibration data."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..core.errors import CalibrationError
from ..runtime.onnxruntime_runner import OnnxRuntimeRunner
from .int8_config import RangeMethod
from .onnx_packages import import_onnx, import_quantization

if TYPE_CHECKING:
    import onnx

Feed = Mapping[str, npt.NDArray[np.generic]]
Ranges = dict[str, tuple[float, float]]

_HISTOGRAM_BINS = 2048


def measure_ranges(
    model: onnx.ModelProto, feeds: Iterable[Feed], method: RangeMethod = RangeMethod.MINMAX, percentile: float = 100.0
) -> Ranges:
    """Run calibration data through a graph and return the range of every floating-point activation.

    Ranges are asymmetric. A symmetric one makes ONNX Runtime's quantiser clip wrongly where it later drops a ReLU,
    and a symmetric one can be had from an asymmetric one, not the other way round.

    Args:
        model: Floating-point graph with shapes on all tensors.
        feeds: Batches of inputs.
        method: How ranges follow from what was seen.
        percentile: For that method, what part of the values lies inside, in percent.

    Returns:
        Lowest and highest value by tensor name.

    Raises:
        CalibrationError: There are no batches, or the graph does not give finite numbers.
        MissingDependencyError: ``onnx`` or ``onnxruntime`` is not installed.
    """
    onnx = import_onnx()
    with TemporaryDirectory(prefix="fsrfer-ranges-") as folder:
        source = Path(folder) / "model.onnx"
        onnx.save(model, source)
        # ONNX Runtime's calibrators print their progress.
        with redirect_stdout(io.StringIO()):
            found = _calibrate(source, _finite(source, feeds), method, percentile)
    return {name: (float(np.min(low)), float(np.max(high))) for name, (low, high) in found.items()}


def _finite(source: Path, feeds: Iterable[Feed]) -> Iterator[Feed]:
    """Pass batches on whose results are finite: the calibrators would leave numbers that are none out of the ranges."""
    with OnnxRuntimeRunner(source) as runner:
        for feed in feeds:
            broken = [name for name, values in runner.infer(feed).items() if not np.isfinite(values).all()]
            if broken:
                raise CalibrationError(
                    "the floating-point graph does not give finite numbers",
                    found=", ".join(broken),
                    fix="train again; these weights cannot be used",
                )
            yield feed


def _calibrate(source: Path, feeds: Iterable[Feed], method: RangeMethod, percentile: float) -> dict[str, Any]:
    calibrate = import_quantization("calibrate")
    augmented = str(source.with_name("augmented.onnx"))
    if method is RangeMethod.MINMAX:
        calibrator = calibrate.MinMaxCalibrater(source, None, augmented, symmetric=False)
    else:
        calibrator = calibrate.PercentileCalibrater(
            source, None, augmented, symmetric=False, num_bins=_HISTOGRAM_BINS, percentile=percentile
        )
    calibrator.augment_graph()
    calibrator.create_inference_session()
    batches = 0
    for feed in feeds:
        # One batch at a time: the calibrators keep every activation of all that they are given in memory.
        calibrator.collect_data(_one_batch_reader(calibrate, feed))
        batches += 1
    if not batches:
        raise CalibrationError("there is no calibration data", expected="one or more batches")
    data = calibrator.compute_data()
    return {name: data[name].range_value for name in data.keys()}  # noqa: SIM118 - not a mapping


def _one_batch_reader(calibrate: Any, feed: Feed) -> Any:
    class OneBatch(calibrate.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = [dict(feed)]

        def get_next(self) -> dict[str, Any] | None:
            return self._left.pop() if self._left else None

    return OneBatch()
