"""Judging an epoch: accuracy by face size on a fixed choice of the validation split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ..core.preprocess import PreprocessSpec, preprocess
from ..datasets import FaceDataset
from .batches import TrainingFaces, small_faces
from .distributed import ALONE, Processes

_BATCH = 128


class Validation:
    """A fixed set of validation faces, prepared once at every size.

    Processes that train together share the work by batches: each face is judged in the batch, and by the very
    arithmetic, in which a single process judges it.

    Args:
        dataset: The validation split.
        spec: The model's preprocessing.
        sizes: Native face sizes in pixels.
        max_faces: Faces to look at, spread evenly over the data set.
        device: Where the network is.
        processes: Who train it together.
    """

    def __init__(
        self,
        dataset: FaceDataset,
        spec: PreprocessSpec,
        sizes: Sequence[int],
        max_faces: int,
        device: torch.device,
        processes: Processes = ALONE,
    ) -> None:
        faces = TrainingFaces(dataset, spec, soft_labels=False)
        chosen = np.unique(np.linspace(0, len(dataset) - 1, min(max_faces, len(dataset))).astype(np.int64))
        full = _at_input_size([faces[int(index)] for index in chosen], spec)
        self._labels = faces.labels[chosen]
        self._batches = {size: small_faces(full, np.full(len(full), size, np.int64), spec) for size in sizes}
        self._device = device
        self._processes = processes

    def accuracies(self, network: nn.Module) -> dict[str, float]:
        """Return the accuracy at each size, from 0 to 1, under ``accuracy_12px``, and their ``mean_accuracy``.

        Args:
            network: From faces, uint8 (N, C, H, W), and native sizes, float32 (N,), to logits, float32 (N, K).
        """
        training = network.training
        network.eval()
        right = torch.tensor([self._right(network, size) for size in self._batches], device=self._device)
        self._processes.add_up([right])
        found = {
            f"accuracy_{size}px": count / len(self._labels)
            for size, count in zip(self._batches, right.tolist(), strict=True)
        }
        network.train(training)
        return {**found, "mean_accuracy": float(np.mean(list(found.values())))}

    @torch.inference_mode()
    def _right(self, network: nn.Module, size: int) -> int:
        """Return how many of this process's faces are read right."""
        right = 0
        first, step = self._processes.rank * _BATCH, self._processes.count * _BATCH
        for start in range(first, len(self._labels), step):
            faces = torch.from_numpy(self._batches[size][start : start + _BATCH]).to(self._device)
            sizes = torch.full((len(faces),), float(size), device=self._device)
            found = network(faces, sizes).argmax(dim=1).cpu().numpy()
            right += int((found == self._labels[start : start + _BATCH]).sum())
        return right


def _at_input_size(faces: list[npt.NDArray[np.uint8]], spec: PreprocessSpec) -> npt.NDArray[np.uint8]:
    batch, _ = preprocess(faces, spec)
    return batch[:, 0] if spec.channels == 1 else np.ascontiguousarray(batch.transpose(0, 2, 3, 1))
