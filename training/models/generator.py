"""Feature super-resolution: from the features of a small face to those of the same face at full size."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .architecture import GeneratorConfig, GeneratorKind
from .modulation import SizeModulation


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees all before it (Wang et al., "ESRGAN", 2018, figure 4)."""

    def __init__(self, channels: int, growth: int, residual_scale: float) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels + index * growth, channels if index == 4 else growth, 3, padding=1) for index in range(5)
        )
        self.activation = nn.LeakyReLU(0.2)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, channels, h, w) to the same shape."""
        collected = [features]
        for convolution in list(self.convolutions)[:-1]:
            collected.append(self.activation(convolution(torch.cat(collected, dim=1))))
        delta: Tensor = self.convolutions[-1](torch.cat(collected, dim=1))
        return features + self.residual_scale * delta


class ResidualDenseBlock(nn.Module):
    """Three dense blocks inside one residual: RRDB."""

    def __init__(self, channels: int, growth: int, residual_scale: float) -> None:
        super().__init__()
        self.residual_scale = residual_scale
        self.blocks = nn.Sequential(*(DenseBlock(channels, growth, residual_scale) for _ in range(3)))

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, channels, h, w) to the same shape."""
        delta: Tensor = self.blocks(features)
        return features + self.residual_scale * delta


class RRDBGenerator(nn.Module):
    """The generator of FSR-FER: an ESRGAN trunk without up-sampling (Jing et al., arXiv 2004.02234).

    It has no skip from its input to its output: it must draw the whole feature map anew.
    """

    def __init__(self, config: GeneratorConfig, feature_channels: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(feature_channels, config.channels, 3, padding=1)
        blocks = (
            ResidualDenseBlock(config.channels, config.growth, config.residual_scale) for _ in range(config.blocks)
        )
        self.trunk = nn.Sequential(*blocks, nn.Conv2d(config.channels, config.channels, 3, padding=1))
        self.leave = nn.Sequential(
            nn.Conv2d(config.channels, config.channels, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(config.channels, feature_channels, 3, padding=1),
        )

    def forward(self, features: Tensor, relative_size: Tensor | None) -> Tensor:  # noqa: ARG002 - the seam's signature
        """Map features (N, C, h, w) to the same shape; the face's size is not used."""
        entered = self.enter(features)
        result: Tensor = self.leave(entered + self.trunk(entered))
        return result


class ResidualGenerator(nn.Module):
    """A bottleneck that adds a correction to the features, told how small the face was.

    Scale and shift of the inner features follow from the size (:class:`SizeModulation`). No ReLU stands behind them: a
    shift that is once below every feature would cut the generator off for good, and did. The last convolution starts at
    zero, so an untrained generator changes nothing.
    """

    def __init__(self, config: GeneratorConfig, feature_channels: int) -> None:
        super().__init__()
        self.enter = _normalized(feature_channels, config.channels, 1)
        self.blocks = nn.ModuleList(_normalized(config.channels, config.channels, 3) for _ in range(config.blocks))
        self.modulation = SizeModulation((config.channels,) * config.blocks)
        self.leave = nn.Conv2d(config.channels, feature_channels, 1)
        nn.init.zeros_(self.leave.weight)
        if self.leave.bias is not None:
            nn.init.zeros_(self.leave.bias)

    def forward(self, features: Tensor, relative_size: Tensor | None) -> Tensor:
        """Correct features.

        Args:
            features: float32 (N, C, h, w), at least 0.
            relative_size: float32 (N,), native face size over the model's input size.

        Returns:
            float32 (N, C, h, w), at least 0.
        """
        if relative_size is None:
            raise ValueError("this generator needs the size of each face")
        inner: Tensor = self.enter(features)
        for block, (scale, shift) in zip(self.blocks, self.modulation(relative_size), strict=True):
            inner = block(inner) * scale + shift
        return torch.relu(features + self.leave(inner))


def _normalized(channels_in: int, channels_out: int, kernel_size: int) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, kernel_size, padding=kernel_size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True))


def build_generator(config: GeneratorConfig, feature_channels: int) -> RRDBGenerator | ResidualGenerator | None:
    """Return the generator of a configuration, or None for a network without one."""
    if config.kind is GeneratorKind.NONE:
        return None
    if config.kind is GeneratorKind.RRDB:
        return RRDBGenerator(config, feature_channels)
    return ResidualGenerator(config, feature_channels)
