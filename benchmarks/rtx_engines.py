"""Engines of the model that comes with fsrfer, built by TensorRT-RTX without a GPU: time, size, where INT8 went.

python benchmarks/rtx_engines.py --data ferplus:PATH --output benchmarks/results/rtx_engines.json

FP32, FP16, INT8 as it comes, and INT8 with some layers kept in FP32, all for batches of 1:16:64. What they run like is
not measured: that takes a GPU.
"""

import argparse
import shutil
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from record import record

from fsrfer.calibration import Int8Config, calibrate_int8
from fsrfer.core import Backend, ModelBundle, Precision
from fsrfer.datasets import open_dataset, pixel_hashes
from fsrfer.export.build_engine import build_engine
from fsrfer.export.engine_config import EngineBuildConfig
from fsrfer.export.float16 import export_float16
from fsrfer.runtime.engine_record import BatchProfile
from fsrfer.runtime.shipped import default_bundle_path


def measure(bundle: ModelBundle, precision: Precision, batch: BatchProfile, rounds: int) -> dict:
    """Build one engine several times; the account of its layers is that of the last."""
    config = EngineBuildConfig(Backend.TENSORRT_RTX, precision, batch)
    records = [build_engine(bundle, config, force=True) for _ in range(rounds)]
    last = records[-1]
    return {
        "built_from": last.source.value,
        "compute_capabilities": last.compute_capabilities,
        "median_build_s": round(median(made.build_seconds for made in records), 2),
        "longest_build_s": max(made.build_seconds for made in records),
        "engine_bytes": last.size_bytes,
        "layers_in_int8": len(last.int8_layers),
        "quantised_yet_not_in_int8": last.not_int8_layers,
        "unaccounted": last.unaccounted,
    }


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="faces to calibrate the mixed graph on, such as ferplus:PATH")
    parser.add_argument("--keep-fp32", nargs="+", default=["backbone.stem.0", "generator"], help="regular expressions")
    parser.add_argument("--batch", default="1:16:64", help="min:opt:max")
    parser.add_argument("--rounds", type=int, default=3, help="builds of each engine")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    batch = BatchProfile.parse(options.batch)
    with TemporaryDirectory() as folder:
        bundle = ModelBundle.load(Path(shutil.copytree(default_bundle_path(), Path(folder) / "bundle")))
        bundle, _ = export_float16(bundle)
        uniform = (Precision.FP32, Precision.FP16, Precision.INT8)
        engines = {precision.value: measure(bundle, precision, batch, options.rounds) for precision in uniform}
        train, test = (open_dataset(options.data, split) for split in ("train", "test"))
        kept = Int8Config(keep_float=tuple(options.keep_fp32))
        mixed = calibrate_int8(bundle, train, kept, test_faces=pixel_hashes(test))
        engines["mixed"] = measure(mixed, Precision.INT8, batch, options.rounds)
    record({"batch": str(batch), "kept_in_fp32": options.keep_fp32, "engines": engines}, options.output)


if __name__ == "__main__":
    main()
