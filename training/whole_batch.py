"""Layers that treat a piece of a batch as what it is: a part of the whole.

Two layers of the networks look beyond a single face: batch normalisation, and dropout by the order in which it draws.
:func:`see_whole_batches` replaces them by layers with the same weights and names, so that checkpoints and bundles do
not tell how many processes trained a network.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .batch_rows import BatchRows
from .distributed import Processes, gathered


class SynchronizedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the faces of all processes, as one process with all of them would do it.

    PyTorch's ``SyncBatchNorm`` refuses tensors on a CPU; this one runs, and is tested, where there is no GPU.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the base class's name
        """Normalise (N, C, H, W); in evaluation mode by the running statistics, without a word to other processes."""
        if not self.training:
            return super().forward(input)
        # Every layer that is replaced has them.
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        result, mean, variance, count = _Normalization.apply(  # type: ignore[no-untyped-call]
            input, self.weight, self.bias, self.eps
        )
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            share = self.momentum if self.momentum is not None else 1.0 / float(self.num_batches_tracked)
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance * (count / (count - 1.0)), share)
        normalized: Tensor = result
        return normalized


class WholeBatchDropout(nn.Dropout):
    """Dropout that draws for the whole batch and keeps what belongs to its rows.

    Which values are dropped then depends on the step alone, not on how many processes or pieces a batch is taken in (on
    a CPU; a GPU draws in another order for another shape).
    """

    rows: BatchRows | None = None
    """Which faces of the batch come next; set before each pass."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the base class's name
        """Drop values of (N, ...)."""
        if not self.training or self.p == 0.0:
            return input
        if self.rows is None or len(input) != self.rows.stop - self.rows.start:
            raise ValueError(f"{len(input)} faces are not those of {self.rows}")
        # The very draw of nn.Dropout on a CPU.
        kept = input.new_empty((self.rows.total, *input.shape[1:])).bernoulli_(1.0 - self.p).div_(1.0 - self.p)
        return input * kept[self.rows.slice]


def see_whole_batches(network: nn.Module, processes: Processes, pieces: int) -> None:
    """Make a network see batches that are divided as if they were not, as far as that can be.

    Pieces are taken one after another, and batch normalisation cannot know the later ones: its statistics are those of
    one piece, over all processes. Its running averages move in each piece by so much less that after a step the past
    weighs what it would have.

    Args:
        network: Changed in place; as it was where nothing is divided.
        processes: Who train it together.
        pieces: Pieces of a batch.
    """
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d) and processes.count > 1:
                setattr(parent, name, _synchronized(child))
            elif isinstance(child, nn.Dropout) and processes.count * pieces > 1:
                setattr(parent, name, WholeBatchDropout(child.p).train(child.training))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.momentum is not None and pieces > 1:
            module.momentum = 1.0 - (1.0 - module.momentum) ** (1.0 / pieces)


def show_rows(network: nn.Module, rows: BatchRows) -> None:
    """Tell a network which faces of a batch come next."""
    for module in network.modules():
        if isinstance(module, WholeBatchDropout):
            module.rows = rows


def _synchronized(layer: nn.BatchNorm2d) -> SynchronizedBatchNorm2d:
    if not layer.affine or not layer.track_running_stats:
        raise ValueError("only batch normalisation with weights and running statistics is synchronised")
    new = SynchronizedBatchNorm2d(layer.num_features, layer.eps, layer.momentum)
    new.weight, new.bias = layer.weight, layer.bias
    new._buffers.update(layer._buffers)
    return new.train(layer.training)


class _Normalization(torch.autograd.Function):
    """Forward: one message of 2 C + 1 numbers. Backward: one of 2 C."""

    @staticmethod
    def forward(
        ctx: Any, faces: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, float]:
        channels, local = faces.shape[1], faces.numel() // faces.shape[1]
        # A thirtieth of the time of torch.var_mean; the variance is that of these faces, not an estimate.
        mean, variance = torch.batch_norm_update_stats(faces.float(), None, None, 0.0)
        told = gathered(torch.cat([mean.new_tensor([local]), mean, variance]))
        counts, means, variances = torch.split(told, [1, channels, channels], dim=1)
        # Chan et al., "Updating formulae and a pairwise algorithm for computing sample variances", 1979: no difference
        # of large sums. Every process computes this from the same numbers, hence to the same bits.
        count = counts.sum()
        mean = (counts * means).sum(dim=0) / count
        variance = (counts * (variances + (means - mean).square())).sum(dim=0) / count
        ctx.save_for_backward(faces, weight, mean, variance)
        ctx.eps, ctx.count = eps, float(count)
        ctx.mark_non_differentiable(mean, variance)
        result = torch.batch_norm(faces, weight, bias, mean, variance, False, 0.0, eps, False)
        return result, mean, variance, float(count)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, None]:
        faces, weight, mean, variance = ctx.saved_tensors
        # With constant statistics; what their dependence on the faces adds follows.
        through, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, faces, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = gathered(torch.cat([of_weight, of_bias])).sum(dim=0)
        mean_product, mean_gradient = (sums / ctx.count).chunk(2)
        inverse = (variance + ctx.eps).rsqrt()
        slope = weight * inverse.square() * mean_product
        shift = weight * inverse * mean_gradient - slope * mean
        through -= (faces * slope[:, None, None] + shift[:, None, None]).to(through.dtype)
        return through, of_weight, of_bias, None
