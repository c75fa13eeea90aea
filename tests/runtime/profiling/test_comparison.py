"""What is said about two profiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fsrfer.core import Precision
from fsrfer.core.errors import CheckFailedError, UsageError
from fsrfer.core.gpu import Gpu
from fsrfer.runtime.profiling import LatencyClock, ProfileConfig, ProfileReport, Stability, profile_bundle
from fsrfer.runtime.profiling.comparison import Difference, Verdict, compare_profiles

ROUNDS = (1.00, 1.01, 0.99, 1.02, 0.98, 1.00)


@pytest.fixture(scope="module")
def measured(make_bundle, tmp_path_factory):
    pytest.importorskip("onnxruntime")
    config = ProfileConfig(batches=(1, 2), seconds=0.01, warmup_seconds=0.0, rounds=1)
    return profile_bundle(make_bundle(tmp_path_factory.mktemp("bundle")), config)


@pytest.fixture
def profile(measured):
    """A real profile whose rows all have the same steady rounds."""
    rows = (replace(row, window_medians_ms=ROUNDS, stability=Stability.STABLE) for row in measured.rows)
    return replace(measured, rows=tuple(rows))


def slowed(profile: ProfileReport, factor: float, **changes: object) -> ProfileReport:
    rows = (
        replace(row, window_medians_ms=tuple(factor * value for value in row.window_medians_ms), **changes)
        for row in profile.rows
    )
    return replace(profile, rows=tuple(rows))


@pytest.mark.parametrize(
    ("factor", "verdict"),
    [
        (1.0, Verdict.NOISE),
        (1.01, Verdict.NOISE),  # within what the rounds differ by
        (1.10, Verdict.SLOWER),
        (0.80, Verdict.FASTER),
    ],
)
def test_a_change_is_held_against_the_spread_of_the_rounds(profile, factor, verdict):
    found = compare_profiles(profile, slowed(profile, factor))
    assert found.differences == ()
    assert {row.verdict for row in found.rows} == {verdict}
    for row in found.rows:
        assert row.ratio == pytest.approx(factor, rel=1e-6)
        assert row.interval[0] <= factor <= row.interval[1]


def test_small_changes_are_noise_however_steady_the_rounds(profile):
    steady = replace(profile, rows=tuple(replace(row, window_medians_ms=(1.0,) * 6) for row in profile.rows))
    later = slowed(steady, 1.02)
    assert {row.verdict for row in compare_profiles(steady, later).rows} == {Verdict.NOISE}
    assert {row.verdict for row in compare_profiles(steady, later, noise=0.01).rows} == {Verdict.SLOWER}


def test_nothing_is_concluded_from_what_drifted(profile):
    found = compare_profiles(profile, slowed(profile, 2.0, stability=Stability.DRIFTING))
    assert {(row.verdict, row.remarks) for row in found.rows} == {(Verdict.UNSTEADY, ("drifting after",))}
    with pytest.raises(CheckFailedError, match="no row could be compared"):
        found.raise_if_slower(0.05)


def test_too_few_rounds_conclude_nothing(profile):
    short = replace(profile, rows=tuple(replace(row, window_medians_ms=ROUNDS[:3]) for row in profile.rows))
    found = compare_profiles(short, slowed(short, 3.0))
    assert {(row.verdict, row.interval) for row in found.rows} == {(Verdict.NOISE, None)}


def test_rows_of_one_side_are_named(profile):
    found = compare_profiles(replace(profile, rows=profile.rows[1:]), replace(profile, rows=profile.rows[:-1]))
    verdicts = {row.combination: row.verdict for row in found.rows}
    assert verdicts[profile.rows[0].combination] is Verdict.ONLY_AFTER
    assert verdicts[profile.rows[-1].combination] is Verdict.ONLY_BEFORE
    assert list(verdicts.values()).count(Verdict.NOISE) == len(profile.rows) - 2


def with_processor(profile: ProfileReport, **changes: object) -> ProfileReport:
    environment = profile.environment
    return replace(profile, environment=replace(environment, processor=replace(environment.processor, **changes)))


def with_graph(profile: ProfileReport, **changes: object) -> ProfileReport:
    return replace(profile, graphs=tuple(replace(graph, **changes) for graph in profile.graphs))


def with_package(profile: ProfileReport, version: str, name: str = "onnxruntime") -> ProfileReport:
    packages = {**profile.environment.packages, name: version}
    return replace(profile, environment=replace(profile.environment, packages=packages))


@pytest.mark.parametrize(
    ("change", "kind", "name"),
    [
        (lambda profile: with_processor(profile, model="Other CPU"), Difference.MACHINE, "processor"),
        (lambda profile: with_processor(profile, quota_cores=0.5), Difference.MACHINE, "usable cores"),
        (lambda profile: with_graph(profile, sha256="0" * 64), Difference.GRAPH, "fp32 graph"),
        (lambda profile: with_graph(profile, provider="CUDAExecutionProvider"), Difference.SOFTWARE, "provider"),
        (lambda profile: with_package(profile, "0.1"), Difference.SOFTWARE, "ONNX Runtime"),
    ],
)
def test_what_else_differs_is_named_and_prevents_a_verdict(profile, change, kind, name):
    other = change(slowed(profile, 2.0))
    found = compare_profiles(profile, other)
    assert [(one.kind, one.name) for one in found.differences] == [(kind, name)]
    assert {(row.verdict, row.remarks, row.ratio) for row in found.rows} == {(Verdict.NOT_COMPARABLE, (name,), None)}
    allowed = compare_profiles(profile, other, despite=(kind,))
    assert {row.verdict for row in allowed.rows} == {Verdict.SLOWER}


def test_another_graph_of_one_format_leaves_the_other_comparable(profile):
    int8 = tuple(replace(row, precision=Precision.INT8) for row in profile.rows)
    graphs = (*profile.graphs, replace(profile.graphs[0], precision=Precision.INT8, sha256="1" * 64))
    both = replace(profile, rows=(*profile.rows, *int8), graphs=graphs)
    other = replace(both, graphs=(graphs[0], replace(graphs[1], sha256="2" * 64)))
    verdicts = {(row.combination.precision, row.verdict) for row in compare_profiles(both, other).rows}
    assert verdicts == {(Precision.FP32, Verdict.NOISE), (Precision.INT8, Verdict.NOT_COMPARABLE)}


def test_other_settings_are_named_and_compared(profile):
    found = compare_profiles(profile, replace(profile, seconds=9.0))
    assert [(one.kind, one.name) for one in found.differences] == [(Difference.SETTINGS, "seconds")]
    assert {row.verdict for row in found.rows} == {Verdict.NOISE}


def test_a_gate_fails_beyond_its_limit_only(profile):
    found = compare_profiles(profile, slowed(profile, 1.2))
    found.raise_if_slower(0.25)
    compare_profiles(profile, slowed(profile, 0.5)).raise_if_slower(0.05)
    with pytest.raises(CheckFailedError, match=r"4 of 4 rows became slower.*\+20\.0%") as failure:
        found.raise_if_slower(0.05)
    assert failure.value.exit_code == 3


def test_a_gate_that_checks_nothing_fails(profile):
    found = compare_profiles(profile, with_package(profile, "0.1"))
    with pytest.raises(CheckFailedError, match="ONNX Runtime was"):
        found.raise_if_slower(0.05)


@pytest.mark.parametrize("name", ["numpy", "opencv-python-headless"])
def test_what_resizes_concerns_the_rows_that_resize(profile, name):
    found = compare_profiles(profile, with_package(slowed(profile, 2.0), "0.1", name))
    verdicts = {(row.combination.clock, row.verdict) for row in found.rows}
    assert verdicts == {(LatencyClock.MODEL, Verdict.SLOWER), (LatencyClock.CLASSIFY, Verdict.NOT_COMPARABLE)}


def with_gpu(profile: ProfileReport, driver: str, provider: str = "CUDAExecutionProvider") -> ProfileReport:
    environment = replace(profile.environment, gpus=(Gpu("L4", "8.9"),), driver_version=driver)
    return replace(with_graph(profile, provider=provider), environment=environment)


def test_the_driver_of_a_gpu_counts_where_a_gpu_computes(profile):
    found = compare_profiles(with_gpu(profile, "550.1"), with_gpu(profile, "560.2"))
    assert [(one.kind, one.name) for one in found.differences] == [(Difference.SOFTWARE, "GPU driver")]
    assert {row.verdict for row in found.rows} == {Verdict.NOT_COMPARABLE}
    on_cpu = [with_gpu(profile, driver, "CPUExecutionProvider") for driver in ("550.1", "560.2")]
    assert compare_profiles(*on_cpu).differences == ()


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_a_gate_does_not_pass_with_rows_that_nobody_checked(profile, factor):
    after = slowed(profile, factor)
    drifted = replace(after.rows[0], stability=Stability.DRIFTING)
    found = compare_profiles(profile, replace(after, rows=(drifted, *after.rows[1:])))
    with pytest.raises(CheckFailedError, match=r"3 of 4 rows could be compared.*1 unsteady"):
        found.raise_if_slower(0.05)
    found = compare_profiles(profile, replace(after, rows=after.rows[:1]))
    with pytest.raises(CheckFailedError, match=r"1 of 4 rows could be compared.*3 only before"):
        found.raise_if_slower(0.05)
    compare_profiles(replace(profile, rows=profile.rows[:1]), after).raise_if_slower(0.05)  # new rows have no before


def test_a_row_that_is_slower_is_told_before_those_that_are_unknown(profile):
    after = slowed(profile, 2.0)
    drifted = replace(after.rows[0], stability=Stability.DRIFTING)
    found = compare_profiles(profile, replace(after, rows=(drifted, *after.rows[1:])))
    with pytest.raises(CheckFailedError, match="3 of 3 rows became slower"):
        found.raise_if_slower(0.05)


def test_too_few_rounds_pass_no_gate(profile):
    short = replace(profile, rows=tuple(replace(row, window_medians_ms=ROUNDS[:3]) for row in profile.rows))
    with pytest.raises(CheckFailedError, match="with too few rounds"):
        compare_profiles(short, short).raise_if_slower(0.05)


def test_impossible_noise_is_refused(profile):
    with pytest.raises(UsageError, match="impossible noise"):
        compare_profiles(profile, profile, noise=1.0)


def test_equal_builds_are_seldom_called_different():
    """By the intervals alone, about one pair of profiles in twenty would be."""
    from fsrfer.runtime.profiling.statistics import ratio_interval

    rng = np.random.default_rng(0)
    intervals = [ratio_interval(*rng.lognormal(0.0, 0.05, (2, 6))) for _ in range(2000)]
    wrong = np.mean([not low <= 1.0 <= high for low, high in intervals])
    assert 0.02 <= wrong <= 0.055
