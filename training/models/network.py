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
        generator = self.config.generator
        sized_generator = generator.kind is GeneratorKind.RESIDUAL or generator.bypass_full_size
        return self.config.backbone.size_conditioned or (self.generator is not None and sized_generator)

    def forward(self, faces: Tensor, face_size_px: Tensor | None = None) -> Tensor:
        """Classify faces.

        Args:
            faces: uint8 (N, C, H, W), as :func:`fsrfer.core.preprocess` makes them.
            face_size_px: float32 (N,), native size of each face in pixels; may be None where it is not needed.

        Returns:
            Logits, float32 (N, classes).
        """
        pixels, mirrored = self.normalize(faces), self.config.mirrored and not self.training
        if mirrored:
            # One pass over twice the batch, not two: the graph keeps its size, and quantisation one set of ranges.
            pixels = torch.cat([pixels, pixels.flip(3)])
            face_size_px = None if face_size_px is None else torch.cat([face_size_px, face_size_px])
        features = self.backbone(pixels, self._relative(face_size_px))
        logits: Tensor = self.classifier(self.super_resolve(features, face_size_px))
        if not mirrored:
            return logits
        return logits.view(2, faces.shape[0], self.config.classes).mean(dim=0)

    def extract(self, faces: Tensor, face_size_px: Tensor | None = None) -> Tensor:
        """Return the backbone's feature map, float32 (N, C', h, w).

        Args:
            faces: uint8 (N, C, H, W).
            face_size_px: float32 (N,), native size of each face in pixels; may be None where it is not needed.
        """
        features: Tensor = self.backbone(self.normalize(faces), self._relative(face_size_px))
        return features

    def super_resolve(self, features: Tensor, face_size_px: Tensor | None) -> Tensor:
        """Return feature maps like those of full-size faces.

        Args:
            features: float32 (N, C', h, w).
            face_size_px: float32 (N,), native size of each face in pixels.
        """
        if self.generator is None:
            return features
        relative = self._relative(face_size_px)
        generated: Tensor = self.generator(features, relative)
        if not self.config.generator.bypass_full_size:
            return generated
        if relative is None:
            raise ValueError("this network needs the size of each face")
        # Chosen by arithmetic and not by a branch, so that one graph serves batches of mixed sizes.
        return torch.where((relative >= 1.0)[:, None, None, None], features, generated)

    def _relative(self, face_size_px: Tensor | None) -> Tensor | None:
        return None if face_size_px is None else face_size_px / float(self.config.input_size)


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


def round_to_half(network: ExpressionNetwork) -> None:
    """Round all weights and statistics to float16, in place, and keep them in float32.

    A bundle keeps float16: half the bytes for a relative error below 2^-11. What is evaluated has to be what is kept.

    Raises:
        BundleError: A weight is not finite in float16.
    """
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if not value.is_floating_point():
                continue
            value.copy_(value.half())
            if not torch.isfinite(value).all():
                raise BundleError(
                    f"{name} cannot be kept", expected="finite weights in half precision", found="an overflow"
                )


def store_network(bundle: ModelBundle, network: ExpressionNetwork) -> ModelBundle:
    """Write a network's weights into a bundle in half precision, as ``weights.safetensors``.

    Args:
        bundle: Where to.
        network: A network after :func:`round_to_half`, so that nothing is lost.
    """
    tensors = {name: _halved(value).contiguous() for name, value in network.state_dict().items()}

    def write(path: Path) -> None:
        save_file(tensors, path)

    return bundle.store(ArtifactKind.WEIGHTS, write)


def _halved(value: Tensor) -> Tensor:
    plain = value.detach().cpu()
    return plain.half() if plain.is_floating_point() else plain
