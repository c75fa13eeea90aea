"""What batch sizes and latencies a fleet of cameras gets from a Triton server, with the queue delay as the dial.

python benchmarks/fleet_simulation.py --output FILE --plot FILE.png   # stored profile, and what a server adds to it
python benchmarks/fleet_simulation.py --service-ms 2.0 0.02           # assumed: a run and a face, as of a GPU
python benchmarks/fleet_simulation.py --validate --output FILE        # against the real server here; 3 minutes

Requests are the faces that a picture has to read: of --people each is read with the probability --read-share. They
come from cameras of --fps pictures a second, each with a phase of its own and jitter, or at random (--arrivals
poisson).
Loads are shares of the capacity with full batches. --validate exits with 3 where simulation and server are more than
20 % apart in mean batch, throughput, p50 or p99.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from batching_model import Batcher, simulate
from fleet_costs import CROWD, CameraCosts, cost_rows
from fleet_load import Crowd, at_random, from_cameras
from record import record
from service_times import ServiceTime, from_profile

from fsrfer.core import Precision
from fsrfer.core.schema import to_mapping

PROFILE = Path(__file__).with_name("results") / "profile-ferplus-edge.json"
RUN_OVERHEAD_MS = 1.8
"""What a run took longer in the server than in the profile: 1.5 to 2.1 ms, by results/fleet_validation.json.

Triton's Python backend hands tensors to a process of its own, which wakes up for each run.
"""
DELAYS_MS = (0.0, 1.0, 2.0, 4.0, 5.0, 10.0, 20.0, 50.0)
LOADS = (0.1, 0.3, 0.6, 0.85, 0.95)
_COLUMNS = ("load", "delay_ms", "mean_batch_faces", "p50_ms", "p95_ms", "p99_ms", "rejected_share", "utilisation")

Arrivals = tuple[np.ndarray, np.ndarray]


def sweep(
    batcher_of: Callable[[float], Batcher],
    service: ServiceTime,
    draw: Callable[[float, float, np.random.Generator], Arrivals],
    seconds: float,
    overhead_s: float,
) -> list[dict[str, float]]:
    """Simulate every queue delay at every load; at one load all delays see the same requests."""
    sample = batcher_of(0.0)
    capacity = sample.instances * sample.max_batch / float(service.means(sample.max_batch)[-1] + service.gap_s)
    rows = []
    for load in LOADS:
        moments_s, faces = draw(load * capacity, seconds, np.random.default_rng(1))
        for delay_ms in DELAYS_MS:
            batcher = batcher_of(delay_ms / 1e3)
            figures = simulate(moments_s, faces, batcher, service, overhead_s=overhead_s).figures(
                seconds, batcher.instances
            )
            rows.append({"load": load, "delay_ms": delay_ms, **{name: round(figures[name], 4) for name in figures}})
    return rows


def print_rows(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print a table of text to stderr; the record goes to stdout."""
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns), file=sys.stderr)
    for row in rows:
        print("| " + " | ".join(row) + " |", file=sys.stderr)


def plot(rows: list[dict[str, float]], file: Path) -> None:
    """Draw the queue delay against batch size and p99, a line for each load."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for load in LOADS:
        chosen = [row for row in rows if row["load"] == load]
        delays = [row["delay_ms"] for row in chosen]
        for axis, name in zip(axes, ("mean_batch_faces", "p99_ms"), strict=True):
            axis.plot(delays, [row[name] for row in chosen], marker="o", label=f"{load:.0%}")
    for axis, title in zip(axes, ("mean batch, faces", "p99, ms"), strict=True):
        axis.set(xlabel="queue delay, ms", ylabel=title, yscale="log")
        axis.grid(alpha=0.3)
    axes[0].legend(title="load")
    figure.savefig(file, dpi=120)
    pyplot.close(figure)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", type=Path, default=PROFILE, help="service times, of `fsrfer-profile --json`")
    parser.add_argument("--threads", type=int, default=1, help="of the profile")
    parser.add_argument(
        "--run-overhead-ms", type=float, default=RUN_OVERHEAD_MS, help="of the server, over the profile"
    )
    parser.add_argument(
        "--service-ms",
        type=float,
        nargs=2,
        metavar=("RUN", "FACE"),
        help="assumed, not the profile's; overhead and all",
    )
    parser.add_argument("--overhead-ms", type=float, default=1.0, help="client, network and protocol")
    parser.add_argument("--precision", default="int8", choices=("fp32", "int8"))
    parser.add_argument("--bundle", type=Path, help="for --validate; default: the model that comes with fsrfer")
    parser.add_argument("--max-batch", type=int, default=64)
    parser.add_argument("--instances", type=int, default=1)
    parser.add_argument("--max-queue", type=int, help="requests that may wait; with it the server has a queue policy")
    parser.add_argument("--timeout-ms", type=float, help="in the queue; with it the server has a queue policy")
    parser.add_argument("--queue-delay-ms", type=float, default=5.0, help="for --validate")
    parser.add_argument("--people", type=int, default=16)
    parser.add_argument("--read-share", type=float, default=0.3)
    parser.add_argument("--fps", type=float, default=10.0)
    parser.add_argument("--jitter", type=float, default=0.1, help="of a picture's moment, in periods")
    parser.add_argument("--arrivals", default="cameras", choices=("cameras", "poisson"))
    parser.add_argument("--seconds", type=float, help="of each load; default 120, with --validate 20, seven times")
    parser.add_argument("--validate", action="store_true", help="compare with the real server")
    parser.add_argument("--plot", type=Path, metavar="FILE.png")
    parser.add_argument("--output", type=Path)
    return parser.parse_args()


def main() -> None:
    """Simulate or validate, print, keep."""
    options = parse()
    crowd = Crowd(options.people, options.read_share)

    def draw(faces_per_s: float, seconds: float, rng: np.random.Generator) -> Arrivals:
        if options.arrivals == "poisson":
            return at_random(faces_per_s, crowd, seconds, rng)
        return from_cameras(faces_per_s, crowd, seconds, rng, fps=options.fps, jitter=options.jitter)

    def batcher_of(delay_s: float) -> Batcher:
        timeout_s = None if options.timeout_ms is None else options.timeout_ms / 1e3
        return Batcher(options.max_batch, delay_s, options.instances, options.max_queue, timeout_s)

    if options.validate:
        from batching_validation import Profiled, validate

        batcher = batcher_of(options.queue_delay_ms / 1e3)
        profiled = Profiled(from_profile(options.profile, options.precision, 1), options.overhead_ms / 1e3)
        seconds, precision = options.seconds or 20.0, Precision(options.precision)
        result = validate(options.bundle, precision, batcher, crowd, draw, profiled, seconds=seconds, seed=1)
        record(result, options.output)
        sys.exit(0 if result["agrees"] else 3)
    if options.service_ms is None:
        service = from_profile(options.profile, options.precision, options.threads)
        service = service.with_run_overhead(options.run_overhead_ms / 1e3)
    else:
        service = ServiceTime.linear(*(value / 1e3 for value in options.service_ms), options.max_batch)
    rows = sweep(batcher_of, service, draw, options.seconds or 120.0, options.overhead_ms / 1e3)
    print_rows(_COLUMNS, [tuple(f"{row[name]:g}" for name in _COLUMNS) for row in rows])
    costs = {"few people": cost_rows(CameraCosts()), "a crowd": cost_rows(CROWD)}
    for title, table in costs.items():
        print(f"\n{title}", file=sys.stderr)
        print_rows(("cameras", "placement", "edge cores", "uplink Mbit/s", "server cores", "servers"), table)
    if options.plot is not None:
        plot(rows, options.plot)
    record({"batcher": to_mapping(batcher_of(0.0)), "sweep": rows, "costs": costs}, options.output)


if __name__ == "__main__":
    main()
