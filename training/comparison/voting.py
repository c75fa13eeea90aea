"""Test-time voting: the mean opinion of one network about several views of a face."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own convention
from torch import Tensor, nn

from ..models.network import ExpressionNetwork


class VotingNetwork(nn.Module):
    """Classifies a face and its mirror image, each at five positions, and averages the logits.

    Nine tenths of the face's side are cut from the four corners and the centre and enlarged again: ten crops, as in
    Krizhevsky et al., "ImageNet classification with deep convolutional neural networks" (2012), section 4.1.

    Args:
        network: Sees every view.
    """

    VIEWS = 10

    def __init__(self, network: ExpressionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, faces: Tensor, face_size_px: Tensor) -> Tensor:
        """Return logits, float32 (N, classes), of faces, uint8 (N, C, H, W), of native sizes, float32 (N,)."""
        side = faces.shape[3]
        window = round(0.9 * side)
        slack = side - window
        corners = ((0, 0), (0, slack), (slack, 0), (slack, slack), (slack // 2, slack // 2))
        pixels = faces.float()
        crops = [pixels[:, :, top : top + window, left : left + window] for top, left in corners]
        enlarged = F.interpolate(torch.cat(crops), size=(side, side), mode="bilinear", align_corners=False)
        views = torch.cat([enlarged, enlarged.flip(3)]).round().to(torch.uint8)
        logits: Tensor = self.network(views, face_size_px.repeat(self.VIEWS))
        return logits.view(self.VIEWS, faces.shape[0], -1).mean(dim=0)
