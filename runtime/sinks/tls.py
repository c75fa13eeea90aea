"""Encrypted connections to servers whose certificates are checked."""

from __future__ import annotations

import ssl
from pathlib import Path

from ...core.errors import UsageError


def client_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context that checks the server's certificate and its name.

    Args:
        ca_file: Certificates (PEM) of the authorities to trust; None for those of the system.

    Raises:
        UsageError: The file cannot be read, or holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as problem:
        raise UsageError(
            f"cannot take certificates from {ca_file}",
            expected="a file of certificates (PEM)",
            found=problem.strerror or problem,
        ) from problem
    context.sslsocket_class = _TlsSocket
    return context


class _TlsSocket(ssl.SSLSocket):
    """Closes itself where it finds no agreement; paho-mqtt would leave that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            self.close()
            raise


def reason_of(error: Exception) -> str:
    """Return why a connection failed, in a few words and without the address."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
