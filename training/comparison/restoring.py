"""Image super-resolution before a full-size classifier: what most people would try first."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 - PyTorch's own convention
from torch import Tensor, nn

from ..models.network import ExpressionNetwork


class RestorationNetwork(nn.Module):
    """Sharpens a face that was enlarged by interpolation.

    Residual blocks without normalisation (EDSR: Lim et al., 2017) on pixels folded into channels, so that the
    convolutions run at half the resolution, and sub-pixel convolution back (ESPCN: Shi et al., 2016). It predicts the
    difference to its input and starts as the identity.

    Args:
        channels: Colour channels of a face.
        width: Inner channels.
        blocks: Residual blocks of two convolutions.
    """

    def __init__(self, channels: int, width: int = 48, blocks: int = 3) -> None:
        super().__init__()
        self.enter = nn.Conv2d(4 * channels, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(width, width, 3, padding=1),
            )
            for _ in range(blocks)
        )
        self.leave = nn.Conv2d(width, 4 * channels, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        if self.leave.bias is not None:
            nn.init.zeros_(self.leave.bias)

    def forward(self, pixels: Tensor) -> Tensor:
        """Restore faces.

        Args:
            pixels: float32 (N, C, H, W), 0 to 1, H and W even.

        Returns:
            float32 (N, C, H, W), about 0 to 1.
        """
        features: Tensor = self.enter(F.pixel_unshuffle(pixels, 2))
        for block in self.blocks:
            features = features + block(features)
        return pixels + F.pixel_shuffle(self.leave(features), 2)


class RestoringClassifier(nn.Module):
    """Restores small faces and hands them to a network that knows full-size faces only.

    Args:
        restoration: Draws the face anew.
        network: Reads it.
    """

    def __init__(self, restoration: RestorationNetwork, network: ExpressionNetwork) -> None:
        super().__init__()
        self.restoration = restoration
        self.network = network

    def forward(self, faces: Tensor, face_size_px: Tensor) -> Tensor:
        """Return logits, float32 (N, classes), of faces, uint8 (N, C, H, W), of native sizes, float32 (N,)."""
        restored = self.restoration(faces.float() / 255.0).clamp(0.0, 1.0) * 255.0
        # A face that fills the input needs no restoring, and would only lose by it.
        full = (face_size_px >= faces.shape[3])[:, None, None, None]
        pixels = faces.float().where(full, restored)
        logits: Tensor = self.network(pixels, face_size_px)
        return logits
