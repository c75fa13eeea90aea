"""Trained weights that a run begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from ..core.bundle import ArtifactKind, ModelBundle
from ..core.errors import BundleError
from .models.architecture import NetworkConfig
from .models.network import ExpressionNetwork, load_network


class OriginRole(str, Enum):
    """What the weights are taken for."""

    EXTRACTOR = "extractor"
    """The result of stage 1, as it is: only stage 2 is trained."""

    INITIAL = "initial"
    """Where stage 1 begins."""


@dataclass(frozen=True)
class Origin:
    """Backbone and classifier of an earlier run.

    Attributes:
        bundle: Where they are.
        role: What they are taken for.
    """

    bundle: ModelBundle
    role: OriginRole

    @property
    def parents(self) -> dict[str, str]:
        """SHA-256 of the weights by role, for the record."""
        return {self.role.value: self.bundle.manifest.artifacts[ArtifactKind.WEIGHTS.value].sha256}

    def copy_into(self, network: ExpressionNetwork, labels: Sequence[str]) -> None:
        """Copy backbone and classifier.

        Args:
            network: Changed in place.
            labels: Expressions that it is trained for, in order.

        Raises:
            BundleError: Architecture, preprocessing or labels differ.
        """
        source = load_network(self.bundle)
        mine, theirs = network.config, source.config
        wanted = (*_shape(mine), tuple(labels))
        found = (*_shape(theirs), self.bundle.manifest.labels)
        if wanted != found:
            raise BundleError(
                f"{self.bundle.path} cannot be trained on with this recipe and data",
                expected=wanted,
                found=found,
                fix="train it with the same backbone, classifier, input and labels",
            )
        copy_extractor(source, network)


def copy_extractor(source: ExpressionNetwork, target: ExpressionNetwork) -> None:
    """Copy backbone and classifier from one network to another that may also be told the faces' sizes.

    Args:
        source: Where from.
        target: Changed in place; what it has beyond the source stays as it was built, which is without effect.
    """
    extra = target.backbone.load_state_dict(source.backbone.state_dict(), strict=False)
    target.classifier.load_state_dict(source.classifier.state_dict())
    strangers = [name for name in extra.missing_keys if not name.startswith("modulation.")]
    if strangers or extra.unexpected_keys:
        raise ValueError(f"the backbones differ: {strangers or extra.unexpected_keys}")


def _shape(config: NetworkConfig) -> tuple[object, ...]:
    backbone = replace(config.backbone, size_conditioned=False)
    return config.input_channels, config.input_size, backbone, config.classifier.embedding
