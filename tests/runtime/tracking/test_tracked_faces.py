"""The faces of a frame and their tracks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fsrfer.core.errors import InputSpecError
from fsrfer.runtime.tracking import TrackedFaces


def test_nobody():
    assert len(TrackedFaces.empty()) == 0


def test_some_of_the_faces_keep_what_is_theirs(make_tracked):
    faces = make_tracked([4, 7, 9], detected=[True, False, True])
    some = faces.select(np.array([2, 0]))
    assert some.ids.tolist() == [9, 4]
    np.testing.assert_array_equal(some.detections.boxes, faces.detections.boxes[[2, 0]])
    assert faces.select(faces.is_detected).ids.tolist() == [4, 9]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ids", np.zeros(2, np.int64)),
        ("ids", np.zeros(3, np.int32)),
        ("age_s", np.zeros(3, np.float64)),
        ("is_detected", np.zeros((3, 1), np.bool_)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(make_tracked, field, value):
    with pytest.raises(InputSpecError, match=field):
        dataclasses.replace(make_tracked([1, 2, 3]), **{field: value})
