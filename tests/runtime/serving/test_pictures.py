import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsrfer.runtime.frame import Clock, Frame
from fsrfer.runtime.serving import LatestResult, LiveHub
from fsrfer.runtime.serving.pictures import PictureMaker, PictureSize, draw

NAME = "hall"


def noisy(result, seed):
    image = np.random.default_rng(seed).integers(0, 256, result.frame.image.shape, dtype=np.uint8)
    return replace(result, frame=replace(result.frame, image=image))


@pytest.fixture
def result(crowd_results):
    return next(crowd_results(NAME, frames=1, people=6))


class CountingExecutor(ThreadPoolExecutor):
    drawings = 0

    def submit(self, *work):
        self.drawings += 1
        return super().submit(*work)


def with_maker(hub, work, *, max_fps=1000.0):
    async def run():
        with CountingExecutor(2) as executor:
            return await work(PictureMaker(hub, max_fps, executor)), executor.drawings

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("size", "frame_size", "shown"),
    [
        (PictureSize.SMALL, (640, 360), (480, 270)),
        (PictureSize.SMALL, (200, 120), (600, 360)),
        (PictureSize.LARGE, (640, 360), (1280, 720)),
        (PictureSize.LARGE, (1920, 1080), (1280, 720)),
        (PictureSize.LARGE, (1000, 500), (1000, 500)),
    ],
)
def test_pictures_have_the_size_that_was_asked_for(result, size, frame_size, shown):
    image = np.full((frame_size[1], frame_size[0], 3), 90, np.uint8)
    latest = LatestResult(replace(result, frame=replace(result.frame, image=image)), 1)
    picture = draw(latest, size, blur_faces=False)
    assert (picture.shape[1], picture.shape[0]) == shown


def test_boxes_are_drawn_where_the_faces_are(result):
    image = np.full((1080, 1920, 3), 90, np.uint8)
    boxes = np.array([[960, 540, 1140, 740]], np.float32)
    one = result.detections.select(np.array([0]))
    predictions = replace(
        result.predictions,
        probabilities=result.predictions.probabilities[:1],
        label_index=np.array([1], np.int64),
        face_size_px=np.array([200], np.float32),
        abstained=np.array([False]),
    )
    shown = replace(
        result,
        frame=replace(result.frame, image=image),
        detections=replace(one, boxes=boxes),
        predictions=predictions,
        tracks=None,
    )
    picture = (draw(LatestResult(shown, 1), PictureSize.SMALL, blur_faces=False)).astype(int)
    yellow = (picture[..., 0] > 150) & (picture[..., 1] > 150) & (picture[..., 2] < 120)
    columns = np.flatnonzero(yellow[140:183].any(axis=0))  # below the label
    assert (columns.min(), columns.max()) == pytest.approx((240, 285), abs=2)
    assert not yellow[:, :200].any()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    left=st.integers(0, 800), top=st.integers(0, 300), side=st.sampled_from([20, 40, 60, 80]), seed=st.integers(0, 99)
)
def test_nothing_of_a_hidden_face_is_left_but_a_few_means(result, left, top, side, seed):
    rng = np.random.default_rng(seed)
    original = rng.integers(0, 256, (500, 1000, 3), dtype=np.uint8)
    left, top = max(left, side), max(top, side)
    box = np.array([[left, top, left + side, top + side]], np.float32)
    # The box and its margin are averaged over 4 x 4 cells: move their pixels about, and no mean changes.
    first, cell = side // 5, 7 * side // 20
    moved = original.copy()
    for y in range(top - first, top + side + first, cell):
        for x in range(left - first, left + side + first, cell):
            pixels = moved[y : y + cell, x : x + cell]
            pixels[:] = rng.permutation(pixels.reshape(-1, 3)).reshape(pixels.shape)
    region = slice(top, top + side), slice(left, left + side)
    assert not np.array_equal(original[region], moved[region])
    rim = side // 10 + 2  # what is blurred is round
    shown = []
    for image in (original, moved):
        one = LatestResult(replace(result, frame=replace(result.frame, image=image)), 1, ((0.0, box),))
        shown.append(draw(one, PictureSize.LARGE, blur_faces=True)[region][rim:-rim, rim:-rim])
    np.testing.assert_array_equal(*shown)


def test_a_face_that_is_missed_for_a_frame_stays_hidden(result):
    hub = LiveHub(blur_faces=True)
    hub.write(result)
    empty = replace(
        result,
        detections=result.detections.select(np.zeros(0, np.int64)),
        predictions=replace(
            result.predictions,
            probabilities=result.predictions.probabilities[:0],
            label_index=np.zeros(0, np.int64),
            face_size_px=np.zeros(0, np.float32),
            abstained=np.zeros(0, bool),
        ),
        tracks=None,
    )
    hub.write(empty)
    hidden = draw(hub.latest(NAME), PictureSize.LARGE, blur_faces=True)
    plain = draw(hub.latest(NAME), PictureSize.LARGE, blur_faces=False)
    x0, y0, x1, y1 = (2 * result.boxes[0]).astype(int)  # the picture is twice as large
    assert np.abs(hidden[y0:y1, x0:x1].astype(int) - plain[y0:y1, x0:x1]).mean() > 5


def test_a_face_crop_is_hidden_whole(crowd_results):
    (whole,) = crowd_results(NAME, frames=1, people=1)
    frame = Frame("face.png", 0, 0.0, Clock.STREAM, whole.frame.image[:60, :60].copy(), is_still=True)
    crop = replace(whole, frame=frame, detections=None, tracks=None)
    hub = LiveHub(blur_faces=True)
    hub.write(replace(crop, frame=replace(frame, is_still=False)))
    files = []
    for seed in (1, 2):
        latest = replace(hub.latest("face.png"), result=noisy(crop, seed))
        files.append(draw(latest, PictureSize.SMALL, blur_faces=True).astype(int))
    middle = np.abs(files[0] - files[1])[100:-100, 100:-100]
    assert middle.mean() < 20  # means of 225 random pixels, where those themselves differ by 85


def test_a_picture_is_made_once_however_many_look(result):
    hub = LiveHub()
    hub.write(result)

    async def look(maker):
        pictures = await asyncio.gather(*(maker.latest(NAME, PictureSize.SMALL) for _ in range(30)))
        again = await maker.latest(NAME, PictureSize.SMALL)
        large = await maker.latest(NAME, PictureSize.LARGE)
        return pictures, again, large

    (pictures, again, large), drawings = with_maker(hub, look)
    assert len({id(picture) for picture in (*pictures, again)}) == 1
    assert large.jpeg != again.jpeg
    assert drawings == 2


def test_nothing_is_drawn_but_what_somebody_looks_at(result):
    hub = LiveHub()

    async def look(maker):
        for _ in range(20):
            hub.write(result)
            await asyncio.sleep(0.001)
        return await maker.latest(NAME, PictureSize.SMALL)

    picture, drawings = with_maker(hub, look)
    assert (picture.sequence, drawings) == (20, 1)


def test_who_asks_too_often_gets_the_picture_before(result):
    hub = LiveHub()
    hub.write(result)

    async def look(maker):
        first = await maker.latest(NAME, PictureSize.SMALL)
        hub.write(result)
        return first, await maker.latest(NAME, PictureSize.SMALL)

    (first, second), _ = with_maker(hub, look, max_fps=0.01)
    assert second is first
    (first, second), _ = with_maker(hub, look, max_fps=1e9)
    assert second.sequence == first.sequence + 1


def test_a_client_that_leaves_takes_no_picture_away(result):
    hub = LiveHub()
    hub.write(result)

    async def look(maker):
        leaving = asyncio.create_task(maker.latest(NAME, PictureSize.LARGE))
        staying = asyncio.create_task(maker.latest(NAME, PictureSize.LARGE))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        leaving.cancel()
        return await staying

    assert with_maker(hub, look)[0].jpeg.startswith(b"\xff\xd8")


def test_a_defect_in_drawing_reaches_who_asked_and_the_next_try_is_a_new_one(result):
    hub = LiveHub()
    hub.write(replace(result, frame=replace(result.frame, image=np.zeros((0, 0, 3), np.uint8))))

    async def look(maker):
        with pytest.raises(ZeroDivisionError):
            await maker.latest(NAME, PictureSize.SMALL)
        hub.write(result)
        return await maker.latest(NAME, PictureSize.SMALL)

    assert with_maker(hub, look)[0].sequence == 2


def test_there_is_no_picture_of_a_source_that_showed_nothing():
    async def look(maker):
        return await maker.latest(NAME, PictureSize.SMALL)

    assert with_maker(LiveHub(), look) == (None, 0)
