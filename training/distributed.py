"""The processes that train one model together.

Each holds the whole network, computes the gradient of its share of every batch, and takes the same step on the sum of
all gradients, so the weights are the same everywhere. ``torchrun`` starts the processes and ends all when one fails.

Gradients are summed here and not by ``DistributedDataParallel``: a step of stage 2 calls parts of three networks, some
of them twice, and differentiates a gradient (WGAN-div), which that wrapper's one ``forward`` does not fit; its averages
are right only where all shares are equal; and what it hides, one message of a few megabytes a step, is little.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from ..core.errors import FsrferError, ProcessGroupError, UsageError
from .devices import available_device


@dataclass(frozen=True)
class Processes:
    """A group of processes as one of them sees it. Every method but the properties is called by all, in one order.

    Attributes:
        rank: Number of this process, from 0; the first one leads: it alone writes files and tells progress.
        count: How many there are.
        device: Where this one computes.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and tells progress."""
        return self.rank == 0

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their sums over all processes, in one message; every process gets the same bits.

        Args:
            tensors: On the group's device, all of one dtype, in any layout.
        """
        if self.count == 1 or not tensors:
            return
        message = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
        with _told_when_lost():
            dist.all_reduce(message)
        for tensor, summed in zip(tensors, torch.split(message, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.detach().copy_(summed.view(tensor.shape))

    def of_first(self, content: bytes | None) -> bytes | None:
        """Return the bytes that the first process gives; what the others give is ignored.

        Args:
            content: Bytes; None travels as None.
        """
        if self.count == 1:
            return content
        length = torch.tensor([-1 if content is None else len(content)], dtype=torch.int64, device=self.device)
        with _told_when_lost():
            dist.broadcast(length, 0)
            size = int(length.item())
            if size <= 0:
                return None if size < 0 else b""
            message = torch.empty(size, dtype=torch.uint8, device=self.device)
            if self.leads and content is not None:
                message.copy_(torch.from_numpy(np.frombuffer(content, np.uint8).copy()))
            dist.broadcast(message, 0)
        return message.cpu().numpy().tobytes()

    @contextmanager
    def file_of_first(self, path: Path) -> Iterator[Path | None]:
        """Give every process a file of the first one, wherever their disks are; None where the first has none.

        Args:
            path: The file; only the first process looks there.
        """
        there = self.leads and path.is_file()
        if self.count == 1:
            yield path if there else None
            return
        content = self.of_first(path.read_bytes() if there else None)
        if self.leads or content is None:
            yield path if there else None
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / path.name
            copy.write_bytes(content)
            yield copy

    def check_alike(self, what: str, digest: str, fix: str) -> None:
        """See to it that all processes are at one.

        Args:
            what: What should be the same, as a noun phrase.
            digest: The same text where it is.
            fix: What to do where it is not.

        Raises:
            ProcessGroupError: This process has another digest than the first.
        """
        expected = self.of_first(digest.encode())
        if expected != digest.encode():
            raise ProcessGroupError(
                f"{what} of process {self.rank} differ from those of process 0",
                expected=expected.decode() if expected else None,
                found=digest,
                fix=fix,
            )


ALONE = Processes()
"""A process that trains alone."""


@contextmanager
def joined(device: str, environment: Mapping[str, str] = os.environ) -> Iterator[Processes]:
    """Join the processes that ``torchrun`` started, over NCCL on GPUs and gloo on processors.

    A process that was not started so is alone, and nothing is joined. An error that leaves the block names its process.

    Args:
        device: ``cpu``, or ``cuda`` for the GPU of the process's number on its machine; a process that is alone may
            name one, ``cuda:1``.
        environment: Where ``torchrun`` leaves RANK, WORLD_SIZE, LOCAL_RANK and the address of the meeting point.

    Raises:
        UsageError: One GPU is named for several processes, or the device has an unknown name.
        BackendUnavailableError: The device is not there.
        ProcessGroupError: The others cannot be reached.
    """
    count = processes_started(environment)
    if count == 1:
        yield Processes(device=available_device(device))
        return
    rank = int(environment.get("RANK", "0"))
    try:
        own = _own_device(device, environment)
        try:
            dist.init_process_group("nccl" if own.type == "cuda" else "gloo")
        except (RuntimeError, ValueError) as problem:
            raise ProcessGroupError(
                "the processes cannot be joined",
                expected="processes that torchrun started",
                found=" ".join(str(problem).split()),
                fix="torchrun --standalone --nproc-per-node 2 --no-python fsrfer-train fit ...",
            ) from problem
        yield Processes(dist.get_rank(), dist.get_world_size(), own)
    except FsrferError as problem:
        problem.message = f"process {rank} of {count}: {problem.message}"
        raise
    # Not after an error: NCCL would wait for the others. They see this process end, and so does torchrun.
    dist.destroy_process_group()


def processes_started(environment: Mapping[str, str] = os.environ) -> int:
    """Return how many processes were started to train together: 1 where no launcher says otherwise."""
    return int(environment.get("WORLD_SIZE", "1"))


def refuse_several_processes(command: str) -> None:
    """Stop a command that knows only one process before several overwrite each other's files.

    Raises:
        UsageError: A launcher started several.
    """
    count = processes_started()
    if count > 1:
        raise UsageError(
            f"{command} runs in one process", found=f"{count} (WORLD_SIZE)", fix="start it without torchrun"
        )


def gathered(values: Tensor) -> Tensor:
    """Return the values of all processes, (processes, *shape), in the order of their ranks.

    Args:
        values: The same shape and dtype everywhere.
    """
    found = torch.empty((dist.get_world_size(), *values.shape), dtype=values.dtype, device=values.device)
    with _told_when_lost():
        dist.all_gather(list(found), values.contiguous())
    return found


def _own_device(name: str, environment: Mapping[str, str]) -> torch.device:
    if name.startswith("cuda:"):
        raise UsageError(
            "several processes cannot share a GPU",
            expected="--device cuda, which gives each process of a machine its own",
            found=name,
        )
    if name != "cuda":
        return available_device(name)
    own = available_device(f"cuda:{environment.get('LOCAL_RANK', '0')}")
    torch.cuda.set_device(own)
    return own


@contextmanager
def _told_when_lost() -> Iterator[None]:
    # gloo and NCCL raise RuntimeError for a peer that is gone, out of time or sends another size.
    try:
        yield
    except RuntimeError as problem:
        raise ProcessGroupError(
            "the other processes of the training are gone",
            found=" ".join(str(problem).split()),
            fix="see what the one that ended first says; the same command goes on from the last checkpoint",
        ) from problem
