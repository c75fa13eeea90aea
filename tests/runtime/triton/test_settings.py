"""Addresses of Triton servers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsrfer.core.errors import UsageError
from fsrfer.runtime.triton.settings import is_triton_address, parse_triton


def test_one_server_with_nothing_said_about_it():
    found = parse_triton("triton://gpu.local/edge")
    assert found.endpoints == ("gpu.local:8001",)
    assert found.model == "edge"
    assert not found.is_encrypted
    assert (found.deadline_s, found.outage_s, found.in_flight) == (1.0, 30.0, 8)
    assert found.name == "triton://gpu.local:8001/edge"


def test_several_servers_with_options():
    found = parse_triton("triton://a:9001,[::1],10.0.0.7/fer.v2#deadline_ms=250&outage_s=5&in_flight=16")
    assert found.endpoints == ("a:9001", "[::1]:8001", "10.0.0.7:8001")
    assert (found.model, found.deadline_s, found.outage_s, found.in_flight) == ("fer.v2", 0.25, 5.0, 16)
    assert found.name == "triton://a:9001,[::1]:8001,10.0.0.7:8001/fer.v2"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://host/model", "cannot understand"),
        ("triton:host/model", "cannot understand"),
        ("triton://host", "cannot understand"),
        ("triton://host/", "cannot understand"),
        ("triton:///model", "cannot understand"),
        ("triton://a,,b/model", "cannot understand"),
        ("triton://host:0/model", "cannot understand"),
        ("triton://host:99999/model", "cannot understand"),
        ("triton://host:port/model", "cannot understand"),
        ("triton://host/model/1", "cannot understand"),
        ("triton://host/model?token=x", "cannot understand"),
        ("triton://a,a:8001/model", "names a server twice"),
        ("triton://host/model#deadline_ms=0", "deadline_ms cannot be used"),
        ("triton://host/model#deadline_ms=soon", "deadline_ms cannot be used"),
        ("triton://host/model#in_flight=1.5", "in_flight cannot be used"),
        ("triton://host/model#ca_file=x", "no such option"),
        ("triton://host/model#token=secret", "no such option"),
        ("triton://host/model#nonsense", "cannot understand what follows the #"),
        ("tritons://host/model#cert_file=x", "half a certificate"),
        ("tritons://host/model#ca_file=/no/such/file", "cannot take certificates"),
        ("tritons://host/model#cert_file=/no/such&key_file=/no/such", "there is no file /no/such"),
    ],
)
def test_what_is_no_address_is_refused(text, said):
    with pytest.raises(UsageError, match=said) as caught:
        parse_triton(text)
    assert "secret" not in str(caught.value)


def test_credentials_are_neither_taken_nor_repeated():
    with pytest.raises(UsageError, match=r"holds credentials.*token_env") as caught:
        parse_triton("tritons://user:pa55@host/model")
    assert "pa55" not in str(caught.value)


def test_a_token_comes_from_the_environment_or_a_file_and_is_never_shown(monkeypatch, tmp_path):
    monkeypatch.setenv("FER_TOKEN", "s3cret")
    found = parse_triton("tritons://host/model#token_env=FER_TOKEN")
    assert found.token.value == "s3cret"
    assert "s3cret" not in repr(found) + found.name
    (tmp_path / "token").write_text("s3cret\n")
    assert parse_triton(f"tritons://host/model#token_file={tmp_path / 'token'}").token.value == "s3cret"
    with pytest.raises(UsageError, match="token_env cannot be used"):
        parse_triton("tritons://host/model#token_env=NO_SUCH_VARIABLE")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3:9", "[::1]:9"])
def test_a_token_may_stay_unencrypted_on_this_machine(monkeypatch, host):
    monkeypatch.setenv("FER_TOKEN", "s3cret")
    assert parse_triton(f"triton://{host}/model#token_env=FER_TOKEN").token is not None


@pytest.mark.parametrize("host", ["gpu.local", "10.0.0.7:8001", "localhost,gpu.local", "localhost.evil.example"])
def test_a_token_never_travels_in_the_clear(monkeypatch, host):
    monkeypatch.setenv("FER_TOKEN", "s3cret")
    with pytest.raises(UsageError, match=r"send the token in the clear.*tritons://"):
        parse_triton(f"triton://{host}/model#token_env=FER_TOKEN")


def test_a_folder_of_certificates_is_read(certificate):
    authority, key = certificate
    found = parse_triton(f"tritons://host/model#ca_file={authority}&cert_file={authority}&key_file={key}")
    assert (found.ca_file, found.cert_file, found.key_file) == (authority, authority, key)
    assert found.is_encrypted


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused(text):
    address = f"triton://{text}"
    assert is_triton_address(address)
    try:
        found = parse_triton(address)
    except UsageError:
        return
    assert found.model
    assert all(endpoint.rpartition(":")[2].isdecimal() for endpoint in found.endpoints)


@given(
    st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,10}[a-z0-9]", fullmatch=True), min_size=1, max_size=4, unique=True),
    st.integers(1, 65535),
    st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True),
)
def test_what_is_written_is_what_is_found(hosts, port, model):
    found = parse_triton(f"triton://{','.join(f'{host}:{port}' for host in hosts)}/{model}")
    assert found.endpoints == tuple(f"{host}:{port}" for host in hosts)
    assert found.model == model
    assert parse_triton(found.name) == found


def test_other_backends_are_no_addresses():
    for text in ("onnxruntime", "tensorrt", "triton", "http://host/model", str(Path("/triton"))):
        assert not is_triton_address(text)
