"""The detector's configuration."""

from __future__ import annotations

import re

import pytest

from fsrfer.core.errors import UsageError
from fsrfer.runtime.detection import DetectorConfig


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("score_threshold", 1.5),
        ("score_threshold", float("nan")),
        ("nms_iou", -0.1),
        ("min_face_px", -1.0),
        ("max_side", 16),
        ("max_enlargement", 0.0),
        ("scales", ()),
        ("scales", (1.0, 0.0)),
        ("scales", (1.5,)),
        ("scales", (float("nan"),)),
        ("max_candidates", 0),
        ("max_batch", 0),
    ],
)
def test_impossible_value_is_named(name, value):
    with pytest.raises(
        UsageError, match=f"impossible {name} of the face detector; expected .*; found {re.escape(str(value))}"
    ):
        DetectorConfig(**{name: value})


def test_score_threshold_may_be_left_to_the_detector():
    assert DetectorConfig().score_threshold is None
    assert DetectorConfig(score_threshold=1.0).score_threshold == 1.0
