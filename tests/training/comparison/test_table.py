"""The table of a comparison."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fsrfer.core.metrics import mcnemar
from fsrfer.core.preprocess import ColorMode, PreprocessSpec
from fsrfer.datasets import Track, evaluate_by_size
from fsrfer.training.comparison import (
    METHODS,
    Comparison,
    Kind,
    MethodCost,
    MethodResult,
    cells,
    draw_accuracy,
    draw_risk_coverage,
    to_markdown,
)
from fsrfer.training.comparison.plot import line_style

SPEC = PreprocessSpec(16, 16, ColorMode.GRAY)
SIZES = (16, 8)


def classifier_right_for(faces, share: float):
    """Right for the first so many faces of a hundred, whatever it sees."""
    labels = faces.label_indices
    seen = {"count": 0}

    def classify(batch, native):
        positions = (seen["count"] + np.arange(len(batch))) % len(faces)
        seen["count"] += len(batch)
        answers = np.where(positions < share * len(faces), labels[positions], (labels[positions] + 1) % 3)
        return np.eye(3, dtype=np.float32)[answers] * 2

    return classify


@pytest.fixture
def comparison(make_faces) -> Comparison:
    faces = make_faces("test", 90)

    def result(key: str, kind: Kind, share: float) -> MethodResult:
        tracks = {}
        for track in Track:
            reports = [
                evaluate_by_size(classifier_right_for(faces, share), faces, SPEC, [size], track=track) for size in SIZES
            ]
            tracks[track] = replace(reports[0], sizes=tuple(report.sizes[0] for report in reports))
        return MethodResult(
            key, f"method {key}", kind, tracks, {size: MethodCost(2_000_000, 5_000_000, 0.5) for size in SIZES}
        )

    results = (
        result("weak", Kind.BASELINE, 0.5),
        result("strong", Kind.BASELINE, 0.7),
        result("variant", Kind.ABLATION, 0.95),
        result("ours", Kind.OURS, 0.9),
    )
    return Comparison(("train", "valid", "test"), SIZES, results)


def test_the_strongest_baseline_is_no_ablation_and_not_ours(comparison):
    rows = comparison.rows(Track.REALISTIC, 8)
    assert {row.strongest for row in rows} == {"method strong"}
    assert [row.gain for row in rows] == pytest.approx([-0.2, 0.0, 0.25, 0.2], abs=0.01)


def test_methods_are_paired_face_by_face(comparison):
    ours, strong = (comparison.results[index].tracks[Track.CLEAN].at(8) for index in (3, 1))
    row = comparison.rows(Track.CLEAN, 8)[3]
    assert row.paired == mcnemar(ours.correct, strong.correct)
    assert (row.paired.only_first, row.paired.only_second) == (18, 0)
    assert row.paired.p_mid < 0.001


def test_a_row_as_it_is_printed(comparison):
    shown = [cells(row) for row in comparison.rows(Track.CLEAN, 16)]
    assert shown[3][0] == "method ours"
    assert shown[3][1].startswith("90.00% [")
    assert shown[3][4:7] == ("2.00 M", "5.0", "0.50")
    assert shown[3][7].startswith("+20.00 points, p = ")
    assert shown[1][7] == "is the strongest"


def test_without_a_baseline_the_first_method_is_the_yardstick(comparison):
    alone = replace(comparison, results=comparison.results[2:])
    assert {row.strongest for row in alone.rows(Track.CLEAN, 16)} == {"method variant"}


def test_the_markdown_has_every_figure(comparison):
    text = to_markdown(comparison)
    assert "Track `clean`, 90 faces. In percent: accuracy [95 % interval]" in text
    assert "Track `realistic-1, seed 0`, 90 faces. In percent" in text
    assert text.count("| method | 16 px | 8 px |") == 4
    row = comparison.results[3].tracks[Track.CLEAN].at(16)
    rest = f"{100 * row.mean_class_accuracy.value:.1f} / {100 * row.ece:.1f} |"
    assert f"| method ours | 90.00 [{100 * row.accuracy.low:.1f}, {100 * row.accuracy.high:.1f}] / {rest}" in text
    assert text.count("**95.56**") == 4  # the best of each size on each track
    assert text.count("| strongest baseline | method strong | method strong |") == 2
    assert text.count("| method ours | +20.00, p = ") == 2
    assert text.count("| method strong |  |  |") == 2
    assert text.endswith("| method ours | 2.00 M | 5.0 | 0.50 |\n")


def test_costs_that_depend_on_the_size_are_shown_from_least_to_most(comparison):
    costs = {16: MethodCost(1_000_000, 9_000_000, None), 8: MethodCost(1_000_000, 2_500_000, None)}
    changed = replace(comparison, results=(replace(comparison.results[0], costs=costs),))
    assert "| method weak | 1.00 M | 2.5 to 9.0 | not measured |" in to_markdown(changed)


def test_the_json_is_complete_and_plain(comparison):
    value = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    assert [method["key"] for method in value["methods"]] == ["weak", "strong", "variant", "ours"]
    assert value["methods"][3]["costs"]["8"]["latency_ms"] == 0.5
    assert value["methods"][3]["tracks"]["realistic"]["track"] == "realistic-1, seed 0"
    tests = value["against_the_strongest_baseline"]
    assert len(tests) == 2 * 2 * 4
    assert all(entry["strongest"] == "method strong" for entry in tests)


def test_the_plots_are_drawn(comparison, tmp_path):
    draw_accuracy(comparison, tmp_path / "accuracy.png")
    draw_risk_coverage(comparison.results[-1], tmp_path / "abstention.png")
    for name in ("accuracy.png", "abstention.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_no_two_methods_look_alike():
    baselines = [method for method in METHODS if method.kind is not Kind.OURS]
    styles = [line_style(position, ours=False) for position in range(len(baselines))]
    assert len({style["color"] for style in styles[:10]}) == 10
    looks = {tuple(style.items()) for style in [*styles, line_style(0, ours=True)]}
    assert len(looks) == len(METHODS)
