"""Tracking: identities that are kept, time per frame, what smoothing gains and delays, what a crop's quality foretells.

Sections, all of them unless some are named with ``--sections``:

identities  scripted scenes (``tests/runtime/tracking/scenes.py``) and the embedded crowd clip, searched every 1, 2, 3
            and 5 frames: ours, ours with other measures and assignments, and, with ``--trackers-python``, ByteTrack and
            C-BIoU of the package ``trackers`` in an environment of their own (pip install trackers). Scored on the
            frames that are searched and on what is found in them, so that nobody is credited for boxes from motion.
speed       time a frame by number of faces.
smoothing   the crowd clip with readings as noisy as the shipped model is at each face size: accuracy before and after,
            and how much later a change of expression is shown.
evidence    needs ``--faces``: readings of one face at many sizes by the shipped model, combined with other weights, and
            how well a crop's quality foretells that its reading is right.
clips       needs ``--clips`` and ``--detector``: how long real people keep their ids.

    python benchmarks/tracking.py --faces ferplus:PATH --clips FOLDER --detector yunet:FILE.onnx \\
        --trackers-python PYTHON --json benchmarks/results/tracking.json
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from record import record
from tracking_clips import measure_clips
from tracking_evidence import measure_evidence
from tracking_identities import measure_identities
from tracking_smoothing import measure_smoothing
from tracking_speed import measure_speed

MEASURES = {
    "identities": measure_identities,
    "speed": measure_speed,
    "smoothing": measure_smoothing,
    "evidence": measure_evidence,
    "clips": measure_clips,
}


def main() -> None:
    """Run the sections, print their tables, and write them if asked to."""
    options = parse_options()
    results: dict[str, Any] = {}
    for name in options.sections:
        print(f"\n== {name}")
        results[name] = MEASURES[name](options)
    record(results, options.json)


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", nargs="+", choices=MEASURES, metavar="SECTION")
    parser.add_argument("--seeds", type=int, default=3, help="how often each scene is played")
    parser.add_argument("--faces", help="data set for the evidence, such as ferplus:PATH")
    parser.add_argument("--face-count", type=int, default=600)
    parser.add_argument("--clips", type=Path, metavar="FOLDER")
    parser.add_argument("--detector", help="as for fsrfer-run")
    parser.add_argument("--trackers-python", metavar="PYTHON", help="interpreter that has the package trackers")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results here")
    options = parser.parse_args()
    if options.sections is None:
        wanting = {"evidence": options.faces, "clips": options.clips and options.detector}
        options.sections = [name for name in MEASURES if wanting.get(name, True)]
    return options


if __name__ == "__main__":
    main()
