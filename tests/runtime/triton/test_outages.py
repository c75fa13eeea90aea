"""Servers that die, hang, come back, come back as somebody else, or have too much to do."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
from tritonclient import grpc as triton_grpc

from fsrfer.core import ArtifactKind, preprocess
from fsrfer.core.golden import GoldenVectors
from fsrfer.runtime.detection import FaceDetections
from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.opening import open_bundle
from fsrfer.runtime.pipeline import PipelineOptions, StreamPipeline
from fsrfer.runtime.remote import InferenceLostError, LossReason
from fsrfer.runtime.triton.settings import parse_triton

BOXES = np.array([[4, 4, 24, 24], [40, 8, 70, 38], [80, 30, 92, 42]], np.float32)


class Everywhere:
    """Finds three faces at the same places in every frame."""

    name = "everywhere"
    score_threshold = 0.3

    def detect_batch(self, frames):
        return [FaceDetections(BOXES, np.full(len(BOXES), 0.9, np.float32)) for _ in frames]


class Camera:
    """Frames of noise, every one another, until the test has seen enough."""

    reconnects = 0

    def __init__(self, name, *, is_live=True, count=10**9, interval_s=0.02):
        self.name = name
        self.enough = threading.Event()
        self._clock = Clock.WALL if is_live else Clock.STREAM
        self._count = count
        self._interval_s = interval_s if is_live else 0.0

    def frames(self, stop):
        for index in range(self._count):
            if self.enough.is_set() or stop.wait(self._interval_s):
                return
            time_s = time.time() if self._clock is Clock.WALL else index / 25
            yield Frame(self.name, index, time_s, self._clock, picture(self.name, index))


def picture(name, index):
    return np.random.default_rng([index, *name.encode()]).integers(0, 256, (60, 100, 3), dtype=np.uint8)


@pytest.fixture
def tiny(make_bundle, tmp_path):
    return make_bundle(tmp_path / "tiny", ("neutral", "happiness", "anger"), conditioned=True)


@pytest.fixture
def own(start_server, tiny):
    """A server of this test alone."""
    return start_server(tiny)


def read_like(local, results):
    """Compare each face of each result with what this machine says about the very same pixels.

    Returns:
        How many faces were told as read, and how many as unknown.
    """
    counts = Counter()
    for result in results:
        crops = [result.frame.image[int(y0) : int(y1), int(x0) : int(x1)] for x0, y0, x1, y1 in result.boxes]
        assert np.array_equal(result.frame.image, picture(result.frame.source, result.frame.index))
        expected = local.classify(crops).probabilities
        for face, probabilities in enumerate(result.predictions.probabilities):
            if result.predictions.abstained[face]:
                assert np.isnan(probabilities).all()
                counts["unknown"] += 1
            else:
                np.testing.assert_allclose(probabilities, expected[face], rtol=1e-4, atol=1e-5)
                counts["read"] += 1
    return counts


@pytest.fixture
def without_margin(make_bundle, tmp_path):
    return make_bundle(tmp_path / "exact", ("neutral", "happiness", "anger"), conditioned=True, crop_margin=0.0)


def test_a_server_that_is_killed_in_the_middle_costs_readings_and_nothing_else(
    start_server, without_margin, eventually, caplog
):
    served = start_server(without_margin)
    cameras = [Camera("hall"), Camera("gate")]
    results, seen = [], {"phase": "up"}
    with (
        open_bundle(without_margin.path, threads=1) as local,
        open_bundle(without_margin.path, backend=served.settings("deadline_ms=2000")) as remote,
    ):
        # Nobody is followed: every face of every frame is read by itself, and can be compared by itself.
        pipeline = StreamPipeline(cameras, remote, Everywhere(), PipelineOptions(follow=None, max_wait_s=0.01))

        def collect():
            results.extend((seen["phase"], result) for result in pipeline.results())

        thread = threading.Thread(target=collect)
        thread.start()
        try:
            eventually(lambda: len(results) > 40)
            served.server.kill()
            seen["phase"] = "down"
            lost = pipeline.report().lost_readings.get("unavailable", 0)
            eventually(lambda: pipeline.report().lost_readings.get("unavailable", 0) > lost + 60)
            served.server.start()
            readings = pipeline.report().readings
            eventually(lambda: pipeline.report().readings > readings)
            seen["phase"] = "back"
            readings = pipeline.report().readings
            eventually(lambda: pipeline.report().readings > readings + 40)
        finally:
            for camera in cameras:
                camera.enough.set()
            thread.join(60)
        assert not thread.is_alive()
        report = pipeline.report()
        counts = read_like(local, [result for _, result in results])
    assert counts["unknown"] == sum(report.lost_readings.values()) > 60
    assert counts["read"] == report.readings
    assert report.faces == counts["read"] + counts["unknown"]
    assert report.invalid_readings == 0
    assert report.failed == ()
    assert {phase for phase, result in results if not result.predictions.abstained.all()} >= {"up", "back"}
    for camera in cameras:  # the frames themselves went on, in their order
        indices = [result.frame.index for _, result in results if result.frame.source == camera.name]
        assert indices == sorted(set(indices))
    said = [record.message for record in caplog.records if record.name.startswith("fsrfer.runtime.triton")]
    assert len(said) == 2, said
    assert "faces are not read by 127.0.0.1" in said[0]
    assert "reads faces again after" in said[1]


def test_followed_people_keep_what_they_showed_while_the_server_is_away(own, eventually):
    camera, results = Camera("hall"), []
    with open_bundle(own.bundle.path, backend=own.settings("deadline_ms=2000")) as remote:
        pipeline = StreamPipeline([camera], remote, Everywhere())
        thread = threading.Thread(target=lambda: results.extend(pipeline.results()))
        thread.start()
        try:
            eventually(lambda: pipeline.report().readings > 5)
            own.server.kill()
            eventually(lambda: pipeline.report().lost_readings.get("unavailable", 0) > 5)
        finally:
            camera.enough.set()
            thread.join(60)
    ids = {tuple(result.tracks.ids.tolist()) for result in results}
    assert ids == {(1, 2, 3)}  # tracking is local
    assert not results[-1].predictions.abstained.any()  # they show what they showed
    assert not results[-1].tracks.was_read.any()  # and nobody says that they were read just now
    read = sum(int(result.tracks.was_read.sum()) for result in results)
    assert read == pipeline.report().readings


def test_a_recording_waits_for_the_server_and_loses_nothing(own, eventually):
    recording, results = Camera("film", is_live=False, count=120), []
    with open_bundle(own.bundle.path, backend=own.settings("outage_s=120")) as remote:
        pipeline = StreamPipeline([recording], remote, Everywhere(), PipelineOptions(follow=None))
        iterator = pipeline.results()
        results.append(next(iterator))
        own.server.kill()
        thread = threading.Thread(target=lambda: results.extend(iterator))
        thread.start()
        time.sleep(0.5)
        assert pipeline.report().frames < 120
        own.server.start()
        thread.join(60)
        assert not thread.is_alive()
    assert len(results) == 120
    assert not any(result.predictions.abstained.any() for result in results)
    assert pipeline.report().lost_readings == {}


def test_a_recording_does_not_wait_for_ever(own):
    recording = Camera("film", is_live=False, count=400)
    with open_bundle(own.bundle.path, backend=own.settings("outage_s=0.2&deadline_ms=2000")) as remote:
        pipeline = StreamPipeline([recording], remote, Everywhere(), PipelineOptions(follow=None))
        results = pipeline.results()
        next(results)
        own.server.kill()
        with pytest.raises(
            InferenceLostError, match=r"127\.0\.0\.1.*found UNAVAILABLE.*Next: start the server"
        ) as caught:
            list(results)
    assert caught.value.reason is LossReason.UNAVAILABLE


def test_a_second_server_takes_over(start_server, tiny, crops_of, eventually):
    first, second = start_server(tiny), start_server(tiny)
    both = f"triton://{first.server.grpc_address},{second.server.grpc_address}/tiny#deadline_ms=30000"
    crops = crops_of(6)
    with open_bundle(tiny.path, backend=parse_triton(both)) as remote, open_bundle(tiny.path, threads=1) as local:
        expected = local.classify(crops).probabilities
        for turn in range(30):
            if turn == 10:
                first.server.kill()
            if turn == 20:
                first.server.start()
                eventually(first.server.is_ready)
                time.sleep(2)
                second.server.kill()
            found = remote.read(crops)
            assert found.losses == (None,) * 6  # asked again at the other server, within the deadline
            np.testing.assert_allclose(found.predictions.probabilities, expected, rtol=1e-4, atol=1e-6)


def test_one_server_of_two_is_enough_to_begin_with(own, triton_server, crops_of, caplog):
    away = f"127.0.0.1:{triton_server.free_port()}"
    both = parse_triton(f"triton://{away},{own.server.grpc_address}/tiny#deadline_ms=30000")
    with open_bundle(own.bundle.path, backend=both) as remote:
        assert remote.read(crops_of(3)).losses == (None,) * 3
    assert away in caplog.text


def test_at_the_start_a_server_of_another_model_is_left_out(own, make_bundle, tmp_path, crops_of, start_server, caplog):
    other = make_bundle(tmp_path / "other", ("neutral", "happiness", "anger"), conditioned=True, seed=9)
    wrong = start_server(other).server.grpc_address
    both = parse_triton(f"triton://{wrong},{own.server.grpc_address}/tiny#deadline_ms=30000")
    with open_bundle(own.bundle.path, backend=both) as remote:
        for _ in range(4):
            assert remote.read(crops_of(3)).losses == (None,) * 3
    (said,) = [record.message for record in caplog.records if "faces are not read by" in record.message]
    assert wrong in said
    assert "serves another model; expected tiny, onnx-fp32" in said


def test_told_to_keep_trying_a_run_begins_without_a_server(start_server, tiny, eventually, monkeypatch, caplog):
    monkeypatch.setattr("fsrfer.runtime.triton.runner._CONNECT_S", 0.2)
    served = start_server(tiny, is_started=False)
    camera, results = Camera("hall"), []
    settings = replace(served.settings("deadline_ms=2000"), keep_trying=True)
    with open_bundle(tiny.path, backend=settings, max_batch=7) as remote:
        assert (remote.max_batch, remote.model_sha256) == (7, None)
        pipeline = StreamPipeline([camera], remote, Everywhere(), PipelineOptions(follow=None))
        thread = threading.Thread(target=lambda: results.extend(pipeline.results()))
        thread.start()
        try:
            eventually(lambda: pipeline.report().lost_readings.get("unavailable", 0) > 5)
            served.server.start()
            eventually(lambda: pipeline.report().readings > 5)
        finally:
            camera.enough.set()
            thread.join(60)
    unknown = sum(int(result.predictions.abstained.sum()) for result in results)
    assert unknown == sum(pipeline.report().lost_readings.values())
    said = [record.message for record in caplog.records if record.name.startswith("fsrfer.runtime.triton")]
    assert ["faces are not read by" in said[0], "reads faces again after" in said[1]] == [True, True]


def test_a_server_that_hangs_costs_one_deadline_and_then_nothing(own, crops_of, eventually):
    crops = crops_of(3)
    with open_bundle(own.bundle.path, backend=own.settings("deadline_ms=300")) as remote:
        eventually(lambda: remote.read(crops).losses == (None,) * 3)
        own.server.pause()
        try:
            assert set(remote.read(crops).losses) == {LossReason.DEADLINE}
            assert set(remote.read(crops).losses) <= {LossReason.DEADLINE, LossReason.UNAVAILABLE}
        finally:
            own.server.resume()
        eventually(lambda: remote.read(crops).losses == (None,) * 3)


def test_a_server_that_comes_back_with_another_model_is_not_asked(
    own, make_bundle, tmp_path, crops_of, start_server, caplog
):
    other = make_bundle(tmp_path / "other", ("neutral", "happiness", "anger"), conditioned=True, seed=9)
    impostor = start_server(other, is_started=False).server
    crops = crops_of(3)
    with open_bundle(own.bundle.path, backend=own.settings("deadline_ms=5000")) as remote:
        assert remote.read(crops).losses == (None,) * 3
        own.server.kill()
        assert set(remote.read(crops).losses) == {LossReason.UNAVAILABLE}
        impostor.grpc_port = own.server.grpc_port
        impostor.start()
        for _ in range(60):
            found = set(remote.read(crops).losses)
            assert None not in found
            if found == {LossReason.OTHER_MODEL}:
                break
            time.sleep(0.1)
        assert found == {LossReason.OTHER_MODEL}
    assert "serves another model; expected tiny, onnx-fp32" in caplog.text


def with_golden_vectors(bundle, crops):
    faces, sizes = preprocess(crops, bundle.manifest.preprocess)
    with open_bundle(bundle.path, threads=1) as local:
        logits = local.logits(faces, sizes)
    return bundle.store(ArtifactKind.GOLDEN, GoldenVectors(tuple(crops), faces, sizes, logits).write)


def test_a_server_that_comes_back_with_other_answers_is_not_asked(start_server, tiny, crops_of, eventually, caplog):
    """Names, hashes and shapes are those of the bundle; what it computes is not."""
    served = start_server(with_golden_vectors(tiny, crops_of(4)), max_batch=3)
    right, crops = served.code.read_text(), crops_of(3)
    computed = "self._session.run(self._outputs, feed)"
    with open_bundle(tiny.path, backend=served.settings("deadline_ms=5000")) as remote:
        assert remote.read(crops).losses == (None,) * 3
        served.server.kill()
        eventually(lambda: None not in remote.read(crops).losses)  # it was seen to be away
        served.code.write_text(right.replace(computed, f"[-result for result in {computed}]"))
        assert served.code.read_text() != right
        served.server.start()
        for _ in range(100):
            found = set(remote.read(crops).losses)
            assert None not in found
            if found == {LossReason.OTHER_MODEL}:
                break
            time.sleep(0.1)
        assert found == {LossReason.OTHER_MODEL}
        served.server.kill()
        served.code.write_text(right)
        served.server.start()
        eventually(lambda: remote.read(crops).losses == (None,) * 3)
    assert "fails its self-test" in caplog.text


def test_more_than_a_server_can_read_costs_faces_by_their_deadline(start_server, tiny, eventually):
    """The default export, without limits of the queue: 40 faces a second can be read, and 60 are asked for."""
    run = "results = self._session.run("
    served = start_server(
        tiny, max_batch=2, edit_code=lambda text: text.replace(run, f"__import__('time').sleep(0.05); {run}")
    )
    assert "sleep" in served.code.read_text()
    boxes = [Camera(f"box-{number}", interval_s=0.3) for number in range(6)]
    pipelines, threads, results = [], [], []
    with ExitStack() as stack:
        for box in boxes:
            remote = stack.enter_context(open_bundle(tiny.path, backend=served.settings("deadline_ms=300")))
            pipelines.append(StreamPipeline([box], remote, Everywhere(), PipelineOptions(follow=None)))
            threads.append(threading.Thread(target=lambda one=pipelines[-1]: results.extend(one.results())))
            threads[-1].start()
        try:
            eventually(lambda: sum(one.report().lost_readings.get("deadline", 0) for one in pipelines) > 20)
            readings = sum(one.report().readings for one in pipelines)
            eventually(lambda: sum(one.report().readings for one in pipelines) > readings + 20)
        finally:
            for box in boxes:
                box.enough.set()
            for thread in threads:
                thread.join(60)
        with triton_grpc.InferenceServerClient(served.server.grpc_address) as client:
            (found,) = client.get_inference_statistics("tiny").model_stats
    assert found.inference_stats.fail.count > 0  # what nobody waits for any longer, the server drops
    unknown = sum(int(result.predictions.abstained.sum()) for result in results)
    assert unknown == sum(sum(one.report().lost_readings.values()) for one in pipelines)
    assert {reason for one in pipelines for reason in one.report().lost_readings} == {"deadline"}
    assert sum(one.report().readings for one in pipelines) == sum(map(len, results)) - unknown


def test_an_overloaded_server_sheds_load_and_is_asked_again_later(start_server, tiny, eventually):
    # One request may wait, and waits for half a second: all others are rejected meanwhile.
    served = start_server(
        tiny,
        edit=lambda text: text.replace("max_queue_size: 512", "max_queue_size: 1"),
        queue_limits=True,
        latency_budget_ms=60_000.0,
        queue_delay_us=500_000,
    )
    cameras = [Camera(f"camera-{number}", interval_s=0.01) for number in range(3)]
    pipelines, threads, results = [], [], []
    with open_bundle(tiny.path, backend=served.settings("deadline_ms=30000")) as remote:
        for camera in cameras:
            options = PipelineOptions(follow=None)
            pipelines.append(StreamPipeline([camera], remote, Everywhere(), options))
            threads.append(threading.Thread(target=lambda one=pipelines[-1]: results.extend(one.results())))
            threads[-1].start()
        try:
            eventually(lambda: all(one.report().lost_readings.get("overloaded", 0) > 3 for one in pipelines))
            eventually(lambda: sum(one.report().readings for one in pipelines) > 6)
        finally:
            for camera in cameras:
                camera.enough.set()
            for thread in threads:
                thread.join(60)
    unknown = sum(int(result.predictions.abstained.sum()) for result in results)
    assert unknown == sum(sum(one.report().lost_readings.values()) for one in pipelines)
    assert {reason for one in pipelines for reason in one.report().lost_readings} == {"overloaded"}
    assert sum(one.report().readings for one in pipelines) == sum(map(len, results)) - unknown


def test_what_nobody_waits_for_any_longer_is_dropped_by_the_server(start_server, tiny, crops_of, eventually):
    served = start_server(tiny, queue_delay_us=1_000_000)
    with (
        open_bundle(tiny.path, backend=served.settings("deadline_ms=100")) as remote,
        triton_grpc.InferenceServerClient(served.server.grpc_address) as client,
    ):

        def counts():
            (found,) = client.get_inference_statistics("tiny").model_stats
            return found.inference_count, found.inference_stats.fail.count

        before = counts()
        assert set(remote.read(crops_of(2)).losses) == {LossReason.DEADLINE}
        eventually(lambda: counts() == (before[0], before[1] + 1) or counts()[0] > before[0])
        assert counts()[0] == before[0]


class Cable:
    """Carries TCP connections to a server, until it is pulled: those that are there then hear nothing ever again."""

    def __init__(self, port):
        self._port = port
        self._pulled = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._ends = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:  # closed
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            self._ends += [near, far]
            pulled = self._pulled
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other, pulled), daemon=True).start()

    @staticmethod
    def _carry(one, other, pulled):
        try:
            while data := one.recv(65536):
                if not pulled.is_set():
                    other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:  # the other end is closed
            pass

    def pull(self):
        """Let what is connected hear nothing any more; who connects anew is heard."""
        self._pulled.set()
        self._pulled = threading.Event()

    def close(self):
        self._listener.close()
        for end in self._ends:
            end.close()


def test_a_connection_that_vanished_silently_is_made_anew(own, crops_of, eventually, monkeypatch):
    monkeypatch.setattr("fsrfer.runtime.triton.runner.PROBE_S", 0.5)
    cable = Cable(own.server.grpc_port)
    crops = crops_of(2)
    try:
        settings = parse_triton(f"triton://{cable.address}/tiny#deadline_ms=500")
        with open_bundle(own.bundle.path, backend=settings) as remote:
            eventually(lambda: remote.read(crops).losses == (None,) * 2)
            cable.pull()
            assert set(remote.read(crops).losses) == {LossReason.DEADLINE}
            eventually(lambda: remote.read(crops).losses == (None,) * 2)
    finally:
        cable.close()


def test_faces_that_do_not_get_their_turn_in_time_are_lost(start_server, tiny, crops_of):
    served = start_server(tiny, queue_delay_us=300_000, max_batch=2)
    with open_bundle(tiny.path, backend=served.settings("deadline_ms=500&in_flight=1"), max_batch=1) as remote:
        losses = remote.read(crops_of(5)).losses  # five requests of one face, one after the other
    assert losses[-1] is LossReason.DEADLINE
    assert set(losses) <= {None, LossReason.DEADLINE}


def test_a_request_that_had_little_time_does_not_put_its_server_away(start_server, tiny, crops_of):
    served = start_server(tiny, queue_delay_us=800_000, max_batch=8)
    with open_bundle(tiny.path, backend=served.settings("deadline_ms=2000&in_flight=1"), max_batch=1) as remote:
        losses = remote.read(crops_of(3)).losses  # one after the other: the third has 0.4 s left, and needs 0.8
        assert (losses[0], losses[2]) == (None, LossReason.DEADLINE)
        assert remote.read(crops_of(1)).losses == (None,)


def test_a_server_that_is_late_again_and_again_does_not_fill_the_log(start_server, tiny, crops_of, caplog):
    served = start_server(tiny, queue_delay_us=400_000)
    with open_bundle(tiny.path, backend=served.settings("deadline_ms=50")) as remote:
        for _ in range(8):
            assert remote.read(crops_of(1)).losses == (LossReason.DEADLINE,)
            time.sleep(0.3)  # it is found to be there in between
    said = [record.message for record in caplog.records if record.name.startswith("fsrfer.runtime.triton")]
    assert sum("faces are not read" in message for message in said) == 1
    assert sum("reads faces again" in message for message in said) == 1
