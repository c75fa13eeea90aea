"""Whether a trained model is the one that a training would make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.bundle import ArtifactKind, ModelBundle
from ..core.errors import BundleError, UsageError
from ..core.schema import from_mapping, to_mapping
from .recipe import TrainRecipe


@dataclass(frozen=True)
class RunIdentity:
    """What decides the result of a training, up to the rounding of another machine or arithmetic.

    Attributes:
        recipe: Its recipe.
        seed: Seed of everything random.
        dataset_ids: Identities of train, valid and test split.
        parents: SHA-256 of the weights that it begins with, by what they are taken for; None where they are not known.
    """

    recipe: TrainRecipe
    seed: int
    dataset_ids: tuple[str, ...]
    parents: Mapping[str, str] | None = field(default_factory=dict)

    def require(self, bundle: ModelBundle, what: str, *, fix: str) -> None:
        """Refuse a bundle of another training.

        Args:
            bundle: A trained model.
            what: What to call it, for the message.
            fix: What to do where it is another one.

        Raises:
            UsageError: Faces, seed, recipe or parents differ.
            BundleError: Its recipe cannot be read.
        """
        made = bundle.manifest.provenance
        if made.dataset_ids != self.dataset_ids:
            raise UsageError(
                f"{what} was trained on other faces",
                expected=", ".join(self.dataset_ids),
                found=", ".join(made.dataset_ids),
                fix=fix,
            )
        if made.seed != self.seed:
            raise UsageError(f"{what} was trained with another seed", expected=self.seed, found=made.seed, fix=fix)
        self._require_recipe(bundle, what, fix)
        if self.parents is not None and made.parents != dict(self.parents):
            raise UsageError(
                f"{what} began with other weights",
                expected=_shown_parents(self.parents),
                found=_shown_parents(made.parents),
                fix=fix,
            )

    def _require_recipe(self, bundle: ModelBundle, what: str, fix: str) -> None:
        # Read, not compared as it lies there: keys that a later version added have their defaults.
        where = f"recipe of {bundle.path}"
        found = from_mapping(TrainRecipe, bundle.manifest.recipe, where=where, error=BundleError)
        wanted, there = _flat(to_mapping(self.recipe)), _flat(to_mapping(found))
        other = [key for key in wanted if wanted[key] != there[key]]
        if other:
            raise UsageError(
                f"{what} was trained by other settings",
                expected=", ".join(f"{key} {wanted[key]}" for key in other),
                found=", ".join(f"{key} {there[key]}" for key in other),
                fix=fix,
            )


def is_trained(bundle: ModelBundle) -> bool:
    """Tell whether the training of a bundle came to its end: the model card is what it writes last."""
    return bundle.has(ArtifactKind.MODEL_CARD)


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flat(item, f"{prefix}{key}.") if isinstance(item, Mapping) else {f"{prefix}{key}": item}
    return flat


def _shown_parents(parents: Mapping[str, str]) -> str:
    return ", ".join(f"{role} {sha256[:12]}" for role, sha256 in sorted(parents.items())) or "random weights"
