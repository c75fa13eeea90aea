"""One colour an expression, distinguishable with the common colour deficiencies."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

Color = tuple[int, int, int]

UNKNOWN_COLOR: Color = (255, 255, 255)

# M. Okabe and K. Ito, "Color universal design" (2008); their black is unreadable on video, so neutral is grey.
_COLORS = MappingProxyType(
    {
        "neutral": (160, 160, 160),
        "happiness": (240, 228, 66),
        "surprise": (230, 159, 0),
        "sadness": (0, 114, 178),
        "anger": (213, 94, 0),
        "disgust": (0, 158, 115),
        "fear": (204, 121, 167),
        "contempt": (86, 180, 233),
    }
)


def palette_for(labels: Sequence[str]) -> dict[str, Color]:
    """Return an RGB colour for each label; names that are not canonical take the colours that are left over."""
    spare = [color for name, color in _COLORS.items() if name not in labels] or list(_COLORS.values())
    strangers = [name for name in labels if name not in _COLORS]
    colors = {name: spare[position % len(spare)] for position, name in enumerate(strangers)}
    return {name: _COLORS[name] if name in _COLORS else colors[name] for name in labels}


def ink_on(color: Color) -> Color:
    """Return black or white, whichever is better to read on a colour (luma of ITU-R BT.601)."""
    red, green, blue = color
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else (255, 255, 255)
