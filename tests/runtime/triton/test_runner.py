"""Faces read by the real Triton server."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from tritonclient import grpc as triton_grpc

from fsrfer.core import ArtifactKind, Precision, preprocess
from fsrfer.core.errors import BackendUnavailableError, InputSpecError, MissingDependencyError
from fsrfer.core.golden import GoldenVectors
from fsrfer.runtime.opening import open_bundle
from fsrfer.runtime.remote import InferenceLostError, LossReason, RemoteRunner
from fsrfer.runtime.triton.runner import TritonRunner


def statistics(served):
    with triton_grpc.InferenceServerClient(served.server.grpc_address) as client:
        (found,) = client.get_inference_statistics("tiny").model_stats
        return found


def test_the_server_reads_faces_as_this_machine_does(served, crops_of):
    crops = crops_of(150)  # in ten requests: the server takes 16 faces at most
    with (
        open_bundle(served.bundle.path, threads=1, max_batch=16) as local,
        open_bundle(served.bundle.path, backend=served.settings()) as remote,
    ):
        assert remote.max_batch == 16
        expected, found = local.classify(crops), remote.classify(crops)
        assert np.array_equal(found.probabilities, expected.probabilities)
        assert np.array_equal(found.face_size_px, expected.face_size_px)
        attempted = remote.read(crops)
        assert attempted.losses == (None,) * 150
        assert np.array_equal(attempted.predictions.probabilities, expected.probabilities)
        assert len(remote.classify([])) == len(remote.read([])) == 0
        assert remote.model_sha256 == served.bundle.manifest.artifacts["onnx-fp32"].sha256


def test_batches_that_the_server_joined_are_taken_apart_again(start_server, make_bundle, crops_of, tmp_path):
    """Rows may differ in the last bits, for ONNX Runtime multiplies larger batches in another order."""
    # Without a delay only what meets an instance at work is joined, which a busy machine may never have happen.
    served = start_server(make_bundle(tmp_path / "tiny", conditioned=True), max_batch=16, queue_delay_us=20_000)
    clients, rounds = 8, 12
    work = [
        [crops_of(1 + (client + turn) % 5, seed=client * 100 + turn) for turn in range(rounds)] for client in range(8)
    ]
    with open_bundle(served.bundle.path, threads=1) as local:
        expected = [[local.classify(crops).probabilities for crops in turns] for turns in work]
    before = statistics(served)
    begin = threading.Barrier(clients)

    def read(turns):
        with open_bundle(served.bundle.path, backend=served.settings()) as remote:
            begin.wait(60)
            return [remote.classify(crops).probabilities for crops in turns]

    with ThreadPoolExecutor(clients) as pool:
        found = list(pool.map(read, work))
    after = statistics(served)
    for one, other in zip(found, expected, strict=True):
        for some, same in zip(one, other, strict=True):
            np.testing.assert_allclose(some, same, rtol=1e-5, atol=1e-6)
    faces = after.inference_count - before.inference_count
    runs = after.execution_count - before.execution_count
    requests = clients * rounds
    assert faces == sum(len(crops) for turns in work for crops in turns)
    assert runs < requests, "no two requests were ever joined"


def test_the_order_of_batches_is_kept_with_several_under_way(served, crops_of):
    manifest = served.bundle.manifest
    faces, sizes = preprocess(crops_of(40), manifest.preprocess)
    feeds = [{"faces": faces[[row]], "face_size": sizes[[row]]} for row in range(40)]
    with (
        TritonRunner(served.settings("in_flight=4"), manifest, Precision.FP32) as runner,
        open_bundle(served.bundle.path, threads=1) as local,
    ):
        assert isinstance(runner, RemoteRunner)
        found = np.concatenate([result["logits"] for result in runner.infer_each(feeds)])
        attempted = np.concatenate([result["logits"] for result in runner.attempt_each(feeds)])
        expected = local.logits(faces, sizes)
        whole = runner.infer({"faces": faces, "face_size": sizes})["logits"]  # split by the server's largest batch
    for one in (found, attempted, whole):
        np.testing.assert_allclose(one, expected, rtol=1e-5, atol=1e-6)


def test_what_is_fed_is_checked_here(served):
    with TritonRunner(served.settings(), served.bundle.manifest, Precision.FP32) as runner:
        faces = np.zeros((2, 3, 24, 24), np.uint8)
        with pytest.raises(InputSpecError, match="wrong inputs"):
            runner.infer({"faces": faces})
        with pytest.raises(InputSpecError, match=r"wrong input face_size; expected float32 \(\?\)"):
            runner.infer({"faces": faces, "face_size": np.zeros((2, 1), np.float32)})
        with pytest.raises(InputSpecError, match="different numbers of faces"):
            runner.infer({"faces": faces, "face_size": np.zeros(3, np.float32)})


def test_a_runner_is_entered_before_it_runs(served):
    runner = TritonRunner(served.settings(), served.bundle.manifest, Precision.FP32)
    with pytest.raises(RuntimeError, match="not entered"):
        runner.infer({"faces": np.zeros((1, 3, 24, 24), np.uint8), "face_size": np.ones(1, np.float32)})
    with runner:
        pass


def test_a_model_without_face_sizes_is_served_too(start_server, make_bundle, tmp_path, crops_of):
    served = start_server(
        make_bundle(tmp_path / "bundle", channels=1, kinds=(ArtifactKind.ONNX_INT8_CPU,)),
        precision=Precision.INT8,
        threads=1,
    )
    with (
        open_bundle(served.bundle.path, precision=Precision.INT8, threads=1) as local,
        open_bundle(served.bundle.path, precision=Precision.INT8, backend=served.settings()) as remote,
    ):
        crops = crops_of(9)
        assert np.array_equal(remote.classify(crops).probabilities, local.classify(crops).probabilities)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"seed": 1},
            r"tiny on 127.*another model; expected tiny, onnx-fp32 \w+ \(the bundle\); found tiny, onnx",
        ),
        ({"labels": ("neutral", "happiness")}, "serves another model"),
        ({"crop_margin": 0.3}, "serves other preprocessing"),
    ],
)
def test_a_server_of_another_model_is_refused(served, make_bundle, tmp_path, changes, said):
    other = make_bundle(tmp_path / "other", conditioned=True, **changes)
    with pytest.raises(BackendUnavailableError, match=said):
        open_bundle(other.path, backend=served.settings())


def test_another_precision_is_refused(served, make_bundle, tmp_path):
    kinds = (ArtifactKind.ONNX_FP32, ArtifactKind.ONNX_INT8_CPU)
    bundle = make_bundle(tmp_path / "bundle", conditioned=True, kinds=kinds)
    with pytest.raises(BackendUnavailableError, match="another number format; expected int8"):
        open_bundle(bundle.path, precision=Precision.INT8, backend=served.settings())


def test_a_model_that_nobody_exported_is_refused(start_server, make_bundle, tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    served = start_server(bundle, edit=lambda text: text.replace("fsrfer.labels", "their.labels"))
    with pytest.raises(BackendUnavailableError, match="does not say which model it is"):
        open_bundle(bundle.path, backend=served.settings())


def test_a_model_that_is_not_there_is_told(served, monkeypatch):
    monkeypatch.setattr("fsrfer.runtime.triton.runner._CONNECT_S", 0.2)
    settings = replace(served.settings(), model="absent")
    with pytest.raises(InferenceLostError, match="is there, but its model absent is not") as caught:
        open_bundle(served.bundle.path, backend=settings)
    assert caught.value.reason is LossReason.UNAVAILABLE


def test_no_server_is_told_at_the_start(served, triton_server, monkeypatch):
    monkeypatch.setattr("fsrfer.runtime.triton.runner._CONNECT_S", 0.2)
    settings = replace(served.settings(), endpoints=(f"127.0.0.1:{triton_server.free_port()}",))
    with pytest.raises(InferenceLostError, match=r"found UNAVAILABLE.*Next: start the server"):
        open_bundle(served.bundle.path, backend=settings)


def test_a_server_that_answers_otherwise_never_serves(start_server, make_bundle, tmp_path, crops_of):
    bundle = make_bundle(tmp_path / "bundle")
    faces, sizes = preprocess(crops_of(4), bundle.manifest.preprocess)
    with open_bundle(bundle.path, threads=1) as local:
        logits = local.logits(faces, sizes)
    bundle = bundle.store(ArtifactKind.GOLDEN, GoldenVectors(tuple(crops_of(4)), faces, sizes, -logits).write)
    served = start_server(bundle)
    with pytest.raises(BackendUnavailableError, match=r"tiny on 127.*fails its self-test"):
        open_bundle(bundle.path, backend=served.settings())


def test_without_the_client_library_the_extra_is_named(served, monkeypatch):
    monkeypatch.setitem(sys.modules, "tritonclient.grpc", None)
    with pytest.raises(MissingDependencyError, match=r"fsrfer\[triton\]"):
        open_bundle(served.bundle.path, backend=served.settings())
