"""The whole network, and its way into a bundle and back."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...core.bundle import ArtifactKind, ModelBundle
from ...core.errors import BundleError
from ...core.schema import from_mapping
from .architecture import GeneratorKind, NetworkConfig
from .backbone import Backbone, Normalize
from .classifier import Classifier
from .generator import build_generator


class ExpressionNetwork(nn.Module):
    """Normalisation, backbone, generator, classifier.

    Args:
        config: Its architecture.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.normalize = Normalize()
        self.backbone = Backbone(config.backbone, config.input_channels)
        self.generator = build_generator(config.generator, config.feature_channels)
        self.classifier = Classifier(config.classifier, config.feature_channels, config.classes)

    @property
    def needs_face_size(self) -> bool:
        """Whether the result depends on the native size of a face."""
        return self.generator is not None and (
            self.config.generator.kind is GeneratorKind.RESIDUAL or self.config.generator.bypass_full_size
        )

    def forward(self, faces: Tensor, face_size_px: Tensor | None = None) -> Tensor:
        """Classify faces.

        Args:
            faces: uint8 (N, C, H, W), as :func:`fsrfer.core.preprocess` makes them.
            face_size_px: float32 (N,), native size of each face in pixels; may be None where it is not needed.

        Returns:
            Logits, float32 (N, classes).
        """
        logits: Tensor = self.classifier(self.super_resolve(self.extract(faces), face_size_px))
        return logits

    def extract(self, faces: Tensor) -> Tensor:
        """Return the backbone's feature map, float32 (N, C', h, w), of uint8 faces (N, C, H, W)."""
        features: Tensor = self.backbone(self.normalize(faces))
        return features

    def super_resolve(self, features: Tensor, face_size_px: Tensor | None) -> Tensor:
        """Return feature maps like those of full-size faces.

        Args:
            features: float32 (N, C', h, w).
            face_size_px: float32 (N,), native size of each face in pixels.
        """
        if self.generator is None:
            return features
        relative = None if face_size_px is None else face_size_px / float(self.config.input_size)
        generated: Tensor = self.generator(features, relative)
        if not self.config.generator.bypass_full_size:
            return generated
        if relative is None:
            raise ValueError("this network needs the size of each face")
        # Chosen by arithmetic and not by a branch, so that one graph serves batches of mixed sizes.
        return torch.where((relative >= 1.0)[:, None, None, None], features, generated)


def load_network(bundle: ModelBundle) -> ExpressionNetwork:
    """Rebuild the network of a bundle with its weights, in evaluation mode on the CPU.

    Raises:
        BundleError: The architecture is malformed, or the weights do not fit it.
    """
    manifest = bundle.manifest
    config = from_mapping(
        NetworkConfig, manifest.architecture, where=f"architecture of {bundle.path}", error=BundleError
    )
    network = ExpressionNetwork(config)
    path = bundle.artifact_path(ArtifactKind.WEIGHTS)
    try:
        network.load_state_dict(load_file(path))
    except RuntimeError as problem:
        raise BundleError(f"{path} does not fit the architecture", found=str(problem), fix="train again") from problem
    return network.eval()


def store_network(bundle: ModelBundle, network: ExpressionNetwork) -> ModelBundle:
    """Write a network's weights into a bundle, as ``weights.safetensors``."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}

    def write(path: Path) -> None:
        save_file(tensors, path)

    return bundle.store(ArtifactKind.WEIGHTS, write)
