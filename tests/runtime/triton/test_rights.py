"""Encryption and tokens: the real server with TLS, and a real gRPC proxy that asks for a token before it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from fsrfer.core.errors import UsageError
from fsrfer.runtime.opening import open_bundle
from fsrfer.runtime.remote import InferenceLostError, LossReason
from fsrfer.runtime.triton.settings import parse_triton


@pytest.fixture(scope="module")
def encrypted(start_server, make_bundle, certificate, tmp_path_factory):
    """A server that speaks TLS only, and wants a certificate from its clients too."""
    public, key = certificate
    arguments = [
        *("--grpc-use-ssl=1", "--grpc-use-ssl-mutual=1"),
        *(f"--grpc-server-cert={public}", f"--grpc-server-key={key}", f"--grpc-root-cert={public}"),
    ]
    return start_server(make_bundle(tmp_path_factory.mktemp("tls") / "tiny"), arguments=arguments)


def test_an_encrypted_server_reads_faces(encrypted, certificate, crops_of):
    public, key = certificate
    options = f"deadline_ms=60000&ca_file={public}&cert_file={public}&key_file={key}"
    address = encrypted.address(options, scheme="tritons")
    with open_bundle(encrypted.bundle.path, backend=parse_triton(address)) as remote:
        assert remote.read(crops_of(3)).losses == (None,) * 3


@pytest.mark.parametrize("options", ["", "ca_file={public}"])
def test_a_server_that_is_not_trusted_or_does_not_trust_us_reads_nothing(encrypted, certificate, monkeypatch, options):
    monkeypatch.setattr("fsrfer.runtime.triton.runner._CONNECT_S", 0.2)
    address = encrypted.address(options.format(public=certificate[0]), scheme="tritons")
    with pytest.raises(InferenceLostError) as caught:
        open_bundle(encrypted.bundle.path, backend=parse_triton(address))
    assert caught.value.reason is LossReason.UNAVAILABLE


def test_a_key_in_the_place_of_a_certificate_is_told(encrypted, certificate):
    with pytest.raises(UsageError, match="cannot take certificates"):
        parse_triton(encrypted.address(f"ca_file={certificate[1]}", scheme="tritons"))


@contextmanager
def asking_for(token, upstream):
    """A gRPC proxy on this machine that lets through who brings the token; gives its address and what it refused."""
    refused = []

    class Forward(grpc.GenericRpcHandler):
        def service(self, details):
            given = dict(details.invocation_metadata).get("authorization")

            def call(request, context):
                if given != f"Bearer {token}":
                    refused.append(details.method)
                    context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
                forward = channel.unary_unary(details.method, lambda raw: raw, lambda raw: raw)
                return forward(request, timeout=context.time_remaining())

            return grpc.unary_unary_rpc_method_handler(call, lambda raw: raw, lambda raw: raw)

    with grpc.insecure_channel(upstream) as channel:
        server = grpc.server(ThreadPoolExecutor(4), handlers=(Forward(),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}", refused
        server.stop(None).wait()


def test_a_token_is_shown_to_the_proxy_with_every_call(served, crops_of, monkeypatch):
    monkeypatch.setenv("FER_TOKEN", "s3cret")
    with asking_for("s3cret", served.server.grpc_address) as (address, refused):
        settings = parse_triton(f"triton://{address}/tiny#token_env=FER_TOKEN&deadline_ms=60000")
        with open_bundle(served.bundle.path, backend=settings) as remote:
            assert remote.read(crops_of(3)).losses == (None,) * 3
    assert refused == []


def test_a_wrong_token_is_told_at_once_and_never_repeated(served, monkeypatch, caplog):
    monkeypatch.setenv("FER_TOKEN", "guess3d")
    with asking_for("s3cret", served.server.grpc_address) as (address, refused):
        settings = parse_triton(f"triton://{address}/tiny#token_env=FER_TOKEN")
        with pytest.raises(InferenceLostError, match=r"found UNAUTHENTICATED: who are you\?") as caught:
            open_bundle(served.bundle.path, backend=settings)
    assert caught.value.reason is LossReason.REFUSED
    assert len(refused) == 1
    assert "guess3d" not in str(caught.value) + caplog.text
