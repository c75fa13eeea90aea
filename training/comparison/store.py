"""The trained networks of a comparison, in one folder: trained where they are missing, loaded where they are there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from ...core.bundle import ArtifactKind, ModelBundle
from ...core.errors import BundleError, UsageError
from ..fit import FitOptions, fit
from ..models.network import load_network
from ..origin import Origin
from ..progress import Progress
from ..splits import TrainingData
from .parts import Part, plan_of, shortened
from .restoration_file import RestorationFile
from .restoration_training import RestorationConfig


@dataclass(frozen=True)
class PartStore:
    """Where the parts of a comparison lie, and how missing ones are made.

    Attributes:
        folder: One sub-folder a part.
        seed: Seed of every training.
        options: Circumstances of every training.
        epochs: Longest training of each stage, to try the command out; None for the recipes' own.
        restoration: Settings of the image super-resolution.
    """

    folder: Path
    seed: int = 0
    options: FitOptions = field(default_factory=FitOptions)
    epochs: int | None = None
    restoration: RestorationConfig = field(default_factory=RestorationConfig)

    def has(self, part: Part) -> bool:
        """Tell whether a part was trained to its end."""
        if part is Part.RESTORATION:
            return self._restoration.path.is_file()
        try:
            return ModelBundle.load(self.folder / part.value).has(ArtifactKind.MODEL_CARD)
        except BundleError:
            return False

    @property
    def _restoration(self) -> RestorationFile:
        return RestorationFile(self.folder / Part.RESTORATION.value)

    def missing(self, parts: Iterable[Part]) -> tuple[Part, ...]:
        """Return what has to be trained for some parts, in an order in which it can be."""
        wanted: list[Part] = []
        for part in parts:
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
            config = self.restoration if self.epochs is None else self.restoration.shortened(self.epochs)
            classifier = self.bundle(Part.FULL_SIZE)
            self._restoration.train(classifier, data, config, seed=self.seed, options=self.options, progress=progress)
            return
        plan = plan_of(part)
        origin = None
        if plan.role is not None and part.needs is not None:
            origin = Origin(self.bundle(part.needs), plan.role)
        recipe = plan.recipe if self.epochs is None else shortened(plan.recipe, self.epochs)
        output = self.folder / part.value
        fit(recipe, data, output, seed=self.seed, origin=origin, options=self.options, progress=progress)

    def load(self, part: Part, dataset_ids: tuple[str, ...]) -> nn.Module:
        """Load a part, in evaluation mode on the CPU.

        Args:
            part: Which one.
            dataset_ids: Identities of train, valid and test split that it must have been trained on.

        Raises:
            BundleError: It was not trained or is damaged.
            UsageError: It was trained on other faces, or with another seed.
        """
        if part is Part.RESTORATION:
            restoring, made = self._restoration.load(self.bundle(Part.FULL_SIZE))
            self._check(part, made.dataset_ids, made.seed, dataset_ids)
            return restoring
        bundle = self.bundle(part)
        provenance = bundle.manifest.provenance
        self._check(part, provenance.dataset_ids, provenance.seed, dataset_ids)
        return load_network(bundle)

    def _check(self, part: Part, faces: tuple[str, ...], seed: int, wanted_faces: tuple[str, ...]) -> None:
        if faces != wanted_faces:
            raise UsageError(
                f"the stored {part.value} was trained on other faces",
                expected=", ".join(wanted_faces),
                found=", ".join(faces),
                fix="give another --store",
            )
        if seed != self.seed:
            raise UsageError(
                f"the stored {part.value} was trained with another seed",
                expected=self.seed,
                found=seed,
                fix="give another --store, or that seed",
            )
