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
from .canvas import shaded
from .expressions import LABELS, ActionUnits, sample_action_units
from .head import chin_level
from .identity import Circumstances, Identity, sample_circumstances, sample_identity
from .rendering import FaceParameters, draw_person

Uint8Array = npt.NDArray[np.uint8]

_SPRITE_HEADS = 3.0  # side of a sprite in half head heights: head, and shoulders below
_HELD_S = 2.0  # how long a person keeps an expression
_CACHED_SPRITES = 512
# Outlines of clothes in half head heights around the middle of the head.
_COAT = np.array([[-0.9, 1.6], [0.9, 1.6], [1.5, 2.1], [1.25, 5.6], [-1.25, 5.6], [-1.5, 2.1]])
_LEGS = np.array([[-1.0, 5.6], [1.0, 5.6], [0.8, 9.5], [-0.8, 9.5]])


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


@dataclass(frozen=True)
class _Walker:
    person: Identity
    circumstances: Circumstances
    head_px: float
    start: tuple[float, float]
    speed: float
    sway: float
    phase: float
    expressions: tuple[int, ...]
    units: tuple[ActionUnits, ...]


class CrowdClip:
    """A scene of people who walk to and fro; a frame follows from the seed and its index alone.

    Args:
        seed: Key of everything random.
        width: Columns of a frame.
        height: Rows of a frame.
        fps: Frames a second.
        seconds: Length.
        people: Number of people.
        head_px: Smallest and largest height of a head in pixels.

    Raises:
        InputSpecError: The scene is too small for its heads, or empty.
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
        head_px: tuple[float, float] = (11.0, 46.0),
    ) -> None:
        if not 4 <= head_px[0] <= head_px[1] <= min(width, height) / 3 or people < 1 or fps < 1 or seconds <= 0:
            raise InputSpecError(
                "impossible crowd",
                expected="heads of 4 pixels to a third of the frame, one person or more, a positive length",
                found=f"{people} heads of {head_px} px in {width}x{height}, {seconds} s at {fps}",
            )
        self.width, self.height, self.fps = width, height, fps
        self.frame_count = max(1, round(seconds * fps))
        rng = np.random.default_rng([seed, 17])
        walkers = [_sample_walker(rng, width, height, head_px, seconds) for _ in range(people)]
        # Far people first: near ones walk in front of them.
        self._walkers = sorted(walkers, key=lambda walker: walker.head_px)
        self._hall = _hall(width, height, np.random.default_rng([seed, 18]))
        self._sprites: OrderedDict[tuple[int, int], tuple[Uint8Array, Uint8Array]] = OrderedDict()

    def frame(self, index: int) -> CrowdFrame:
        """Draw a frame.

        Raises:
            IndexError: There is no such frame.
        """
        if not 0 <= index < self.frame_count:
            raise IndexError(f"frame {index} of {self.frame_count}")
        time_s = index / self.fps
        image = self._hall.copy()
        owner = np.full((self.height, self.width), -1, np.int16)
        places = []
        for track, walker in enumerate(self._walkers):
            moment = int(time_s / _HELD_S) % len(walker.expressions)
            x, y = _position(walker, time_s, self.width)
            self._draw_body(image, owner, walker, track, x, y)
            colors, alpha = self._sprite(track, moment)
            self._paste(image, owner, colors, alpha, round(x), round(y), track)
            places.append((track, walker, moment, x, y))
        visible = [self._seen(owner, *place) for place in places]
        found = [entry for entry in visible if entry is not None]
        boxes = np.array([box for box, *_ in found], np.float32).reshape(-1, 4)
        return CrowdFrame(
            image=_with_noise(image, index),
            boxes=boxes,
            track_ids=np.array([track for _, track, _, _ in found], np.int64),
            label_indices=np.array([label for _, _, label, _ in found], np.int64),
            visibility=np.array([share for *_, share in found], np.float32),
        )

    def _sprite(self, track: int, moment: int) -> tuple[Uint8Array, Uint8Array]:
        key = (track, moment)
        if key not in self._sprites:
            walker = self._walkers[track]
            self._sprites[key] = _draw_sprite(walker, moment)
            if len(self._sprites) > _CACHED_SPRITES:
                self._sprites.popitem(last=False)
        return self._sprites[key]

    def _draw_body(
        self, image: Uint8Array, owner: npt.NDArray[np.int16], walker: _Walker, track: int, x: float, y: float
    ) -> None:
        # From the shoulders of the sprite down: coat and legs.
        half = walker.head_px / 2
        light = 1.0 + 0.3 * walker.circumstances.light_contrast * float(np.sin(walker.circumstances.light_angle))
        for outline, shade in ((_COAT, 0.8), (_LEGS, 0.4)):
            points = np.rint((np.array([x, y]) + half * outline) * 8).astype(np.int32)
            red, green, blue = shaded(walker.person.cloth, shade * light)
            cv2.fillPoly(image, [points], (red, green, blue), cv2.LINE_AA, 3)
            cv2.fillPoly(owner, [points], (float(track),), cv2.LINE_8, 3)

    def _paste(
        self,
        image: Uint8Array,
        owner: npt.NDArray[np.int16],
        colors: Uint8Array,
        alpha: Uint8Array,
        x: int,
        y: int,
        track: int,
    ) -> None:
        side = len(colors)
        left, top = x - side // 2, y - round(side / _SPRITE_HEADS)
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, self.width), min(top + side, self.height)
        if x0 >= x1 or y0 >= y1:
            return
        part = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        target = (slice(y0, y1), slice(x0, x1))
        share = alpha[part][..., None].astype(np.float32) / 255.0
        blended = image[target] + share * (colors[part].astype(np.float32) - image[target])
        image[target] = blended.astype(np.uint8)
        owner[target][alpha[part] > 127] = track

    def _seen(
        self, owner: npt.NDArray[np.int16], track: int, walker: _Walker, moment: int, x: float, y: float
    ) -> tuple[tuple[float, float, float, float], int, int, float] | None:
        half_height, half_width = walker.head_px / 2, walker.head_px / 2 * (walker.person.head_width + 0.06)
        chin = chin_level(walker.units[moment].jaw_drop)
        box = (x - half_width, y - half_height, x + half_width, y + half_height * chin)
        inside = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(self.width)), min(box[3], float(self.height)))
        area = max(inside[2] - inside[0], 0.0) * max(inside[3] - inside[1], 0.0)
        # A face that is mostly outside the frame is no face to be found.
        if area < 0.6 * (box[2] - box[0]) * (box[3] - box[1]):
            return None
        region = owner[round(inside[1]) : round(inside[3]), round(inside[0]) : round(inside[2])]
        mine, others = int(np.count_nonzero(region == track)), int(np.count_nonzero(region > track))
        return inside, track, walker.expressions[moment], mine / max(1, mine + others)


def _sample_walker(
    rng: np.random.Generator, width: int, height: int, head_px: tuple[float, float], seconds: float
) -> _Walker:
    nearness = rng.random() ** 1.6
    size = head_px[0] * (head_px[1] / head_px[0]) ** nearness
    expressions = tuple(int(label) for label in rng.integers(len(LABELS), size=int(seconds / _HELD_S) + 1))
    circumstances = replace(
        sample_circumstances(rng), occlusion=0.0, shift=(0.0, 0.0), zoom=1.0, roll=0.0, exposure=1.0
    )
    return _Walker(
        person=sample_identity(rng),
        circumstances=circumstances,
        head_px=size,
        start=(rng.uniform(0, width), height * (0.22 + 0.5 * nearness) + rng.normal(0, 0.03 * height)),
        speed=float(rng.choice([-1.0, 1.0])) * size * rng.uniform(0.1, 0.9),
        sway=rng.uniform(0.02, 0.06) * size,
        phase=rng.uniform(0, 2 * np.pi),
        expressions=expressions,
        units=tuple(sample_action_units(LABELS[label], rng) for label in expressions),
    )


def _position(walker: _Walker, time_s: float, width: int) -> tuple[float, float]:
    # To and fro between the edges, without a jump.
    margin = walker.head_px
    span = width - 2 * margin
    travelled = (walker.start[0] - margin + walker.speed * time_s) % (2 * span)
    x = margin + (travelled if travelled < span else 2 * span - travelled)
    return x, walker.start[1] + walker.sway * float(np.sin(2 * np.pi * 1.6 * time_s + walker.phase))


def _draw_sprite(walker: _Walker, moment: int) -> tuple[Uint8Array, Uint8Array]:
    side = max(8, round(walker.head_px / 2 * _SPRITE_HEADS))
    canvas = max(112, 2 * side)
    # The head's middle is a third from the top, where `_paste` expects it.
    circumstances = replace(walker.circumstances, shift=(0.0, 1 / _SPRITE_HEADS - 0.5))
    parameters = FaceParameters(walker.person, walker.units[moment], circumstances, noise_seed=0)
    colors, alpha = draw_person(parameters, canvas, half_height=1 / _SPRITE_HEADS)
    shape = (side, side)
    # Colours outside the person are black: they must not bleed in while shrinking.
    weight = cv2.resize(alpha, shape, interpolation=cv2.INTER_AREA).astype(np.float32)
    shrunk = cv2.resize(colors * (alpha[..., None] > 0), shape, interpolation=cv2.INTER_AREA).astype(np.float32)
    full = np.clip(shrunk * 255.0 / np.maximum(weight, 1.0)[..., None], 0, 255)
    return np.asarray(full, np.uint8), np.asarray(weight, np.uint8)


def _hall(width: int, height: int, rng: np.random.Generator) -> Uint8Array:
    tone = rng.uniform(120, 190)
    wall = np.linspace(tone, tone - 50, height)[:, None, None] + np.array([4.0, 0.0, -6.0])
    hall = np.repeat(wall, width, axis=1)
    floor = round(0.42 * height)
    hall[floor:] = np.linspace(90, 130, height - floor)[:, None, None] + np.array([0.0, 2.0, 6.0])
    for _ in range(14):
        x, span = int(rng.uniform(0, width)), int(rng.uniform(12, 70))
        top = int(rng.uniform(0, 0.2 * height))
        shade = rng.normal(0, 26, 3) * 0.6 + rng.normal(0, 22)
        hall[top : floor - int(rng.uniform(0, 0.1 * height)), x : x + span] += shade
    blurred = cv2.GaussianBlur(np.clip(hall, 0, 255).astype(np.uint8), (0, 0), 1.6)
    texture = rng.normal(0, 3, (height, width, 1))
    return np.asarray(np.clip(blurred + texture, 0, 255), np.uint8)


def _with_noise(image: Uint8Array, index: int) -> Uint8Array:
    noise = np.random.default_rng([23, index]).integers(-4, 5, image.shape[:2], dtype=np.int16)
    return np.asarray(np.clip(image + noise[..., None], 0, 255), np.uint8)
