"""A network as the evaluation sees it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn


def classify_with(
    network: nn.Module, device: torch.device | None = None
) -> Callable[[npt.NDArray[np.uint8], npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    """Return a function from preprocessed faces and their native sizes to logits.

    Args:
        network: From faces and native sizes to logits; put into evaluation mode.
        device: Where the network is; the CPU by default.

    Returns:
        A function of uint8 (N, C, H, W) and float32 (N,), giving float32 (N, K).
    """
    network.eval()
    place = device or torch.device("cpu")

    @torch.inference_mode()
    def classify(faces: npt.NDArray[np.uint8], face_size_px: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        logits = network(torch.from_numpy(faces).to(place), torch.from_numpy(face_size_px).to(place))
        return np.asarray(logits.cpu().numpy(), np.float32)

    return classify
