"""Faces read by Triton servers, behind the seam that every runner stands behind."""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import numpy as np

from ...core.bundle import BundleManifest
from ...core.errors import BackendUnavailableError, CheckFailedError, InputSpecError
from ...core.golden import GoldenVectors
from ...core.options import Precision
from ..remote import InferenceLostError, LossReason
from ..runner import Array, TensorSpec, check_feed, specs_by_name
from .client import ServerModel, TritonClient
from .facts import EXPORT_COMMAND, ModelFacts, check_facts
from .pool import PROBE_S, Endpoint, EndpointPool
from .settings import TritonSettings

_CONNECT_S = 5.0
_PATIENT_DEADLINES = 10.0  # a recording gives a slow server so many times the deadline of a live picture
_BLINK_S = 0.3  # a connection that was reset is there again by then, or its server is away for longer
_FAIR_SHARE = 0.5  # of the deadline; a server that had less of it may be well and yet be late

_Ask = Callable[[Mapping[str, Array]], Array]


class TritonRunner:
    """Runs the model of a bundle on Triton servers; see :class:`~fsrfer.runtime.remote.RemoteRunner`.

    The servers are looked for at once, and must serve the very model that the bundle names: labels, number format,
    hash of the graph, preprocessing, names and shapes of the tensors. Each time that one joins or comes back, it must
    give the logits that the bundle records for its golden vectors. While it is entered, threads look after the servers.

    Args:
        settings: The servers, and how to ask them.
        manifest: The bundle's description.
        precision: Number format that is wanted.
        golden: The bundle's golden vectors; None where it has none.

    Raises:
        MissingDependencyError: ``tritonclient`` is not installed.
        InferenceLostError: No server answers, and the settings do not say to keep trying; or all serve another model.
    """

    def __init__(
        self,
        settings: TritonSettings,
        manifest: BundleManifest,
        precision: Precision,
        golden: GoldenVectors | None = None,
    ) -> None:
        self._settings = settings
        self._manifest = manifest
        self._precision = precision
        self._golden = golden
        self._model_sha256: str | None = None
        self._inputs, self._outputs = _specs(manifest)
        self._rng = np.random.default_rng()
        self._closing = threading.Event()
        self._executor: ThreadPoolExecutor | None = None
        self._pool = EndpointPool([TritonClient(one, settings) for one in settings.endpoints], self._verify)
        try:
            self._pool.connect(_CONNECT_S, is_needed=not settings.keep_trying)
        except BackendUnavailableError:
            self._pool.close()
            raise

    @property
    def inputs(self) -> Mapping[str, TensorSpec]:
        """The graph's inputs by name."""
        return self._inputs

    @property
    def outputs(self) -> Mapping[str, TensorSpec]:
        """The output that is asked for."""
        return self._outputs

    @property
    def serves_threads(self) -> bool:
        """Always."""
        return True

    @property
    def max_batch(self) -> int | None:
        """Most faces in one request, larger batches are split; None before a server was found."""
        return self._pool.max_batch

    @property
    def model_sha256(self) -> str | None:
        """Hash of the file that is served; None before a server was found."""
        return self._model_sha256

    def infer(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        """Run the graph, waiting for servers that are away.

        Raises:
            InputSpecError: An input is wrong.
            InferenceLostError: No server read the faces for as long as the settings allow.
        """
        return next(self.infer_each([feed]))

    def infer_each(self, feeds: Iterable[Mapping[str, Array]]) -> Iterator[dict[str, Array]]:
        """Run the graph on batch after batch, several at the same time, waiting for servers that are away.

        Args:
            feeds: Batches; as many are taken ahead as may be under way.

        Raises:
            InputSpecError: An input is wrong.
            InferenceLostError: No server read the faces for as long as the settings allow.
        """
        for result in self._each(feeds, self._ask_patiently):
            if isinstance(result, InferenceLostError):
                raise result
            yield result

    def attempt_each(self, feeds: Iterable[Mapping[str, Array]]) -> Iterator[dict[str, Array] | InferenceLostError]:
        """Run the graph on batch after batch, several at the same time; what is not read within the deadline is lost.

        Args:
            feeds: Batches; as many are taken ahead as may be under way. The deadline of all begins with the call.

        Raises:
            InputSpecError: An input is wrong.
        """
        give_up_s = time.monotonic() + self._settings.deadline_s

        def ask_at_once(feed: Mapping[str, Array]) -> Array:
            return self._ask(feed, lambda: give_up_s - time.monotonic(), give_up_s, is_patient=False)

        return self._each(feeds, ask_at_once)

    def _each(self, feeds: Iterable[Mapping[str, Array]], ask: _Ask) -> Iterator[dict[str, Array] | InferenceLostError]:
        if self._executor is None:
            raise RuntimeError("the runner was not entered")
        under_way: deque[list[Future[Array]]] = deque()
        try:
            for feed in feeds:
                self._check(feed)
                under_way.append([self._executor.submit(ask, part) for part in _parts(feed, self.max_batch)])
                if len(under_way) >= self._settings.in_flight:
                    yield self._collect(under_way.popleft())
            while under_way:
                yield self._collect(under_way.popleft())
        finally:
            for parts in under_way:
                for future in parts:
                    future.cancel()

    def _check(self, feed: Mapping[str, Array]) -> None:
        check_feed(feed, self._inputs)
        if len({len(array) for array in feed.values()}) != 1:
            raise InputSpecError(
                "the inputs are of different numbers of faces",
                expected="as many rows in each",
                found=", ".join(f"{name}: {len(array)}" for name, array in feed.items()),
            )

    def _collect(self, parts: list[Future[Array]]) -> dict[str, Array] | InferenceLostError:
        name = self._manifest.graph.logits_output
        empty = np.empty((0, len(self._manifest.labels)), self._outputs[name].dtype)
        try:
            return {name: np.concatenate([empty, *(future.result() for future in parts)])}
        except InferenceLostError as problem:
            return problem

    def _ask_patiently(self, feed: Mapping[str, Array]) -> Array:
        timeout_s = _PATIENT_DEADLINES * self._settings.deadline_s
        return self._ask(feed, lambda: timeout_s, time.monotonic() + self._settings.outage_s, is_patient=True)

    def _ask(
        self, feed: Mapping[str, Array], timeout_s: Callable[[], float], give_up_s: float, *, is_patient: bool
    ) -> Array:
        tried: list[Endpoint] = []
        for failures in itertools.count(1):
            endpoint = self._pool.choose(tried)
            if endpoint is None:
                problem = self._pool.problem
                pays = _may_pass(problem, is_patient) and (is_patient or self._pool.away_s < _BLINK_S)
            else:
                answer = self._ask_one(endpoint, feed, timeout_s())
                if not isinstance(answer, InferenceLostError):
                    return answer
                problem = answer
                tried.append(endpoint)
                pays = _may_pass(problem, is_patient)
            has_other = self._pool.has_other(tried) and problem.reason is not LossReason.REFUSED
            wait_s = 0.0 if has_other else self._settings.retry.delay_s(failures, self._rng)
            if not (pays or has_other) or time.monotonic() + wait_s >= give_up_s or self._closing.wait(wait_s):
                raise problem
        raise AssertionError("unreachable")

    def _ask_one(self, endpoint: Endpoint, feed: Mapping[str, Array], timeout_s: float) -> Array | InferenceLostError:
        if timeout_s <= 0.0:
            return InferenceLostError(
                LossReason.DEADLINE,
                "the faces did not get their turn in time",
                found=f"{self._settings.in_flight} requests under way before them",
                fix="allow more with #in_flight or #deadline_ms",
            )
        version = "" if endpoint.model is None else endpoint.model.version
        try:
            return endpoint.client.infer(feed, self._manifest.graph.logits_output, timeout_s, version)
        except InferenceLostError as problem:
            had_little = timeout_s < _FAIR_SHARE * self._settings.deadline_s
            if not (had_little and problem.reason is LossReason.DEADLINE):
                self._pool.note(endpoint, problem)
            return problem

    def _verify(self, client: TritonClient, known: ServerModel | None) -> ServerModel:
        model = client.describe(PROBE_S)
        where = f"{self._settings.model} on {client.name}"
        facts = ModelFacts.from_parameters(model.parameters, where)
        check_facts(facts, self._manifest, self._precision, where)
        wanted = _wire_tensors(self._inputs, self._outputs)
        found = {name: model.tensors.get(name, "nothing") for name in wanted}
        if found != wanted or model.max_batch < 1:
            raise BackendUnavailableError(
                f"the tensors of {where} are not those of the bundle",
                expected=f"{wanted}, batches",
                found=f"{found}, batches of {model.max_batch}",
                fix=EXPORT_COMMAND,
            )
        if model != known:
            self._self_test(client, model, where)
        self._model_sha256 = facts.model_sha256
        return model

    def _self_test(self, client: TritonClient, model: ServerModel, where: str) -> None:
        if self._golden is None:
            return
        graph, timeout_s = self._manifest.graph, max(PROBE_S, self._settings.deadline_s)

        def logits(faces: Array, face_size_px: Array) -> Array:
            feed = {graph.faces_input: faces}
            if graph.face_size_input is not None:
                feed[graph.face_size_input] = face_size_px
            parts = _parts(feed, model.max_batch)
            return np.concatenate([client.infer(one, graph.logits_output, timeout_s, model.version) for one in parts])

        try:
            self._golden.check_logits(logits, self._precision, where)
        except CheckFailedError as problem:
            raise BackendUnavailableError(
                problem.message, expected=problem.expected, found=problem.found, fix=problem.fix
            ) from problem

    def __enter__(self) -> TritonRunner:
        workers = self._settings.in_flight
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="fsrfer-triton-request")
        self._pool.watch()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
        self._pool.close()


def _parts(feed: Mapping[str, Array], most: int | None) -> list[dict[str, Array]]:
    # Where the graph has no axis but that of the batch, Triton wants another one.
    wire = {name: array if array.ndim > 1 else array[:, None] for name, array in feed.items()}
    rows, step = len(next(iter(feed.values()))), most or 1
    return [{name: array[start : start + step] for name, array in wire.items()} for start in range(0, rows, step)]


def _may_pass(problem: InferenceLostError, is_patient: bool) -> bool:
    """Tell whether asking the same servers again may help in time.

    An overloaded server is not asked again for live pictures: that would be one more load, for faces that are old news.
    """
    if is_patient:
        return problem.reason is not LossReason.REFUSED
    return problem.reason is LossReason.UNAVAILABLE


def _specs(manifest: BundleManifest) -> tuple[Mapping[str, TensorSpec], Mapping[str, TensorSpec]]:
    graph, spec = manifest.graph, manifest.preprocess
    faces = TensorSpec(graph.faces_input, np.dtype(np.uint8), (None, spec.channels, spec.height, spec.width))
    inputs = [faces]
    if graph.face_size_input is not None:
        inputs.append(TensorSpec(graph.face_size_input, np.dtype(np.float32), (None,)))
    logits = TensorSpec(graph.logits_output, np.dtype(np.float32), (None, len(manifest.labels)))
    return specs_by_name(inputs), specs_by_name([logits])


def _wire_tensors(*groups: Mapping[str, TensorSpec]) -> dict[str, str]:
    return {
        name: f"{'UINT8' if spec.dtype == np.uint8 else 'FP32'} {[-1, *(spec.shape[1:] or (1,))]}"
        for group in groups
        for name, spec in group.items()
    }
