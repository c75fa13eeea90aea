"""What ``fsrfer-profile scenario`` found, with all that is needed to find it again."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.environment import Environment
from ...core.options import Precision
from .scenarios import ScenarioConfig, ScenarioResult

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class ScenarioReport:
    """Scenarios of one classifier.

    Attributes:
        bundle: Name of the model.
        created: UTC time, ISO 8601.
        precision: Number format of the graph.
        provider: What runs it.
        model_sha256: Hash of the graph or engine; None where nobody knows.
        threads: Threads inside one operator; None for one a physical core.
        max_batch: Most faces in one run of the model.
        configs: How each scenario was run.
        results: What each showed, in the same order.
        environment: The machine.
        schema_version: Version of this layout.
    """

    bundle: str
    created: str
    precision: Precision
    provider: str
    model_sha256: str | None
    threads: int | None
    max_batch: int
    configs: tuple[ScenarioConfig, ...]
    results: tuple[ScenarioResult, ...]
    environment: Environment
    schema_version: int = SCHEMA_VERSION
