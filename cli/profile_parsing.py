"""What the profiling commands share: lists of values, files that are written after long measurements, the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..core.environment import Environment
from ..core.errors import UsageError
from ..runtime.profiling.interference import Interference
from ..runtime.profiling.machine_watch import MachineReport


def parse_list(text: str, option: str, read: Callable[[str], Any], example: str) -> tuple[Any, ...]:
    """Read a list of values separated by commas.

    Args:
        text: What the user wrote.
        option: Where, for the message.
        read: Reads one value; raises ValueError.
        example: A list that can be read, for the message.

    Raises:
        UsageError: A value cannot be read.
    """
    try:
        return tuple(read(word.strip()) for word in text.split(","))
    except ValueError as problem:
        raise UsageError(f"{option} cannot be read", expected=f"a list such as {example}", found=text) from problem


def describe_machine(environment: Environment) -> str:
    """Name the processor, how much of it may be used, and ONNX Runtime."""
    version = environment.packages.get("onnxruntime") or environment.packages.get("onnxruntime-gpu")
    processor = environment.processor
    name = processor.model or environment.machine
    return f"{name}, {processor.usable_cores:g} cores, ONNX Runtime {version}"


def describe_interference(interference: Interference) -> str | None:
    """Warn of what else the machine did; None where that was little or is not known."""
    if not interference.is_notable:
        return None
    others, stolen = interference.other_cores or 0.0, interference.stolen_cores or 0.0
    return f"warning: other processes kept {others:.2f} cores busy meanwhile, the hypervisor took {stolen:.2f}"


def describe_watch(interference: Interference | None, machine: MachineReport | None) -> Iterator[str]:
    """Say what the machine did meanwhile: its power, what held its clocks down, and who else was busy.

    Args:
        interference: What others did; None where nobody looked.
        machine: Energy and clocks; None where nobody looked.
    """
    if machine is not None:
        yield f"power of the machine: {machine.energy.describe(0)}"
        if machine.clocks.is_throttled:
            yield f"warning: clocks were held down: {', '.join(machine.clocks.brakes) or 'heat'}"
    warning = None if interference is None else describe_interference(interference)
    if warning is not None:
        yield warning
