"""Answers that are kept: taken while they hold, asked for anew where anything changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fsrfer.core.errors import InputSpecError
from fsrfer.core.preprocess import ColorMode, EnlargeFilter, PreprocessSpec
from fsrfer.datasets import Track, evaluate_by_size, open_dataset
from fsrfer.training.comparison import KeptLogits
from fsrfer.training.comparison.kept_logits import MOST_DIFFERENCE, PROBE_FACES

COUNT = 3 * PROBE_FACES + 5
SPEC = PreprocessSpec(height=24, width=24, color=ColorMode.GRAY, crop_margin=0.0)


class Pupil:
    """Answers by a fixed projection of the pixels, and counts the faces that it was asked about."""

    def __init__(self, classes: int, seed: int = 0) -> None:
        self._weights = np.random.default_rng(seed).normal(size=(24 * 24, classes)).astype(np.float32)
        self.asked = 0
        self.off_by = 0.0

    def __call__(self, faces, face_size_px):
        self.asked += len(faces)
        return faces.reshape(len(faces), -1).astype(np.float32) / 255 @ self._weights + np.float32(self.off_by)


@pytest.fixture(scope="module")
def faces():
    return open_dataset(f"procedural?count={COUNT}&size=24", "test")


@pytest.fixture
def pupil(faces):
    return Pupil(len(faces.labels))


@pytest.fixture
def evaluated(tmp_path, faces, pupil):
    """A folder in which a method's answers about all faces are."""
    KeptLogits(tmp_path).evaluate("method", pupil, faces, SPEC, 12, Track.REALISTIC)
    assert pupil.asked == COUNT
    pupil.asked = 0
    return tmp_path


def test_the_second_report_is_the_first_one_at_the_price_of_a_probe(evaluated, faces, pupil):
    kept, told = KeptLogits(evaluated), []
    report = kept.evaluate("method", pupil, faces, SPEC, 12, Track.REALISTIC, lambda *done: told.append(done))
    assert (pupil.asked, kept.reused, told) == (PROBE_FACES, 1, [(COUNT, COUNT)])
    asked = evaluate_by_size(pupil, faces, SPEC, [12], track=Track.REALISTIC)
    assert report.to_json() == asked.to_json()
    for name in ("logits", "predictions", "correct", "native_px"):
        np.testing.assert_array_equal(getattr(report.at(12), name), getattr(asked.at(12), name))


def test_faces_that_are_smaller_than_asked_for_stay_counted(tmp_path, faces, pupil):
    reports = [KeptLogits(tmp_path).evaluate("method", pupil, faces, SPEC, 48, Track.CLEAN) for _ in range(2)]
    assert [report.at(48).smaller_count for report in reports] == [COUNT, COUNT]


def test_rounding_is_no_other_method(evaluated, faces, pupil):
    pupil.off_by = 0.3 * MOST_DIFFERENCE
    kept = KeptLogits(evaluated)
    kept.evaluate("method", pupil, faces, SPEC, 12, Track.REALISTIC)
    assert kept.reused == 1


def test_other_weights_are_asked_about_everything_and_replace_the_answers(evaluated, faces):
    other = Pupil(len(faces.labels), seed=1)
    kept = KeptLogits(evaluated)
    report = kept.evaluate("method", other, faces, SPEC, 12, Track.REALISTIC)
    assert (kept.reused, other.asked) == (0, PROBE_FACES + COUNT)
    again = kept.evaluate("method", other, faces, SPEC, 12, Track.REALISTIC)
    assert kept.reused == 1
    np.testing.assert_array_equal(again.at(12).logits, report.at(12).logits)


@pytest.mark.parametrize(
    ("method", "spec", "size", "track"),
    [
        ("another", SPEC, 12, Track.REALISTIC),
        ("method", SPEC, 16, Track.REALISTIC),
        ("method", SPEC, 12, Track.CLEAN),
        ("method", replace(SPEC, enlarge=EnlargeFilter.NEAREST), 12, Track.REALISTIC),
    ],
)
def test_another_question_is_asked(evaluated, faces, pupil, method, spec, size, track):
    kept = KeptLogits(evaluated)
    report = kept.evaluate(method, pupil, faces, spec, size, track)
    assert kept.reused == 0
    assert report.to_json() == evaluate_by_size(pupil, faces, spec, [size], track=track).to_json()


def test_other_faces_are_other_answers(evaluated, pupil):
    more = open_dataset(f"procedural?count={COUNT + 1}&size=24", "test")
    kept = KeptLogits(evaluated)
    assert kept.evaluate("method", pupil, more, SPEC, 12, Track.REALISTIC).at(12).count == COUNT + 1
    assert kept.reused == 0


def test_a_damaged_file_is_made_again(evaluated, faces, pupil):
    (path,) = evaluated.rglob("*.npz")
    whole = path.read_bytes()
    for damaged in (b"", b"not an archive", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        kept = KeptLogits(evaluated)
        kept.evaluate("method", pupil, faces, SPEC, 12, Track.REALISTIC)
        assert kept.reused == 0
        assert np.load(path)["logits"].shape == (COUNT, len(faces.labels))


def test_what_was_cut_off_leaves_nothing_behind(tmp_path, faces):
    def cut_off(batch, face_size_px):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        KeptLogits(tmp_path).evaluate("method", cut_off, faces, SPEC, 12, Track.CLEAN)
    with pytest.raises(InputSpecError):
        KeptLogits(tmp_path).evaluate("method", lambda batch, px: np.zeros((1, 1)), faces, SPEC, 12, Track.CLEAN)
    assert not list(tmp_path.rglob("*"))
