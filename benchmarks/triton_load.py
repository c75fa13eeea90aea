"""Asks a real Triton server at planned moments, and reads its own account of the runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tritonclient import grpc as triton_grpc

Array = np.ndarray

_TYPES = {"UINT8": np.uint8, "FP32": np.float32}


@dataclass(frozen=True)
class Account:
    """A server's account of a model, which only grows.

    Attributes:
        faces: Faces read.
        runs: Runs of the model.
        requests: Requests answered.
    """

    faces: int
    runs: int
    requests: int

    def since(self, earlier: Account) -> Account:
        """Return what came since."""
        return Account(self.faces - earlier.faces, self.runs - earlier.runs, self.requests - earlier.requests)


@dataclass
class Asked:
    """What came of asking.

    Attributes:
        latency_s: From the planned moment to the answer; nan where there was none. float64 (N,).
        late_s: From the planned moment to the sending of each request. float64 (N,).
        faces: Of each request: int64 (N,).
        first: Identifier of the first request; the others count on from it.
        failures: What the server said instead of an answer, and how often.
        seconds: From the first planned moment to the last answer.
        account: The server's own.
    """

    latency_s: Array
    late_s: Array
    faces: Array
    first: int
    failures: dict[str, int]
    seconds: float
    account: Account


class TritonLoad:
    """Asks one model with random faces.

    Args:
        address: Host and port of gRPC.
        model: Name of the model.
        most_faces: Most faces in a request.
    """

    def __init__(self, address: str, model: str, most_faces: int) -> None:
        self._client = triton_grpc.InferenceServerClient(address)
        self._model = model
        self._asked = 0
        tensors = self._client.get_model_metadata(model).inputs
        rng = np.random.default_rng(0)
        self._inputs = {
            faces: [_random(tensor, faces, rng) for tensor in tensors] for faces in range(1, most_faces + 1)
        }

    def account(self) -> Account:
        """Ask the server for its account."""
        (found,) = self._client.get_inference_statistics(self._model).model_stats
        return Account(found.inference_count, found.execution_count, found.inference_stats.success.count)

    def at(self, moments_s: Array, faces: Array) -> Asked:
        """Ask at planned moments, whether or not earlier answers are there.

        Args:
            moments_s: Rising: float64 (N,).
            faces: Faces of each request: int (N,).
        """
        answers, first = _Answers(len(moments_s)), self._asked
        sent_s = np.empty(len(moments_s))
        before = self.account()
        start_s = time.perf_counter() + 0.05 - float(moments_s[0])
        for number, (moment_s, count) in enumerate(zip(moments_s.tolist(), faces.tolist(), strict=True)):
            wait_s = start_s + moment_s - time.perf_counter()
            if wait_s > 0.0:
                time.sleep(wait_s)
            sent_s[number] = time.perf_counter()
            self._ask(count, answers.keeper_of(number))
        answers.wait()
        planned_s = start_s + moments_s
        return Asked(
            latency_s=answers.moments_s - planned_s,
            late_s=sent_s - planned_s,
            faces=faces,
            first=first,
            failures=answers.failures,
            seconds=float(np.nanmax(answers.moments_s) - planned_s[0]),
            account=self.account().since(before),
        )

    def in_flight(self, width: int, faces: Iterable[int], seconds: float) -> Asked:
        """Keep so many requests under way, each asked as soon as another is answered.

        Args:
            width: Requests under way.
            faces: Faces of each request, without an end.
            seconds: How long.
        """
        supply = iter(faces)
        slots = threading.Semaphore(width)
        sent_s: list[float] = []
        asked: list[int] = []
        answers, first = _Answers(0), self._asked
        before = self.account()
        start_s = time.perf_counter()
        while time.perf_counter() < start_s + seconds:
            slots.acquire()
            keep = answers.another(slots.release)
            asked.append(next(supply))
            sent_s.append(time.perf_counter())
            self._ask(asked[-1], keep)
        answers.wait()
        sent = np.array(sent_s)
        return Asked(
            latency_s=answers.moments_s - sent,
            late_s=np.zeros(len(sent)),
            faces=np.array(asked),
            first=first,
            failures=answers.failures,
            seconds=float(np.nanmax(answers.moments_s) - start_s),
            account=self.account().since(before),
        )

    def _ask(self, faces: int, keep: Any) -> None:
        self._client.async_infer(self._model, self._inputs[faces], keep, request_id=str(self._asked))
        self._asked += 1

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()


class _Answers:
    """Collects answers, which come in threads of gRPC."""

    def __init__(self, count: int) -> None:
        self._moments_s = [np.nan] * count
        self._expected = count
        self._come = 0
        self._changed = threading.Condition()
        self.failures: dict[str, int] = {}

    @property
    def moments_s(self) -> Array:
        return np.array(self._moments_s)

    def keeper_of(self, number: int, then: Any = None) -> Any:
        def keep(result: Any, error: Any) -> None:  # noqa: ARG001 (signature of tritonclient)
            now_s = time.perf_counter()
            if then is not None:
                then()
            with self._changed:
                if error is None:
                    self._moments_s[number] = now_s
                else:
                    said = str(error.message())[-60:]
                    self.failures[said] = self.failures.get(said, 0) + 1
                self._come += 1
                self._changed.notify()

        return keep

    def another(self, then: Any) -> Any:
        with self._changed:
            self._moments_s.append(np.nan)
            self._expected += 1
        return self.keeper_of(len(self._moments_s) - 1, then)

    def wait(self) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._come >= self._expected, timeout=120.0):
                raise RuntimeError(f"{self._expected - self._come} requests were never answered")


def _random(tensor: Any, faces: int, rng: np.random.Generator) -> Any:
    shape = (faces, *(int(axis) for axis in tensor.shape[1:]))
    dtype = _TYPES[tensor.datatype]
    values = rng.integers(8, 49 if dtype is np.float32 else 256, shape).astype(dtype)  # native sizes, or pixels
    given = triton_grpc.InferInput(tensor.name, shape, tensor.datatype)
    given.set_data_from_numpy(values)
    return given
