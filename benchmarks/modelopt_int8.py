"""INT8 graphs by NVIDIA Model Optimizer, to compare with ours (int8_calibration.py --graph NAME=FILE).

It brings an ONNX Runtime of its own, so it runs in an environment of its own, which needs no fsrfer:

python -m venv modelopt && modelopt/bin/pip install torch==2.13.0 'nvidia-modelopt[onnx]'
python benchmarks/int8_calibration.py BUNDLE --data ferplus:PATH --calibration faces.npz
modelopt/bin/python benchmarks/modelopt_int8.py BUNDLE/model.onnx faces.npz --method entropy --output entropy.onnx
"""

import argparse
from pathlib import Path

import numpy as np
from modelopt.onnx.quantization import quantize


def main() -> None:
    """Quantise one graph."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graph", type=Path, help="fused FP32 graph")
    parser.add_argument("faces", type=Path, help="calibration faces by the names of the graph's inputs")
    parser.add_argument("--method", choices=("entropy", "max"), default="entropy", help="how ranges are found")
    parser.add_argument("--output", type=Path, required=True, help="graph to write")
    options = parser.parse_args()
    with np.load(options.faces) as archive:
        faces = {name: archive[name] for name in archive.files}
    quantize(
        str(options.graph),
        quantize_mode="int8",
        calibration_data=faces,
        calibration_method=options.method,
        calibration_eps=["cpu"],
        high_precision_dtype="fp32",
        output_path=str(options.output),
    )


if __name__ == "__main__":
    main()
