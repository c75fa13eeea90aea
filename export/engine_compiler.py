"""The seam between building an engine and the library that compiles it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..core.bundle import ArtifactKind
from .engine_config import EngineBuildConfig
from .engine_layers import EngineLayer, Int8Account
from .graph_reading import GraphReading

OnProgress = Callable[[str, int, int], None]
"""Called with the name of a phase of the build, the steps done and all steps of it."""


@dataclass(frozen=True)
class BuildDetails:
    """What a compiler knows about an engine once it is built.

    Attributes:
        layers: The engine's layers as TensorRT's log gives them; empty from ONNX Runtime.
        inspection: The same from TensorRT's inspector, in more detail; None where there is no GPU to ask it on.
        int8: Where the graph's quantisation went; None for other number formats, and where no layers are known.
        on_dla: Layers that a deep learning accelerator can take; empty where none was asked for.
        not_on_dla: Layers that it cannot take.
    """

    layers: tuple[EngineLayer, ...] = ()
    inspection: Any = None
    int8: Int8Account | None = None
    on_dla: tuple[str, ...] = ()
    not_on_dla: tuple[str, ...] = ()


class EngineCompiler(Protocol):
    """Compiles graphs by one library on this machine."""

    @property
    def library_version(self) -> str:
        """Version of the library."""

    @property
    def file_suffix(self) -> str:
        """Suffix of the files that it writes."""

    def device(self, config: EngineBuildConfig) -> str:
        """Return what is compiled for: a processor by name, or ``portable``."""

    def compute_capabilities(self, config: EngineBuildConfig) -> tuple[str, ...]:
        """Return the CUDA compute capabilities that the engine will run on; empty for a CPU."""

    def source(self, config: EngineBuildConfig) -> ArtifactKind:
        """Return which graph of the bundle is compiled."""

    def read(self, graph: Path, config: EngineBuildConfig) -> GraphReading:
        """Parse a graph and configure its build, without compiling.

        Raises:
            EngineBuildError: The library refuses the graph or the options.
        """

    def compile(
        self, graph: Path, engine: Path, config: EngineBuildConfig, on_progress: OnProgress | None
    ) -> BuildDetails:
        """Compile a graph to a file.

        Raises:
            EngineBuildError: The library refuses the graph; the message names the nodes.
        """
