"""Which numbers a recipe may hold: what is impossible is told when it is read, not after a night of training."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from ..core.errors import RecipeError

# Written as "within", so that NaN is outside.
_RANGES: Mapping[str, Callable[[float], bool]] = MappingProxyType(
    {
        "0 to 1": lambda value: 0 <= value <= 1,
        "0 or more, below 1": lambda value: 0 <= value < 1,
        "0 or more": lambda value: 0 <= value < math.inf,
        "above 0": lambda value: 0 < value < math.inf,
        "1 or more": lambda value: 1 <= value < math.inf,
    }
)


def require(config: object, allowed: str, *names: str) -> None:
    """Check fields of a configuration.

    Args:
        config: The configuration.
        allowed: What its fields may be: ``0 to 1``, ``0 or more, below 1``, ``0 or more``, ``above 0``, ``1 or more``.
        names: Fields, each a number or a tuple of numbers.

    Raises:
        RecipeError: A number lies outside.
    """
    fits = _RANGES[allowed]
    for name in names:
        value = getattr(config, name)
        numbers = value if isinstance(value, tuple) else (value,)
        if not all(fits(number) for number in numbers):
            raise RecipeError(f"{name} is impossible", expected=allowed, found=value)
