"""Options of outputs that contradict each other."""

import pytest

from fsrfer.cli.run_outputs import Outputs
from fsrfer.core.errors import UsageError


@pytest.mark.parametrize("annotated", [None, "seen.png"])
def test_segments_are_those_of_videos(tmp_path, annotated):
    outputs = Outputs(annotated=annotated and tmp_path / annotated, video_segment_s=60.0)
    with pytest.raises(UsageError, match="--video-segment"):
        outputs.check([])


def test_segments_of_a_video_are_fine(tmp_path):
    Outputs(annotated=tmp_path / "seen.mp4", video_segment_s=60.0).check([])
