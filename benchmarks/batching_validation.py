"""The simulation against the real server: what its runs take is measured, then load is offered to both.

Server and load generator share this machine, and what a run takes depends on how busy both are. So each load point is
rehearsed, before and after: other requests come at the same rate, and the server's own trace tells what each of their
runs took. These times, and nothing of the load point itself but its arrivals, go into the simulation. It is also
replayed with the times of its own runs and requests: what differs then is the batcher alone, and not the machine. And
it is simulated from a profile of the graph, as for a server that does not exist yet: alone, and with the median of what
runs took longer than the profile says added to each. The model runs in one thread, which leaves another core to the
generator and the protocol.
"""

from __future__ import annotations

import itertools
import math
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from batching_model import Batcher, Simulated, simulate
from fleet_load import Crowd
from google.protobuf import text_format
from service_times import ServiceTime, from_runs
from triton_load import Asked, TritonLoad
from triton_server import TritonServer, prepare
from triton_trace import Runs, Traced, read_trace, runs_of, trace_arguments
from tritonclient.grpc import model_config_pb2

from fsrfer.core import ModelBundle, Precision
from fsrfer.core.schema import to_mapping
from fsrfer.export.triton import TritonOptions, export_repository
from fsrfer.runtime import default_bundle_path

SHARES = (0.3, 0.6, 0.8)
TOLERANCE = 0.2
COMPARED = ("mean_batch_faces", "faces_per_s", "p50_ms", "p99_ms")

Arrivals = tuple[np.ndarray, np.ndarray]
Draw = Callable[[float, float, np.random.Generator], Arrivals]


@dataclass(frozen=True)
class Profiled:
    """What is known of a server before there is one.

    Attributes:
        service: Times of a profile.
        overhead_s: For client, network and protocol.
    """

    service: ServiceTime
    overhead_s: float


@dataclass(frozen=True)
class Point:
    """A load point.

    Attributes:
        share: Of the capacity that was offered.
        offered: Moments and faces.
        rehearsed: What came of other requests at the same rate, before and after: a machine that gets slower or faster
            meanwhile is met in the middle.
        asked: What came of these.
    """

    share: float
    offered: Arrivals
    rehearsed: tuple[Asked, Asked]
    asked: Asked


def validate(
    bundle: Path | None,
    precision: Precision,
    batcher: Batcher,
    crowd: Crowd,
    draw: Draw,
    profiled: Profiled,
    *,
    seconds: float,
    seed: int,
) -> dict:
    """Offer the same requests to the server and to the simulation.

    Args:
        bundle: What is served; None for the model that comes with fsrfer.
        precision: Number format.
        batcher: The server's configuration, of a single instance.
        crowd: Faces of a request.
        draw: Draws arrivals: of faces a second, over so many seconds, with random numbers.
        profiled: What a profile makes of it, to be compared too.
        seconds: Time of each load point; the whole takes seven times as long.
        seed: Of the arrivals.

    Returns:
        The capacity, the load points, and whether all of them agree.
    """
    options = TritonOptions(
        precision=precision,
        max_batch=batcher.max_batch,
        instances=batcher.instances,
        threads=1,
        queue_delay_us=round(1e6 * batcher.queue_delay_s),
    )
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        repository, trace = Path(folder, "repository"), Path(folder, "trace.json")
        exported = export_repository(ModelBundle.load(bundle or default_bundle_path()), repository, options)
        configure(repository / exported.name / "config.pbtxt", batcher)
        log = Path(folder, "log")
        with (
            TritonServer(repository, trace_arguments(trace), log=log, folder=prepare()) as server,
            closing(TritonLoad(server.grpc_address, exported.name, crowd.people)) as load,
        ):
            busiest, points = _measure(load, crowd, batcher, draw, seconds, rng)
            versions = server.versions()
        traced = read_trace(trace)
    run_overhead_s = _run_overhead_s(points, traced, batcher, profiled.service)
    longer = replace(profiled, service=profiled.service.with_run_overhead(run_overhead_s))
    fed = {"profiled": profiled, "profiled_with_run_overhead": longer}
    rows = [_compare(point, busiest, traced, batcher, fed) for point in points]
    return {
        "server": versions,
        "batcher": to_mapping(batcher),
        "capacity_faces_per_s": round(_capacity(busiest), 1),
        "run_overhead_ms": round(1e3 * run_overhead_s, 3),
        "points": rows,
        "agrees": all(row["agrees"] for row in rows),
    }


def configure(path: Path, batcher: Batcher) -> None:
    """Write the limits of a queue into an exported configuration; none where there are none."""
    config = text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())
    config.dynamic_batching.ClearField("default_queue_policy")
    if batcher.has_policy:
        policy = config.dynamic_batching.default_queue_policy
        policy.max_queue_size = batcher.max_queue or 0
        policy.default_timeout_microseconds = round(1e6 * (batcher.timeout_s or 0.0))
    path.write_text(text_format.MessageToString(config), encoding="utf-8")


def _measure(
    load: TritonLoad, crowd: Crowd, batcher: Batcher, draw: Draw, seconds: float, rng: np.random.Generator
) -> tuple[Asked, list[Point]]:
    drawn = crowd.draw(4096, rng)
    supply = itertools.cycle(drawn[drawn > 0].tolist())
    full = max(math.ceil(2.5 * batcher.max_batch / crowd.mean_faces), 8)  # requests under way that fill every batch
    load.in_flight(full, supply, 1.0)  # warm
    busiest = load.in_flight(full, supply, seconds)
    points = []
    for share in SHARES:
        rate = share * _capacity(busiest)
        print(f"{share:.0%} of capacity: {rate:.0f} faces/s", file=sys.stderr, flush=True)
        before = load.at(*draw(rate, seconds / 2, rng))
        offered = draw(rate, seconds, rng)
        asked = load.at(*offered)
        after = load.at(*draw(rate, seconds / 2, rng))
        points.append(Point(share, offered, (before, after), asked))
    return busiest, points


def _capacity(busiest: Asked) -> float:
    return busiest.account.faces / busiest.seconds


def _runs(asked: Asked, traced: dict[int, Traced], batcher: Batcher) -> Runs:
    return runs_of(traced, asked.first, asked.faces, batcher.queue_delay_s)


def _run_overhead_s(
    points: Sequence[Point], traced: dict[int, Traced], batcher: Batcher, service: ServiceTime
) -> float:
    """Return the median, over the runs of all rehearsals, of what each took longer than the profile says."""
    parts = [_runs(asked, traced, batcher) for point in points for asked in point.rehearsed]
    return float(
        np.median(np.concatenate([part.seconds - service.means(batcher.max_batch)[part.faces] for part in parts]))
    )


def _compare(
    point: Point, busiest: Asked, traced: dict[int, Traced], batcher: Batcher, fed: Mapping[str, Profiled]
) -> dict:
    rehearsed, own = [_runs(part, traced, batcher) for part in point.rehearsed], _runs(point.asked, traced, batcher)
    service = _service(rehearsed, _runs(busiest, traced, batcher))
    beside_s = np.concatenate([_beside_the_server(part, traced) for part in point.rehearsed])
    beside_s = beside_s[~np.isnan(beside_s)]
    # In the order of the rehearsals, and not drawn one by one: what slows a machine down slows many runs in a row.
    factors = np.concatenate([_factors(part, service) for part in rehearsed])
    count = len(point.offered[0])
    simulated = simulate(
        *point.offered, batcher, service, overhead_s=np.resize(beside_s, count), factors=np.resize(factors, count)
    )
    results = {"simulated": simulated, "replayed": _replay(point, own, traced, batcher)}
    for name, one in fed.items():
        results[name] = simulate(*point.offered, batcher, one.service, overhead_s=one.overhead_s)
    measured = _figures(point.asked)
    figures = {name: one.figures(point.asked.seconds, batcher.instances) for name, one in results.items()}
    ratios = {name: {key: one[key] / measured[key] for key in COMPARED} for name, one in figures.items()}
    return {
        "share_of_capacity": point.share,
        "requests": len(point.asked.latency_s),
        "measured": _rounded(measured),
        "simulated": _rounded(figures["simulated"]),
        **{f"{name}_over_measured": _rounded(one) for name, one in ratios.items()},
        "agrees": all(abs(ratio - 1.0) <= TOLERANCE for ratio in ratios["simulated"].values()),
        # Why they differ, where they do: whether the machine was the same in the rehearsals and the load point.
        "run_ms_a_face": {"rehearsed": _ms_a_face(rehearsed), "measured": _ms_a_face([own])},
        "gap_ms": round(1e3 * service.gap_s, 3),
        "overhead_ms": round(1e3 * float(np.median(beside_s)), 3),
        "sent_late_p99_ms": round(1e3 * float(np.percentile(point.asked.late_s, 99)), 2),
        "failures": point.asked.failures,
    }


def _ms_a_face(parts: Sequence[Runs]) -> float:
    seconds, faces = sum(float(part.seconds.sum()) for part in parts), sum(int(part.faces.sum()) for part in parts)
    return round(1e3 * seconds / faces, 3)


def _service(parts: Sequence[Runs], busiest: Runs) -> ServiceTime:
    """Return what runs take; sizes that the rehearsals did not come to are those of full batches."""
    beyond = busiest.faces > max(int(part.faces.max()) for part in parts)
    gaps_s = np.concatenate([part.gaps_s for part in parts])
    gaps_s = gaps_s if len(gaps_s) else busiest.gaps_s
    return from_runs(
        np.concatenate([*(part.faces for part in parts), busiest.faces[beyond]]),
        np.concatenate([*(part.seconds for part in parts), busiest.seconds[beyond]]),
        gap_s=float(np.median(gaps_s)) if len(gaps_s) else 0.0,
    )


def _replay(point: Point, own: Runs, traced: dict[int, Traced], batcher: Batcher) -> Simulated:
    """Simulate the load point with the times that its own runs took."""
    service = _service([own], own)
    beside_s = np.nan_to_num(_beside_the_server(point.asked, traced))
    return simulate(*point.offered, batcher, service, overhead_s=beside_s, factors=_factors(own, service))


def _factors(runs: Runs, service: ServiceTime) -> np.ndarray:
    """Return, for each request, the time of its run over that of a run of so many faces; 1 where it had none."""
    ratios = runs.seconds / service.means(int(runs.faces.max()))[runs.faces]
    return np.where(runs.of_request >= 0, ratios[runs.of_request], 1.0)


def _beside_the_server(asked: Asked, traced: dict[int, Traced]) -> np.ndarray:
    """Return the part of each latency that is neither queue nor run: client, network, protocol; nan without answer."""
    spans = [traced.get(asked.first + number) for number in range(len(asked.latency_s))]
    inside_s = np.array([math.nan if span is None else span.ended_s - span.queued_s for span in spans])
    return asked.latency_s - inside_s


def _figures(asked: Asked) -> dict[str, float]:
    account, known_s = asked.account, asked.latency_s[~np.isnan(asked.latency_s)]
    p50_s, p95_s, p99_s = np.percentile(known_s, (50, 95, 99))
    return {
        "mean_batch_faces": account.faces / account.runs,
        "mean_batch_requests": account.requests / account.runs,
        "faces_per_s": account.faces / asked.seconds,
        "p50_ms": 1e3 * float(p50_s),
        "p95_ms": 1e3 * float(p95_s),
        "p99_ms": 1e3 * float(p99_s),
        "rejected_share": 1.0 - len(known_s) / len(asked.latency_s),
    }


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items()}
