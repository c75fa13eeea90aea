"""The trained networks of a comparison, in one folder: trained where they are missing, loaded where they are there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from ...core.bundle import ModelBundle
from ...core.errors import BundleError, UsageError
from ..fit import FitOptions, fit
from ..models.network import load_network
from ..origin import Origin
from ..progress import Progress
from ..recipe import TrainRecipe
from ..run_identity import RunIdentity, is_trained
from ..splits import TrainingData
from .parts import Part, PartPlan, plan_of, shortened
from .restoration_file import RestorationFile, RestorationOrigin
from .restoration_training import RestorationConfig

_FIX = "give another --store, or the options that it was made with"


@dataclass(frozen=True)
class PartStore:
    """Where the parts of a comparison lie, and how missing ones are made.

    Attributes:
        folder: One sub-folder a part.
        seed: Seed of every training.
        options: Circumstances of every training.
        epochs: Longest training of each stage, to try the command out; None for the recipes' own.
        restoration: Settings of the image super-resolution.
        native_px: Side of the data set's faces in pixels, whose factors the paper's method is trained on; None for
            the recipe's own sizes.
    """

    folder: Path
    seed: int = 0
    options: FitOptions = field(default_factory=FitOptions)
    epochs: int | None = None
    restoration: RestorationConfig = field(default_factory=RestorationConfig)
    native_px: int | None = None

    def has(self, part: Part) -> bool:
        """Tell whether a part was trained to its end, by whatever settings."""
        if part is Part.RESTORATION:
            return self._restoration.path.is_file()
        try:
            return is_trained(self.bundle(part))
        except BundleError:
            return False

    @property
    def _restoration(self) -> RestorationFile:
        return RestorationFile(self.folder / Part.RESTORATION.value)

    def missing(self, parts: Iterable[Part]) -> tuple[Part, ...]:
        """Return what has to be trained for some parts, in an order in which it can be."""
        wanted: list[Part] = []
        for part in parts:
            if self.has(part):
                continue
            for one in (part.needs, part):
                if one is not None and one not in wanted and not self.has(one):
                    wanted.append(one)
        return tuple(wanted)

    def bundle(self, part: Part) -> ModelBundle:
        """Return the bundle of a part.

        Raises:
            BundleError: It was not trained, or is damaged.
        """
        return ModelBundle.load(self.folder / part.value)

    def train(self, part: Part, data: TrainingData, progress: Progress | None = None) -> None:
        """Train a part; go on where an earlier attempt was interrupted.

        Args:
            part: Which one; what it needs must be there.
            data: The splits.
            progress: Who listens.
        """
        if part is Part.RESTORATION:
            config, classifier = self._restoration_config, self.bundle(Part.FULL_SIZE)
            self._restoration.train(classifier, data, config, seed=self.seed, options=self.options, progress=progress)
            return
        plan = plan_of(part, self.native_px)
        recipe, origin, output = self._recipe(plan), self._origin(part, plan), self.folder / part.value
        fit(recipe, data, output, seed=self.seed, origin=origin, options=self.options, progress=progress)

    def load(self, part: Part, dataset_ids: tuple[str, ...]) -> nn.Module:
        """Load a part, in evaluation mode on the CPU.

        Args:
            part: Which one.
            dataset_ids: Identities of train, valid and test split that it must have been trained on.

        Raises:
            BundleError: It was not trained or is damaged.
            UsageError: It was trained on other faces, with another seed, by another recipe, for another number of
                epochs, or from other weights than those of the part that it needs, where that is there.
        """
        if part is Part.RESTORATION:
            restoring, made = self._restoration.load(self.bundle(Part.FULL_SIZE))
            self._check_restoration(made, dataset_ids)
            return restoring
        bundle, plan = self.bundle(part), plan_of(part, self.native_px)
        identity = RunIdentity(self._recipe(plan), self.seed, dataset_ids, self._parents(part, plan))
        identity.require(bundle, f"the stored {part.value}", fix=_FIX)
        return load_network(bundle)

    def _recipe(self, plan: PartPlan) -> TrainRecipe:
        return plan.recipe if self.epochs is None else shortened(plan.recipe, self.epochs)

    @property
    def _restoration_config(self) -> RestorationConfig:
        return self.restoration if self.epochs is None else self.restoration.shortened(self.epochs)

    def _origin(self, part: Part, plan: PartPlan) -> Origin | None:
        if plan.role is None or part.needs is None:
            return None
        return Origin(self.bundle(part.needs), plan.role)

    def _parents(self, part: Part, plan: PartPlan) -> dict[str, str] | None:
        """Return the weights that a part must have begun with; None where these are not there any more."""
        if part.needs is not None and not self.has(part.needs):
            return None
        origin = self._origin(part, plan)
        return origin.parents if origin else {}

    def _check_restoration(self, made: RestorationOrigin, dataset_ids: tuple[str, ...]) -> None:
        if made.dataset_ids != dataset_ids:
            difference, expected, found = "on other faces", ", ".join(dataset_ids), ", ".join(made.dataset_ids)
        elif made.seed != self.seed:
            difference, expected, found = "with another seed", str(self.seed), str(made.seed)
        elif made.epochs != self._restoration_config.epochs:
            difference, expected, found = "for other epochs", str(self._restoration_config.epochs), str(made.epochs)
        else:
            return
        raise UsageError(
            f"the stored {Part.RESTORATION.value} was trained {difference}", expected=expected, found=found, fix=_FIX
        )
