"""From the start of fsrfer-run to the first result of a picture, and the memory of one stream.

python benchmarks/cold_start.py --picture FILE.jpg --clip FILE.mp4 --detector retinaface yunet:FILE.onnx

With it goes the profile of imports: the ten modules whose own code took longest.

Each time is that of a whole process, from its start to the first line that it prints, in turn with a Python that does
nothing but import ONNX Runtime; the difference of a round is what fsrfer and its model take. Memory is the most that
was resident while a clip was read as one stream.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from imports_profile import heaviest_imports
from record import record

IMPORT_ONLY = "import onnxruntime; print('ready', flush=True)"


def first_line_s(command: list[str]) -> float:
    """Return the time from the start of a process to the first line of its output."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        elapsed = time.perf_counter() - started
        _, errors = process.communicate()
    if process.returncode or not line:
        raise SystemExit(f"{' '.join(command)} failed:\n{errors}")
    return elapsed


def most_resident_mb(command: list[str]) -> float:
    """Return the peak of resident memory of a process."""
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            rows = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            peak = max(peak, int(rows.get("VmHWM", "0 kB").split()[0]))
            time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return peak * 1024 / 1e6


def measure(options: argparse.Namespace, detector: str) -> dict:
    """Measure one detector."""
    run = [str(Path(sys.executable).with_name("fsrfer-run")), "--detector", detector, "--quiet"]
    start = [*run, str(options.picture)]
    bare = [sys.executable, "-c", IMPORT_ONLY]
    code = "import sys; from fsrfer.cli.main import run; sys.exit(run())"
    first_line_s(start)  # byte code and pages of files
    rounds = [(first_line_s(start), first_line_s(bare)) for _ in range(options.rounds)]
    return {
        "first_result_s": round(median(row[0] for row in rounds), 3),
        "python_and_onnxruntime_s": round(median(row[1] for row in rounds), 3),
        "beyond_them_s": round(median(one - other for one, other in rounds), 3),
        "most_beyond_them_s": round(max(one - other for one, other in rounds), 3),
        "heaviest_imports": heaviest_imports(["-c", code, *start[1:]]),
        "one_stream_most_resident_mb": round(most_resident_mb([*run, str(options.clip)]), 1),
    }


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, required=True)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--detector", nargs="+", default=["retinaface"], help="as fsrfer-run takes them")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    measured = {detector.partition(":")[0]: measure(options, detector) for detector in options.detector}
    record({"detectors": measured}, options.output)


if __name__ == "__main__":
    main()
