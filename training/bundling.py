"""From a trained network to its bundle: confidence, final evaluation, model card."""

from __future__ import annotations

from pathlib import Path

from ..core.bundle import ArtifactKind, BundleManifest, GraphSpec, ModelBundle
from ..core.files import write_text
from ..core.preprocess import PreprocessSpec
from ..core.provenance import Provenance
from ..core.schema import to_mapping
from ..datasets.confidence import abstention_rows, fit_temperature_bands
from ..datasets.evaluation import evaluate_by_size
from ..datasets.tracks import Track
from .evaluation import classify_with
from .model_card import model_card
from .models.cost import count_cost
from .models.network import ExpressionNetwork, store_network
from .recipe import TrainRecipe
from .splits import TrainingData


def write_bundle(
    recipe: TrainRecipe, data: TrainingData, output: Path, provenance: Provenance, network: ExpressionNetwork
) -> ModelBundle:
    """Evaluate a trained network and write its bundle: confidence calibrated on the validation split, metrics on test.

    Args:
        recipe: What it was trained by.
        data: Its splits.
        output: Folder of the bundle.
        provenance: Where it comes from.
        network: On the CPU, rounded as it is kept.
    """
    spec = preprocess_spec(recipe)
    classify = classify_with(network)
    sizes = recipe.validation.face_sizes
    valid = {track: evaluate_by_size(classify, data.valid, spec, sizes, track=track) for track in Track}
    truth = data.valid.label_indices
    bands = fit_temperature_bands(list(valid.values()), truth)
    tracks = {
        track: evaluate_by_size(classify, data.test, spec, sizes, temperatures=bands, track=track) for track in Track
    }
    abstention = abstention_rows(valid[Track.CLEAN], tracks[Track.CLEAN], bands)
    manifest = BundleManifest(
        name=f"fsrfer-{recipe.name}",
        labels=tuple(data.train.labels),
        preprocess=spec,
        graph=GraphSpec(face_size_input="face_size" if network.needs_face_size else None),
        architecture=to_mapping(network.config),
        recipe=to_mapping(recipe),
        provenance=provenance,
        temperatures=bands,
        metrics={
            "valid": valid[Track.CLEAN].calibrated(bands, truth).to_json(),
            "valid_realistic": valid[Track.REALISTIC].calibrated(bands, truth).to_json(),
            "test": tracks[Track.CLEAN].to_json(),
            "test_realistic": tracks[Track.REALISTIC].to_json(),
            "abstention": [to_mapping(row) for row in abstention],
            "cost": to_mapping(count_cost(network)),
        },
    )
    text = model_card(manifest, tracks, abstention)
    bundle = store_network(ModelBundle.create(output, manifest), network)
    return bundle.store(ArtifactKind.MODEL_CARD, lambda path: write_text(path, text))


def preprocess_spec(recipe: TrainRecipe) -> PreprocessSpec:
    """Return the preprocessing of the models that a recipe trains."""
    return PreprocessSpec(
        height=recipe.input_size, width=recipe.input_size, color=recipe.color, crop_margin=recipe.crop_margin
    )
