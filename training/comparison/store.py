"""The trained networks of a comparison, in one folder: trained where they are missing, loaded where they are there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from ...core.bundle import ArtifactKind, ModelBundle
from ...core.errors import BundleError, UsageError
from ...core.files import atomic_path, sha256_of_bytes
from ...datasets.degradation import EVALUATION_SIZES
from ..batches import BatchPlan, TrainingFaces
from ..bundling import preprocess_spec
from ..fit import FitOptions, fit
from ..models.network import load_network
from ..origin import Origin
from ..progress import Progress, Silence
from ..run import TrainingRun
from ..splits import TrainingData
from ..validation import Validation
from .parts import Part, plan_of, shortened
from .restoration_training import RestorationConfig, train_restoration
from .restoring import RestorationNetwork, RestoringClassifier

_RESTORATION_FILE = "restoration.safetensors"


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
            return self._restoration_file.is_file()
        try:
            return ModelBundle.load(self.folder / part.value).has(ArtifactKind.MODEL_CARD)
        except BundleError:
            return False

    @property
    def _restoration_file(self) -> Path:
        return self.folder / Part.RESTORATION.value / _RESTORATION_FILE

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
            self._train_restoration(data, progress or Silence())
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
            return self._load_restoration(dataset_ids)
        bundle = self.bundle(part)
        _check_data(part, bundle.manifest.provenance.dataset_ids, dataset_ids)
        self._check_seed(part, bundle.manifest.provenance.seed)
        return load_network(bundle)

    def _check_seed(self, part: Part, found: int) -> None:
        if found != self.seed:
            raise UsageError(
                f"the stored {part.value} was trained with another seed",
                expected=self.seed,
                found=found,
                fix="give another --store, or that seed",
            )

    def _train_restoration(self, data: TrainingData, progress: Progress) -> None:
        classifier = self.bundle(Part.FULL_SIZE)
        folder = self.folder / Part.RESTORATION.value
        recipe = plan_of(Part.FULL_SIZE).recipe
        spec = preprocess_spec(recipe)
        config = self.restoration
        if self.epochs is not None:
            config = RestorationConfig(epochs=min(config.epochs, self.epochs))
        description = {
            "data": list(data.dataset_ids),
            "classifier": classifier.manifest.artifacts[ArtifactKind.WEIGHTS.value].sha256,
            "seed": self.seed,
            "epochs": config.epochs,
            "arithmetic": self.options.arithmetic.value,
        }
        device = torch.device(self.options.device)
        run = TrainingRun(
            folder=folder / "checkpoints",
            fingerprint=sha256_of_bytes(json.dumps(description, sort_keys=True).encode()),
            seed=self.seed,
            device=device,
            progress=progress,
            resume=self.options.resume,
            arithmetic=self.options.arithmetic,
        )
        faces = TrainingFaces(data.train, spec, soft_labels=False)
        plan = BatchPlan(faces, spec, recipe.augmentation, config.face_sizes, config.batch_size, key=(self.seed, 3))
        sizes = tuple(size for size in EVALUATION_SIZES if size < recipe.input_size)
        validation = Validation(data.valid, spec, sizes, recipe.validation.max_faces, device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model = RestoringClassifier(RestorationNetwork(spec.channels), load_network(classifier)).to(device)
            best = train_restoration(model, plan, validation, config, run)
        tensors = {name: value.detach().cpu().contiguous() for name, value in best.restoration.state_dict().items()}
        with atomic_path(self._restoration_file) as temporary:
            save_file(tensors, temporary, metadata={"description": json.dumps(description)})

    def _load_restoration(self, dataset_ids: tuple[str, ...]) -> nn.Module:
        path = self._restoration_file
        classifier = self.bundle(Part.FULL_SIZE)
        try:
            with safe_open(path, framework="pt") as file:
                description: Mapping[str, Any] = json.loads((file.metadata() or {})["description"])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
            restoration = RestorationNetwork(classifier.manifest.preprocess.channels)
            restoration.load_state_dict(tensors)
        except (OSError, SafetensorError, KeyError, RuntimeError) as problem:
            raise BundleError(
                f"{path} cannot be read", found=str(problem), fix="remove it and train again"
            ) from problem
        _check_data(Part.RESTORATION, tuple(description["data"]), dataset_ids)
        self._check_seed(Part.RESTORATION, int(description["seed"]))
        weights = classifier.manifest.artifacts[ArtifactKind.WEIGHTS.value].sha256
        if description["classifier"] != weights:
            raise BundleError(
                f"{path} was trained for another classifier",
                expected=f"weights {weights[:12]}",
                found=f"weights {description['classifier'][:12]}",
                fix="remove it and train again",
            )
        return RestoringClassifier(restoration, load_network(classifier)).eval()


def _check_data(part: Part, found: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    if found != wanted:
        raise UsageError(
            f"the stored {part.value} was trained on other faces",
            expected=", ".join(wanted),
            found=", ".join(found),
            fix="give another --store",
        )
