"""Baseline B2 on disk: the trained image super-resolution, tied to the classifier that it was trained for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ...core.bundle import ArtifactKind, ModelBundle
from ...core.errors import BundleError
from ...core.files import atomic_path, sha256_of_bytes
from ...core.schema import from_mapping, to_mapping
from ...datasets.degradation import EVALUATION_SIZES
from ..batches import BatchPlan, TrainingFaces
from ..bundling import preprocess_spec
from ..fit import FitOptions
from ..models.network import load_network
from ..progress import Progress, Silence
from ..run import TrainingRun
from ..splits import TrainingData
from ..validation import Validation
from .parts import Part, plan_of
from .restoration_training import RestorationConfig, train_restoration
from .restoring import RestorationNetwork, RestoringClassifier


@dataclass(frozen=True)
class RestorationOrigin:
    """What a restoration was made of.

    Attributes:
        dataset_ids: Identities of train, valid and test split.
        classifier: SHA-256 of the weights of the frozen classifier.
        seed: Seed of the training.
        epochs: Its length.
        arithmetic: Number format of the convolutions.
    """

    dataset_ids: tuple[str, ...]
    classifier: str
    seed: int
    epochs: int
    arithmetic: str


@dataclass(frozen=True)
class RestorationFile:
    """A trained restoration network.

    Attributes:
        folder: Where its weights are, and its checkpoints while it is trained.
    """

    folder: Path

    @property
    def path(self) -> Path:
        """The file; there once the training has ended."""
        return self.folder / "restoration.safetensors"

    def train(
        self,
        classifier: ModelBundle,
        data: TrainingData,
        config: RestorationConfig,
        *,
        seed: int,
        options: FitOptions,
        progress: Progress | None = None,
    ) -> None:
        """Train a restoration for a classifier of full-size faces; go on where an earlier attempt was interrupted.

        Args:
            classifier: Stays as it is.
            data: The splits.
            config: Settings.
            seed: Seed of everything random.
            options: Circumstances.
            progress: Who listens.
        """
        weights = _weights_of(classifier)
        origin = RestorationOrigin(data.dataset_ids, weights, seed, config.epochs, options.arithmetic.value)
        run = TrainingRun(
            folder=self.folder / "checkpoints",
            fingerprint=sha256_of_bytes(json.dumps(to_mapping(origin), sort_keys=True).encode()),
            seed=seed,
            device=torch.device(options.device),
            progress=progress or Silence(),
            resume=options.resume,
            arithmetic=options.arithmetic,
        )
        best = _trained(classifier, data, config, run)
        tensors = {name: value.detach().cpu().contiguous() for name, value in best.restoration.state_dict().items()}
        with atomic_path(self.path) as temporary:
            save_file(tensors, temporary, metadata={"origin": json.dumps(to_mapping(origin))})

    def load(self, classifier: ModelBundle) -> tuple[RestoringClassifier, RestorationOrigin]:
        """Load the restoration together with its classifier, in evaluation mode on the CPU.

        Raises:
            BundleError: It was not trained, is damaged, or was trained for another classifier.
        """
        try:
            with safe_open(self.path, framework="pt") as file:
                described = json.loads((file.metadata() or {})["origin"])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
            restoration = RestorationNetwork(classifier.manifest.preprocess.channels)
            restoration.load_state_dict(tensors)
        except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as problem:
            raise BundleError(
                f"{self.path} cannot be read", found=str(problem), fix="remove it and train again"
            ) from problem
        origin = from_mapping(RestorationOrigin, described, where=f"origin of {self.path}", error=BundleError)
        weights = _weights_of(classifier)
        if origin.classifier != weights:
            raise BundleError(
                f"{self.path} was trained for another classifier",
                expected=f"weights {weights[:12]}",
                found=f"weights {origin.classifier[:12]}",
                fix="remove it and train again",
            )
        return RestoringClassifier(restoration, load_network(classifier)).eval(), origin


def _weights_of(bundle: ModelBundle) -> str:
    return bundle.manifest.artifacts[ArtifactKind.WEIGHTS.value].sha256


def _trained(
    classifier: ModelBundle, data: TrainingData, config: RestorationConfig, run: TrainingRun
) -> RestoringClassifier:
    recipe = plan_of(Part.FULL_SIZE).recipe
    spec = preprocess_spec(recipe)
    faces = TrainingFaces(data.train, spec, soft_labels=False)
    plan = BatchPlan(faces, spec, recipe.augmentation, config.face_sizes, config.batch_size, key=(run.seed, 3))
    # It is judged where it works: full-size faces are never restored.
    sizes = tuple(size for size in EVALUATION_SIZES if size < recipe.input_size)
    validation = Validation(data.valid, spec, sizes, recipe.validation.max_faces, run.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        model = RestoringClassifier(RestorationNetwork(spec.channels), load_network(classifier)).to(run.device)
        return train_restoration(model, plan, validation, config, run)
