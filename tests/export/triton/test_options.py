"""What a user may choose about a model repository."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core.errors import UsageError
from fsrfer.core.options import Precision
from fsrfer.export.triton import TritonBackend, TritonOptions


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"precision": Precision.FP16}, r"python backend does not serve fp16.*fp32, int8"),
        ({"backend": TritonBackend.ONNXRUNTIME, "precision": Precision.BF16}, "does not serve bf16"),
        ({"backend": TritonBackend.TENSORRT, "threads": 2}, "--threads is for a CPU"),
        ({"name": "../up"}, "impossible name"),
        ({"name": ".hidden"}, "impossible name"),
        ({"name": ""}, "impossible name"),
        ({"max_batch": 0}, "impossible way to serve"),
        ({"instances": 0}, "impossible way to serve"),
        ({"threads": 0}, "impossible way to serve"),
        ({"latency_budget_ms": 0.5}, "impossible way to serve"),
        ({"latency_budget_ms": float("nan")}, "impossible way to serve"),
        ({"latency_budget_ms": 10.0, "queue_delay_us": 10_001}, "impossible way to serve"),
        ({"queue_delay_us": -1}, "impossible way to serve"),
    ],
)
def test_what_cannot_be_served_is_refused(options, said):
    with pytest.raises(UsageError, match=said):
        TritonOptions(**options)


@given(st.text(max_size=20))
def test_a_name_is_a_folder_in_the_repository_and_nothing_else(name):
    try:
        TritonOptions(name=name)
    except UsageError:
        return
    assert name
    assert not name.startswith(".")
    assert "/" not in name
    assert name.isascii()
    assert name.isprintable()
