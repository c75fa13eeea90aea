import pytest

from fsrfer.core.errors import UsageError
from fsrfer.runtime.serving import ServingOptions

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("localhost:0", "localhost", 0),
        ("[::1]:9000", "::1", 9000),
        ("127.8.9.10:1", "127.8.9.10", 1),
    ],
)
def test_loopback_addresses_need_no_token(text, host, port):
    options = ServingOptions.parse(text)
    assert (options.host, options.port, options.is_loopback) == (host, port, True)


@pytest.mark.parametrize("text", ["8080", "127.0.0.1", "127.0.0.1:", "::1:80", ":8080", "host:-1", "host:99999", "a:٣"])
def test_what_is_no_address(text):
    with pytest.raises(UsageError, match="cannot listen there"):
        ServingOptions.parse(text, token=TOKEN)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "box.local", "127.0.0.1.evil.example"])
def test_other_machines_need_a_token(host):
    with pytest.raises(UsageError, match=r"open to other machines.*openssl rand"):
        ServingOptions(host)
    assert ServingOptions(host, token=TOKEN).is_loopback is False


@pytest.mark.parametrize("token", ["", "short", "0123456789abcde ", "0123456789abcdéf"])
def test_a_token_is_a_secret_that_fits_a_header(token):
    with pytest.raises(UsageError, match="token of the live page"):
        ServingOptions(token=token)


def test_a_token_is_not_shown():
    assert TOKEN not in repr(ServingOptions(token=TOKEN))


@pytest.mark.parametrize("limit", [{"max_streams": 0}, {"max_fps": 0}, {"client_timeout_s": 0}])
def test_impossible_limits(limit):
    with pytest.raises(UsageError, match="impossible limits"):
        ServingOptions(**limit)
