"""Tells generated feature maps from real ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Discriminator(nn.Module):
    """The critic of FSR-FER: strided convolutions, LeakyReLU, no normalisation, no sigmoid.

    The paper's feature map is 128x128 and is halved by every convolution; ours is a few pixels wide, so a convolution
    strides only while there is something left to halve.

    Args:
        feature_channels: Channels of the feature map.
        feature_size: Its height and width.
    """

    WIDTHS = (8, 16, 32, 64, 64)

    def __init__(self, feature_channels: int, feature_size: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, size = feature_channels, feature_size
        for width in self.WIDTHS:
            stride = 2 if size > 2 else 1
            layers += [nn.Conv2d(channels, width, 3, stride, padding=1), nn.LeakyReLU(0.2)]
            channels, size = width, (size + stride - 1) // stride
        self.convolutions = nn.Sequential(*layers)
        self.score = nn.Sequential(nn.Linear(channels * size * size, 100), nn.LeakyReLU(0.2), nn.Linear(100, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Return one unbounded score a face, float32 (N,), of feature maps (N, C, h, w)."""
        result: Tensor = self.score(torch.flatten(self.convolutions(features), 1))
        return result[:, 0]
