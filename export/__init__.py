"""From a trained bundle to graphs and engines: fusing, precision, engine building, proof of parity.

Import the module that you need: only :mod:`fsrfer.export.fuse` needs PyTorch, so engines can be built on a Jetson
that has none.
"""

__all__: list[str] = []
