"""Telling a network how small a face is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_HIDDEN = 32


class SizeModulation(nn.Module):
    """Scales and shifts for several feature maps, from a face's native size (FiLM: Perez et al., 2018).

    The detector knows a face's size for free, and what the pixels of an enlarged face mean depends on it more than on
    anything else. The last layer starts at zero, so untrained modulation changes nothing.

    Args:
        channels: Channels of each feature map.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self._channels = channels
        last = nn.Linear(_HIDDEN, 2 * sum(channels))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(nn.Linear(1, _HIDDEN), nn.ReLU(inplace=True), last)

    def forward(self, relative_size: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return a pair of scale and shift, each float32 (N, channels, 1, 1), for each feature map.

        Args:
            relative_size: float32 (N,), native face size over the model's input size.
        """
        condition = torch.log2(relative_size.clamp(0.05, 1.0))[:, None]
        values: Tensor = self.layers(condition)[:, :, None, None]
        widths = [width for width in self._channels for _ in range(2)]
        split = torch.split(values, widths, dim=1)
        return [(1.0 + scale, shift) for scale, shift in zip(split[::2], split[1::2], strict=True)]
