"""Drawn crowds: many small moving faces whose boxes, identities and expressions are known.

They test what lies between a camera and a result (reading, cropping, batching, tracking) with a ground truth. They are
no test of face detectors, which were made for people.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from ...core.errors import InputSpecError
from .expressions import LABELS
from .head import chin_level
from .rendering import FaceParameters, draw_person
from .scene import draw_body, draw_hall, feet_below_head
from .walkers import Hall, Placement, Walker, sample_walker

Uint8Array = npt.NDArray[np.uint8]

_SPRITE_HEADS = 3.0  # side of a sprite in half head heights: the head, and neck and hair below
_SPRITE_MIDDLE = 1.25  # row of the head's middle in a sprite, in half head heights
_MIN_CANVAS = 96
# As detectors of faces box them: from the hairline to the chin, without the hair above.
_HAIRLINE = -0.68
_FACE_PART = (chin_level(0.0) - _HAIRLINE) / 2
_LOOKS = 3  # how finely a head turns to either side where its person walks
_MAX_TURN = 0.35
_CACHED_SPRITES = 1024
_MIN_INSIDE = 0.6  # a face that is mostly outside the frame is no face to be found


@dataclass(frozen=True)
class CrowdFrame:
    """One frame and what is on it.

    Attributes:
        image: uint8 (height, width, 3), RGB.
        boxes: float32 (N, 4), x0, y0, x1, y1 of each face, inside the frame.
        track_ids: int64 (N,), the same for a person in every frame.
        label_indices: int64 (N,), indices into the clip's labels.
        visibility: float32 (N,), part of the face that nobody in front covers, 0 to 1.
    """

    image: Uint8Array
    boxes: npt.NDArray[np.float32]
    track_ids: npt.NDArray[np.int64]
    label_indices: npt.NDArray[np.int64]
    visibility: npt.NDArray[np.float32]


class CrowdClip:
    """A hall where people walk to and fro; a frame follows from the seed and its index alone.

    Args:
        seed: Key of everything random.
        width: Columns of a frame.
        height: Rows of a frame.
        fps: Frames a second.
        seconds: Length.
        people: Number of people.
        face_px: Height of the smallest and of the largest face in pixels, from the hairline to the chin.

    Raises:
        InputSpecError: The scene is too small for its faces, empty or endless, or the seed is negative.
    """

    labels = LABELS

    def __init__(
        self,
        seed: int = 0,
        *,
        width: int = 640,
        height: int = 360,
        fps: int = 12,
        seconds: float = 6.0,
        people: int = 22,
        face_px: tuple[float, float] = (10.0, 46.0),
    ) -> None:
        fits = 4 <= face_px[0] <= face_px[1] <= min(width, height) / 4
        if not fits or people < 1 or fps < 1 or not 0 < seconds < np.inf or seed < 0:
            raise InputSpecError(
                "impossible crowd",
                expected="faces of 4 px to a quarter of the frame, one person or more, length above 0, a seed from 0",
                found=f"{people} faces of {face_px} px in {width}x{height}, {seconds} s at {fps}, seed {seed}",
            )
        self.width, self.height, self.fps = width, height, fps
        self.frame_count = max(1, round(seconds * fps))
        self._seed = seed
        head_px = face_px[0] / _FACE_PART, face_px[1] / _FACE_PART
        self._hall = Hall(width, height, head_px)
        rng = np.random.default_rng([seed, 17])
        light_angle = rng.uniform(0, 2 * np.pi)
        self._walkers = [sample_walker(rng, seconds, light_angle) for _ in range(people)]
        floor = self._hall.head_row(head_px[0]) + 0.85 * feet_below_head(head_px[0])
        self._empty = draw_hall(width, height, self._hall.horizon, floor, np.random.default_rng([seed, 18]))
        self._sprites: OrderedDict[tuple[int, int, int], npt.NDArray[np.float32]] = OrderedDict()

    def frame(self, index: int) -> CrowdFrame:
        """Draw a frame.

        Raises:
            IndexError: There is no such frame.
        """
        if not 0 <= index < self.frame_count:
            raise IndexError(f"frame {index} of {self.frame_count}")
        placements = [walker.placement(index / self.fps, self._hall) for walker in self._walkers]
        # Far people first: near ones walk in front of them.
        order = sorted(range(len(placements)), key=lambda track: placements[track].head_px)
        image = self._empty.copy()
        owners = np.full((self.height, self.width), -1, np.int16)
        for rank, track in enumerate(order):
            self._draw_walker(image, owners, track, placements[track], rank)
        return self._with_truth(_with_noise(image, [self._seed, 23, index]), owners, placements, order)

    def _draw_walker(
        self, image: Uint8Array, owners: npt.NDArray[np.int16], track: int, placement: Placement, rank: int
    ) -> None:
        person = self._walkers[track].person
        draw_body((image, owners), placement.center, placement.head_px, person.cloth, person.skin, placement.step, rank)
        look = round(_LOOKS * placement.heading)
        _paste(image, owners, self._sprite(track, placement.moment, look), placement, rank)

    def _sprite(self, track: int, moment: int, look: int) -> npt.NDArray[np.float32]:
        key = (track, moment, look)
        if key not in self._sprites:
            side = round(_SPRITE_HEADS / 2 * self._hall.head_px_of(self._walkers[track].nearness))
            self._sprites[key] = _draw_sprite(self._walkers[track], moment, look / _LOOKS, max(8, side))
            if len(self._sprites) > _CACHED_SPRITES:
                self._sprites.popitem(last=False)
        return self._sprites[key]

    def _with_truth(
        self, image: Uint8Array, owners: npt.NDArray[np.int16], placements: list[Placement], order: list[int]
    ) -> CrowdFrame:
        found = []
        for track, (walker, placement) in enumerate(zip(self._walkers, placements, strict=True)):
            box = _clipped(_face_box(walker, placement), self.width, self.height)
            if box is not None:
                label = walker.expressions[placement.moment]
                found.append((box, track, label, _visible_part(owners, box, order.index(track))))
        return CrowdFrame(
            image=image,
            boxes=np.array([box for box, *_ in found], np.float32).reshape(-1, 4),
            track_ids=np.array([track for _, track, _, _ in found], np.int64),
            label_indices=np.array([label for _, _, label, _ in found], np.int64),
            visibility=np.array([share for *_, share in found], np.float32),
        )


Box = tuple[float, float, float, float]


def _face_box(walker: Walker, placement: Placement) -> Box:
    half = placement.head_px / 2
    half_width = half * walker.person.head_width
    x, y = placement.center
    chin = chin_level(walker.units[placement.moment].jaw_drop)
    return x - half_width, y + half * _HAIRLINE, x + half_width, y + half * chin


def _clipped(box: Box, width: int, height: int) -> Box | None:
    inside = max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(width)), min(box[3], float(height))
    area = max(inside[2] - inside[0], 0.0) * max(inside[3] - inside[1], 0.0)
    return inside if area >= _MIN_INSIDE * (box[2] - box[0]) * (box[3] - box[1]) else None


def _visible_part(owners: npt.NDArray[np.int16], box: Box, rank: int) -> float:
    x0, y0, x1, y1 = (round(value) for value in box)
    region = owners[y0:y1, x0:x1]
    mine, in_front = int(np.count_nonzero(region == rank)), int(np.count_nonzero(region > rank))
    return mine / max(1, mine + in_front)


def _draw_sprite(walker: Walker, moment: int, heading: float, side: int) -> npt.NDArray[np.float32]:
    """Return a head as float32 (side, side, 4): colours times opacity, and the opacity from 0 to 1."""
    canvas = max(_MIN_CANVAS, 2 * side)
    circumstances = replace(walker.circumstances, yaw=0.6 * walker.circumstances.yaw + _MAX_TURN * heading)
    parameters = FaceParameters(walker.person, walker.units[moment], circumstances, noise_seed=0)
    lift = 0.5 - _SPRITE_MIDDLE / _SPRITE_HEADS
    colors, alpha = draw_person(parameters, canvas, 1 / _SPRITE_HEADS, lift, shoulders=False)
    premultiplied = np.dstack([colors.astype(np.float32), alpha.astype(np.float32) / 255.0])
    return np.asarray(cv2.resize(premultiplied, (side, side), interpolation=cv2.INTER_AREA), np.float32)


def _paste(
    image: Uint8Array, owners: npt.NDArray[np.int16], sprite: npt.NDArray[np.float32], placement: Placement, rank: int
) -> None:
    # To a fraction of a pixel: small heads would tremble if they were put on whole pixels.
    side = _SPRITE_HEADS / 2 * placement.head_px
    left = placement.center[0] - side / 2
    top = placement.center[1] - side * _SPRITE_MIDDLE / _SPRITE_HEADS
    x0, y0 = max(0, int(np.floor(left))), max(0, int(np.floor(top)))
    x1, y1 = min(image.shape[1], int(np.ceil(left + side))), min(image.shape[0], int(np.ceil(top + side)))
    if x0 >= x1 or y0 >= y1:
        return
    scale = side / len(sprite)
    shift_x, shift_y = left - x0 + 0.5 * scale - 0.5, top - y0 + 0.5 * scale - 0.5
    to_frame = np.array([[scale, 0.0, shift_x], [0.0, scale, shift_y]])
    placed = cv2.warpAffine(sprite, to_frame, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
    opacity = placed[..., 3:]
    image[y0:y1, x0:x1] = (image[y0:y1, x0:x1] * (1.0 - opacity) + placed[..., :3]).astype(np.uint8)
    owners[y0:y1, x0:x1][opacity[..., 0] > 0.5] = rank


def _with_noise(image: Uint8Array, key: list[int]) -> Uint8Array:
    noise = np.random.default_rng(key).integers(-4, 5, image.shape[:2], dtype=np.int16)
    return np.asarray(np.clip(image + noise[..., None], 0, 255), np.uint8)
