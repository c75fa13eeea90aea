"""One Triton server over gRPC, with the package ``tritonclient`` (extra ``triton``)."""

from __future__ import annotations

import importlib
import itertools
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ...core.errors import MissingDependencyError
from ..remote import InferenceLostError, LossReason
from ..runner import Array
from .settings import TritonSettings

_REASONS = {
    "UNAVAILABLE": LossReason.UNAVAILABLE,
    "CANCELLED": LossReason.UNAVAILABLE,
    "NOT_FOUND": LossReason.UNAVAILABLE,
    "RESOURCE_EXHAUSTED": LossReason.OVERLOADED,
    "DEADLINE_EXCEEDED": LossReason.DEADLINE,
}
_OVERLOAD_MESSAGES = ("Exceeds maximum queue size", "Request timeout expired")
"""What the queue policy of Triton says with the status UNAVAILABLE, which otherwise means that nobody is there."""

_MESSAGE_BYTES = 2**31 - 1
_CHANNEL = (
    # gRPC's own back-off goes up to two minutes: a server that is back has to be found within seconds.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A name may stand for several servers.
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.max_send_message_length", _MESSAGE_BYTES),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES),
    # Else channels with equal arguments share one connection, and one that hangs could not be replaced.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True)
class ServerModel:
    """What a server says about a model.

    Attributes:
        tensors: Type and shape of each input and output, as ``UINT8 [-1, 1, 48, 48]``.
        max_batch: Most faces in a request; 0 where it takes no batches.
        parameters: Of its configuration.
        version: The version that is served.
    """

    tensors: Mapping[str, str]
    max_batch: int
    parameters: Mapping[str, str]
    version: str


def import_tritonclient() -> ModuleType:
    """Import the gRPC client.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        return importlib.import_module("tritonclient.grpc")
    except ModuleNotFoundError as problem:
        raise MissingDependencyError.for_extra("tritonclient", "triton", "reading faces on Triton") from problem


class TritonClient:
    """Asks one server; all of its methods may be called from several threads.

    Args:
        endpoint: Host and port.
        settings: How to ask.

    Raises:
        MissingDependencyError: ``tritonclient`` is not installed.
    """

    def __init__(self, endpoint: str, settings: TritonSettings) -> None:
        self._grpc = import_tritonclient()
        self._endpoint = endpoint
        self._settings = settings
        self._headers = None if settings.token is None else {"authorization": f"Bearer {settings.token.value}"}
        self._numbers = itertools.count(1)
        self._client = self._connect()

    @property
    def name(self) -> str:
        """The server, for messages; holds no credentials."""
        return self._endpoint

    def describe(self, timeout_s: float) -> ServerModel:
        """Ask what the model is.

        Raises:
            InferenceLostError: The server does not answer, or has no such model.
        """
        model = self._settings.model
        if not self._call("is_model_ready", timeout_s, model):
            raise InferenceLostError(
                LossReason.UNAVAILABLE,
                f"{self.name} is there, but its model {model} is not",
                fix="see the server's log; the model's name is that of its folder in the repository",
            )
        metadata = self._call("get_model_metadata", timeout_s, model)
        config = self._call("get_model_config", timeout_s, model).config
        tensors = (*metadata.inputs, *metadata.outputs)
        return ServerModel(
            tensors={tensor.name: f"{tensor.datatype} {list(tensor.shape)}" for tensor in tensors},
            max_batch=int(config.max_batch_size),
            parameters={key: str(value.string_value) for key, value in config.parameters.items()},
            version=str(metadata.versions[-1]) if metadata.versions else "",
        )

    def infer(self, feed: Mapping[str, Array], output: str, timeout_s: float, version: str) -> Array:
        """Run the model.

        Args:
            feed: Inputs as the server takes them, batch axis first.
            output: The output that is wanted.
            timeout_s: Time after which it is given up; the server drops what it has not begun by then.
            version: The version that was found to be the right one.

        Raises:
            InferenceLostError: There is no answer, or one that is not to be trusted.
        """
        inputs = []
        for name, array in feed.items():
            tensor = self._grpc.InferInput(name, array.shape, _datatype(array.dtype))
            tensor.set_data_from_numpy(np.ascontiguousarray(array))
            inputs.append(tensor)
        number = str(next(self._numbers))
        result = self._call(
            "infer",
            timeout_s,
            self._settings.model,
            inputs,
            outputs=[self._grpc.InferRequestedOutput(output)],
            request_id=number,
        )
        response, array = result.get_response(), result.as_numpy(output)
        rows = len(next(iter(feed.values())))
        if response.id != number or array is None or len(array) != rows:
            raise InferenceLostError(
                LossReason.REFUSED,
                f"{self.name} does not answer what it was asked",
                found=f"request {response.id} for {number}, {0 if array is None else len(array)} rows for {rows}",
                fix="report the server's version; what lies between may mix up requests",
            )
        if response.model_version != version:
            raise InferenceLostError(
                LossReason.OTHER_MODEL,
                f"{self.name} serves version {response.model_version} of {self._settings.model} by now",
                found=f"version {version} before",
            )
        return np.asarray(array)

    def renew(self) -> None:
        """Connect anew: a connection whose other end vanished silently would be waited on for many minutes."""
        self._client = self._connect()  # calls under way keep the old one; it closes with the last of them

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def _connect(self) -> Any:
        settings = self._settings
        credentials = None
        if settings.is_encrypted:
            grpc = importlib.import_module("grpc")
            credentials = grpc.ssl_channel_credentials(
                _bytes(settings.ca_file or _system_authorities()), _bytes(settings.key_file), _bytes(settings.cert_file)
            )
        return self._grpc.InferenceServerClient(self._endpoint, creds=credentials, channel_args=list(_CHANNEL))

    def _call(self, method: str, timeout_s: float, *words: Any, **options: Any) -> Any:
        error_type = importlib.import_module("tritonclient.utils").InferenceServerException
        try:
            return getattr(self._client, method)(*words, headers=self._headers, client_timeout=timeout_s, **options)
        except error_type as problem:
            raise self._lost(str(problem.status() or ""), str(problem.message() or "")) from problem
        except ValueError as problem:  # gRPC: the channel was closed
            raise self._lost("UNAVAILABLE", str(problem)) from problem

    def _lost(self, status: str, message: str) -> InferenceLostError:
        status = status.rpartition(".")[2]
        reason = _REASONS.get(status, LossReason.REFUSED)
        if any(words in message for words in _OVERLOAD_MESSAGES):
            reason = LossReason.OVERLOADED
        return InferenceLostError(
            reason,
            f"{self.name} did not read the faces",
            found=f"{status}: {' '.join(message.split())[:300]}",
            fix=_FIXES[reason],
        )


_FIXES = {
    LossReason.UNAVAILABLE: "start the server, or see its log",
    LossReason.OVERLOADED: "more servers or instances, or fewer cameras",
    LossReason.DEADLINE: "see the server's load, or allow more with #deadline_ms",
    LossReason.OTHER_MODEL: "export the bundle again, or name the one that is served",
    LossReason.REFUSED: "see the server's log",
}


def _datatype(dtype: np.dtype[Any]) -> str:
    return {"uint8": "UINT8", "float32": "FP32", "float16": "FP16"}[str(dtype)]


def _bytes(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()


def _system_authorities() -> Path | None:
    # gRPC would trust the list that it brings along; everything else here trusts the system's.
    file = ssl.get_default_verify_paths().cafile
    return None if file is None else Path(file)
