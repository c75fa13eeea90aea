"""What builds on damage is held back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fsrfer.runtime.sources.damage import CutOffJpegs, DamageGate


def test_a_whole_stream_passes():
    gate = DamageGate()
    assert not any(gate.holds_back(index / 25, is_key=False) for index in range(100))


def test_damage_holds_back_up_to_the_next_key_frame():
    gate = DamageGate()
    gate.close()
    assert [gate.holds_back(index / 25, is_key=index == 7) for index in range(10)] == [True] * 7 + [False] * 3


@pytest.mark.parametrize("jump_s", [0.0, -50.0])
def test_without_key_frames_it_lasts_two_seconds(jump_s):
    gate = DamageGate()
    gate.close()
    held = [gate.holds_back(100 + (jump_s if index > 9 else 0) + index / 25, is_key=False) for index in range(100)]
    assert sum(held) == (10 if jump_s else 50)


def test_new_damage_begins_anew():
    gate = DamageGate()
    gate.close()
    assert gate.holds_back(0.0, is_key=False)
    gate.close()
    assert gate.holds_back(1.9, is_key=False)
    assert gate.holds_back(3.8, is_key=False)
    assert not gate.holds_back(3.9, is_key=False)


def test_a_picture_that_ends_early_is_cut_off_unless_the_camera_never_ends_any():
    picture = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8))[1].tobytes()
    jpegs = CutOffJpegs()
    assert not jpegs.is_cut_off(picture[:-2])
    assert not jpegs.is_cut_off(picture)
    assert jpegs.is_cut_off(picture[:-2])
    assert jpegs.is_cut_off(picture[: len(picture) // 2])
    assert not jpegs.is_cut_off(picture + bytes(100))
