"""Credentials never show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.runtime.sources import redact_address
from fsrfer.runtime.sources.address import is_address, scheme_of

SECRETS = st.text(st.characters(min_codepoint=33, exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(user=SECRETS, password=SECRETS)
def test_user_and_password_are_hidden_whatever_they_hold(user, password):
    assert redact_address(f"rtsp://{user}:{password}@cam.local:554/s1") == "rtsp://***@cam.local:554/s1"


@given(value=st.text(st.characters(min_codepoint=33, exclude_characters="&#@", exclude_categories=["Cs"])))
def test_values_of_unknown_parameters_are_hidden(value):
    address = f"http://cam.local/video?user=joe&pwd={value}&channel=2"
    assert redact_address(address) == "http://cam.local/video?user=***&pwd=***&channel=2"


@given(text=st.text(max_size=40))
def test_redaction_is_stable(text):
    for address in (text, f"rtsp://{text}"):
        assert redact_address(redact_address(address)) == redact_address(address)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://cam.local/stream", "rtsp://cam.local/stream"),
        ("RTSP://u:p@cam.local/stream", "RTSP://***@cam.local/stream"),
        ("rtsp://token@cam.local", "rtsp://***@cam.local"),
        ("rtsp://u:p/w?d#@cam.local/s?subtype=0", "rtsp://***@cam.local/s?subtype=0"),
        ("http://cam.local/s?abcdef", "http://cam.local/s?***"),
        ("http://cam.local/s?", "http://cam.local/s?"),
        ("http://cam.local/s#secret", "http://cam.local/s"),
        ("rtsp://[fe80::1]:554/s", "rtsp://[fe80::1]:554/s"),
        ("clips/a@b.mp4", "clips/a@b.mp4"),
    ],
)
def test_examples(address, shown):
    assert redact_address(address) == shown


def test_schemes():
    assert is_address("rtsp://x")
    assert not is_address("/dev/video0")
    assert scheme_of("RTSPS://x") == "rtsps"
    assert scheme_of("clip.mp4") == ""
