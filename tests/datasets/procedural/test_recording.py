"""Clips and their truth as files."""

from __future__ import annotations

import av
import numpy as np
import pytest

from fsrfer.core.errors import BackendUnavailableError, DatasetError, InputSpecError
from fsrfer.datasets.procedural import CrowdClip, read_ground_truth, write_clip, write_ground_truth


@pytest.fixture(scope="module")
def clip() -> CrowdClip:
    return CrowdClip(seed=2, seconds=1.0)


@pytest.fixture(scope="module")
def frames(clip):
    return [clip.frame(index) for index in range(clip.frame_count)]


@pytest.mark.parametrize(("codec", "name"), [("libx264", "h264"), ("mpeg4", "mpeg4")])
def test_the_clip_comes_back_from_its_file(clip, frames, tmp_path, codec, name):
    path = tmp_path / "crowd.mp4"
    write_clip(clip, path, codec=codec)
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == name
        assert container.metadata["comment"] == f"encoder {codec}"
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert float(container.streams.video[0].average_rate) == clip.fps
    assert len(decoded) == clip.frame_count
    for image, frame in zip(decoded, frames, strict=True):
        assert np.abs(image.astype(int) - frame.image).mean() < 6


def test_the_truth_comes_back_from_its_file(clip, frames, tmp_path):
    path = tmp_path / "crowd.jsonl"
    write_ground_truth(clip, path)
    read = list(read_ground_truth(path))
    assert len(read) == clip.frame_count
    for told, frame in zip(read, frames, strict=True):
        np.testing.assert_allclose(told.boxes, frame.boxes, atol=0.01)
        np.testing.assert_array_equal(told.track_ids, frame.track_ids)
        np.testing.assert_array_equal(told.label_indices, frame.label_indices)
        np.testing.assert_allclose(told.visibility, frame.visibility, atol=0.001)


def test_a_damaged_truth_is_named(tmp_path):
    path = tmp_path / "crowd.jsonl"
    path.write_text('{"frame": 0, "faces": []}\n{"frame": 1}\n')
    with pytest.raises(DatasetError, match="line 2"):
        list(read_ground_truth(path))


def test_a_clip_of_odd_sides_is_refused_before_anything_is_written(tmp_path):
    path = tmp_path / "crowd.mp4"
    with pytest.raises(InputSpecError, match="even"):
        write_clip(CrowdClip(width=301, height=200, seconds=0.2, people=1), path)
    assert not list(tmp_path.iterdir())


def test_h264_is_written_where_it_can_be(clip, tmp_path):
    write_clip(clip, tmp_path / "crowd.mp4")
    with av.open(str(tmp_path / "crowd.mp4")) as container:
        assert container.metadata["comment"] == "encoder libx264"


def test_mpeg4_stands_in_aloud_for_an_absent_h264(clip, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    write_clip(clip, tmp_path / "crowd.mp4")
    assert "no libx264" in caplog.text
    with av.open(str(tmp_path / "crowd.mp4")) as container:
        assert container.metadata["comment"] == "encoder mpeg4"


def test_an_encoder_that_is_not_there_is_named(clip, tmp_path):
    with pytest.raises(BackendUnavailableError, match="nvenc"):
        write_clip(clip, tmp_path / "crowd.mp4", codec="nvenc")
    assert not list(tmp_path.iterdir())
