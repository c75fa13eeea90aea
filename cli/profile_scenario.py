"""``fsrfer-profile scenario``: a bundle under the four loads of MLPerf."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from ..core.environment import read_environment
from ..core.errors import UsageError
from ..core.options import Backend, Precision, Provider
from ..runtime.profiling.latency_bound import Verdict
from ..runtime.profiling.scenario_report import ScenarioReport
from ..runtime.profiling.scenarios import Scenario, ScenarioConfig, ScenarioResult, run_scenario
from ..runtime.profiling.server_search import RateSearch
from ..runtime.profiling.statistics import LatencySummary
from . import run_options as opt
from .console import print_table
from .json_report import JsonPath, write_report
from .model_choice import ModelChoice
from .run_summary import note
from .writable import check_writable

_ALL = ",".join(scenario.value for scenario in Scenario)


def scenario(
    bundle: Annotated[
        Path | None, typer.Argument(help="Bundle with a fused graph.  [default: the model that comes with fsrfer]")
    ] = None,
    scenarios: Annotated[str, typer.Option("--scenario", help="Which loads, in this order.")] = _ALL,
    bound_ms: Annotated[
        float, typer.Option(help="server: latency within which 99 % of the queries are to be answered.")
    ] = 50.0,
    faces: Annotated[
        int | None, typer.Option(min=1, help="Faces in one query.  [default: 8 in multi-stream, else 1]")
    ] = None,
    senders: Annotated[int, typer.Option(min=1, help="server: cameras that the queries come from.")] = 8,
    max_wait_ms: Annotated[
        float, typer.Option(min=0, help="server: longest wait of a query for those of other cameras.")
    ] = 20.0,
    precision: opt.UsedPrecision = Precision.FP32,
    backend: opt.UsedBackend = Backend.ONNXRUNTIME.value,
    provider: opt.UsedProvider = Provider.CPU,
    threads: opt.Threads = None,
    max_batch: opt.MaxBatch = 64,
    seconds: Annotated[float, typer.Option(help="Time of each scenario; of each trial in server.")] = 5.0,
    warmup: Annotated[float, typer.Option(help="Untimed seconds before.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Key of crops and arrivals.")] = 0,
    json_path: JsonPath = None,
) -> None:
    """Put a bundle under the loads of MLPerf: crops in, predictions out. No result of MLPerf: far shorter.

    The server's queries arrive by chance (Poisson) and do not wait for it; latencies count from their arrival. It
    prints the highest rate at which 99 % of them are answered within the bound.
    """
    chosen = _parse_scenarios(scenarios)
    configs = tuple(
        ScenarioConfig(
            scenario=one,
            seconds=seconds,
            warmup_seconds=warmup,
            faces=None if one is Scenario.OFFLINE else faces,
            bound_s=bound_ms / 1e3,
            senders=senders,
            max_wait_s=max_wait_ms / 1e3,
            seed=seed,
        )
        for one in chosen
    )
    model = ModelChoice.parsed(bundle, precision, backend, provider, threads=threads, max_batch=max_batch)
    check_writable(json_path, "--json", or_stdout=True)
    with model.open() as classifier:
        report = ScenarioReport(
            bundle=classifier.manifest.name,
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            precision=precision,
            provider=model.place,
            model_sha256=classifier.model_sha256,
            threads=threads,
            max_batch=classifier.max_batch,
            configs=configs,
            results=tuple(run_scenario(classifier, config, note) for config in configs),
            environment=read_environment(),
        )
    if not write_report(report, json_path):
        _print(report)


def _parse_scenarios(text: str) -> tuple[Scenario, ...]:
    try:
        return tuple(dict.fromkeys(Scenario(word.strip()) for word in text.split(",")))
    except ValueError as problem:
        raise UsageError("--scenario cannot be read", expected=f"some of {_ALL}", found=text) from problem


def _print(report: ScenarioReport) -> None:
    columns = ("scenario, faces", "queries", "p50 ms", "p90 ms", "p99 ms", "faces/s", "verdict")
    processor = report.environment.processor
    place = f"{processor.model or report.environment.machine}, {processor.usable_cores:g} cores, {report.provider}"
    rows = [_cells(result) for result in report.results]
    print_table(f"{report.bundle} ({report.precision.value}) on {place}", columns, rows)
    for config, result in zip(report.configs, report.results, strict=True):
        typer.echo(f"{result.scenario.value:13} {result.scenario.description}")
        for line in _remarks(config, result):
            typer.echo(f"{'':13} {line}")
    machines = [result.machine for result in report.results if result.machine is not None]
    for line in dict.fromkeys(one.energy.describe(0) for one in machines if one.energy.joules is None):
        typer.echo(f"{'energy':13} {line}")


def _cells(result: ScenarioResult) -> tuple[object, ...]:
    if result.server is not None:
        verdict = "found" if result.server.per_second is not None else "no rate"
    else:
        verdict = "-" if result.stability is None else result.stability.value
    return (
        f"{result.scenario.value}, {result.faces}",
        result.queries,
        *_percentiles(result.latency),
        f"{result.faces_per_second:.0f}",
        verdict,
    )


def _held(search: RateSearch) -> int:
    return sum(trial.per_second == search.per_second and trial.verdict is Verdict.HOLDS for trial in search.trials)


def _percentiles(latency: LatencySummary | None) -> tuple[str, str, str]:
    if latency is None:
        return "-", "-", "-"
    return f"{latency.p50_ms:.2f}", f"{latency.p90_ms:.2f}", f"{latency.p99_ms:.2f}"


def _remarks(config: ScenarioConfig, result: ScenarioResult) -> list[str]:
    remarks = []
    search = result.server
    if search is not None and search.per_second is not None:
        broken = "" if search.broken_per_second is None else f", at {search.broken_per_second:.1f} no longer"
        remarks.append(
            f"{search.per_second:.1f} queries/s within {1e3 * config.bound_s:g} ms{broken}; "
            f"{len(search.trials)} trials of {result.fewest_queries} queries or more, {_held(search)} of which held at "
            "this rate"
        )
    elif search is not None:
        remarks.append(f"no rate holds {1e3 * config.bound_s:g} ms in {len(search.trials)} trials")
    elif result.fewest_queries is not None and result.queries < result.fewest_queries:
        remarks.append(f"only {result.queries} queries: its percentile takes {result.fewest_queries}; raise --seconds")
    if result.machine is not None and result.machine.energy.joules is not None:
        remarks.append(f"energy {result.machine.energy.describe(result.machine_faces)}")
    if result.machine is not None and result.machine.clocks.is_throttled:
        remarks.append(f"warning: clocks were held down: {', '.join(result.machine.clocks.brakes) or 'heat'}")
    return remarks
