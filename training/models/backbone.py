"""From a face to a feature map."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from .architecture import BackboneConfig
from .modulation import SizeModulation

# Mean and standard deviation of grey values over face crops, close for all public sets; a constant of the
# architecture, so that it is fused into the graph and cannot be lost on the way to a device.
PIXEL_MEAN = 0.5
PIXEL_STD = 0.25


class Normalize(nn.Module):
    """uint8 pixels to float32 of about zero mean and unit variance."""

    def forward(self, faces: Tensor) -> Tensor:
        """Normalise faces.

        Args:
            faces: uint8 (N, C, H, W).

        Returns:
            float32 (N, C, H, W), from -2 to 2.
        """
        return faces.to(torch.float32) * (1.0 / (255.0 * PIXEL_STD)) - PIXEL_MEAN / PIXEL_STD


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a skip (He et al., "Deep residual learning", 2016, figure 5 left)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            # Averaging before the 1x1 convolution: a strided one would throw three pixels of four away.
            self.skip = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                nn.Conv2d(channels_in, channels_out, 1, bias=False),
                nn.BatchNorm2d(channels_out),
            )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, channels_in, H, W) to (N, channels_out, H / stride, W / stride)."""
        result: Tensor = self.activation(self.body(features) + self.skip(features))
        return result


class Backbone(nn.Module):
    """A compact residual network; each stage halves the resolution."""

    def __init__(self, config: BackboneConfig, input_channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(input_channels, config.stem_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(config.stem_channels),
            nn.ReLU(inplace=True),
        )
        widths = (config.stem_channels, *config.stage_channels)
        self.stages = nn.ModuleList(
            _stage(before, after, config.blocks_per_stage) for before, after in pairwise(widths)
        )
        _initialize(self)
        # Not after the stem: a map of the input's size costs as much to scale and shift as to convolve.
        self.modulation = SizeModulation(config.stage_channels) if config.size_conditioned else None

    def forward(self, faces: Tensor, relative_size: Tensor | None = None) -> Tensor:
        """Extract features.

        Args:
            faces: float32 (N, C, H, W), normalised.
            relative_size: float32 (N,), native face size over the model's input size; needed by a size-conditioned
                backbone only.

        Returns:
            float32 (N, features, H / 2^stages, W / 2^stages), at least 0.
        """
        features: Tensor = self.stem(faces)
        if self.modulation is None:
            for stage in self.stages:
                features = stage(features)
            return features
        if relative_size is None:
            raise ValueError("this backbone needs the size of each face")
        for stage, (scale, shift) in zip(self.stages, self.modulation(relative_size), strict=True):
            features = torch.relu(stage(features) * scale + shift)
        return features


def _stage(channels_in: int, channels_out: int, blocks: int) -> nn.Sequential:
    first = ResidualBlock(channels_in, channels_out, stride=2)
    return nn.Sequential(first, *(ResidualBlock(channels_out, channels_out, 1) for _ in range(blocks - 1)))


def _initialize(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
