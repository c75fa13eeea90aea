"""How measured figures are written in tables."""

from __future__ import annotations


def ms(value: float) -> str:
    """Write milliseconds with three digits or more, and no more decimals than that takes."""
    size = abs(value)
    return f"{value:.3f}" if size < 10 else f"{value:.2f}" if size < 100 else f"{value:.1f}"
