"""From a feature map to an embedding and logits."""

from __future__ import annotations

from torch import Tensor, nn

from .architecture import ClassifierConfig


class Classifier(nn.Module):
    """Average pooling, a fully connected embedding, logits."""

    def __init__(self, config: ClassifierConfig, feature_channels: int, classes: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(feature_channels, config.embedding), nn.ReLU(inplace=True))
        self.dropout = nn.Dropout(config.dropout)
        self.predict = nn.Linear(config.embedding, classes)

    def embedding(self, features: Tensor) -> Tensor:
        """Return the embedding phi, float32 (N, embedding), of a feature map (N, channels, h, w)."""
        result: Tensor = self.embed(features.mean(dim=(2, 3)))
        return result

    def logits_of(self, embedding: Tensor) -> Tensor:
        """Return logits, float32 (N, classes), of an embedding (N, embedding)."""
        result: Tensor = self.predict(self.dropout(embedding))
        return result

    def forward(self, features: Tensor) -> Tensor:
        """Return logits, float32 (N, classes), of a feature map (N, channels, h, w)."""
        return self.logits_of(self.embedding(features))
