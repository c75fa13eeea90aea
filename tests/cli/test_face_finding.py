"""Where faces come from."""

from contextlib import ExitStack

import pytest

from fsrfer.cli.face_finding import FaceFinding, lanes_for, warm_up
from fsrfer.core.errors import FsrferError, UsageError
from fsrfer.core.options import Provider
from fsrfer.core.processor import read_processor
from fsrfer.runtime.sources import parse_sources

CORES = max(int(read_processor().usable_cores), 1)


@pytest.mark.parametrize(
    ("sources", "wanted", "lanes"),
    [(1, None, 1), (1000, None, CORES), (0, None, 1), (1, 3, 3), (1000, 1, 1)],
)
def test_there_is_a_lane_for_each_core_but_no_more_than_sources(sources, wanted, lanes):
    assert lanes_for(sources, wanted) == lanes


def test_the_detector_runs_where_it_was_asked_to(shared):
    yunet = f"yunet:{shared / 'models' / 'yunet_n_dynamic.onnx'}"
    finding = FaceFinding(yunet, batch=8)
    with ExitStack() as stack:
        detector = finding.open(stack, threads=1)
        assert detector.config.max_batch == 8
        assert finding.describe(detector) == "yunet, score from 0.65, on CPUExecutionProvider"
        warm_up(detector, parse_sources(["rtsp://camera.local/1"]))
    with ExitStack() as stack, pytest.raises(FsrferError, match="CUDAExecutionProvider"):
        stack.enter_context(FaceFinding(yunet, provider=Provider.CUDA).open(stack, threads=1))


def test_recorded_boxes_have_no_options(tmp_path):
    for options in ({"batch": 2}, {"provider": Provider.CPU}, {"tile": 320}):
        with ExitStack() as stack, pytest.raises(UsageError, match="taken as they are"):
            FaceFinding(f"boxes:{tmp_path / 'boxes.jsonl'}", **options).open(stack, threads=1)
