"""From a trained network to its bundle: confidence, final evaluation, model card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.bundle import ArtifactKind, BundleManifest, GraphSpec, ModelBundle, TemperatureBand
from ..core.errors import UsageError
from ..core.files import write_text
from ..core.model_card import model_card
from ..core.preprocess import PreprocessSpec
from ..core.provenance import Provenance
from ..core.schema import to_mapping
from ..datasets import FaceDataset
from ..datasets.bundle_metrics import SMALLER_SIZES, bundle_metrics
from ..datasets.confidence import fit_temperature_bands
from ..datasets.evaluation import EvaluationReport, evaluate_by_size
from ..datasets.tracks import Track
from .evaluation import classify_with
from .models.cost import count_cost
from .models.network import ExpressionNetwork, load_network, store_network
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
    valid = _evaluated(network, data.valid, spec, recipe.validation.face_sizes)
    bands = fit_temperature_bands(list(valid.values()), data.valid.label_indices)
    manifest = BundleManifest(
        name=f"fsrfer-{recipe.name}",
        labels=tuple(data.train.labels),
        preprocess=spec,
        graph=GraphSpec(face_size_input="face_size" if network.needs_face_size else None),
        architecture=to_mapping(network.config),
        recipe=to_mapping(recipe),
        provenance=provenance,
        temperatures=bands,
        metrics=_metrics(network, data, spec, valid, bands),
    )
    bundle = store_network(ModelBundle.create(output, manifest), network)
    return _with_card(bundle)


def judge_again(bundle: ModelBundle, data: TrainingData) -> ModelBundle:
    """Evaluate a bundle anew, and write its metrics and model card; weights, temperatures and graphs stay.

    Args:
        bundle: A trained model.
        data: The splits that it was trained with.

    Returns:
        The bundle as it is afterwards.

    Raises:
        UsageError: The splits are others.
        BundleError: Its weights are not there or damaged.
    """
    manifest = bundle.manifest
    if data.dataset_ids != manifest.provenance.dataset_ids:
        raise UsageError(
            f"{bundle.path} was trained on other faces",
            expected=", ".join(manifest.provenance.dataset_ids),
            found=", ".join(data.dataset_ids),
            fix="give the data set that it was trained on",
        )
    network = load_network(bundle)
    sizes = [row["face_size_px"] for row in manifest.metrics["test"]["sizes"]]
    valid = _evaluated(network, data.valid, manifest.preprocess, sizes)
    measured = _metrics(network, data, manifest.preprocess, valid, manifest.temperatures)
    return _with_card(bundle.record(metrics={**manifest.metrics, **measured}))


def preprocess_spec(recipe: TrainRecipe) -> PreprocessSpec:
    """Return the preprocessing of the models that a recipe trains."""
    return PreprocessSpec(
        height=recipe.input_size, width=recipe.input_size, color=recipe.color, crop_margin=recipe.crop_margin
    )


def _evaluated(
    network: ExpressionNetwork, faces: FaceDataset, spec: PreprocessSpec, sizes: Sequence[int]
) -> dict[Track, EvaluationReport]:
    classify = classify_with(network)
    return {track: evaluate_by_size(classify, faces, spec, sizes, track=track) for track in Track}


def _metrics(
    network: ExpressionNetwork,
    data: TrainingData,
    spec: PreprocessSpec,
    valid: dict[Track, EvaluationReport],
    bands: Sequence[TemperatureBand],
) -> dict[str, Any]:
    sizes = [row.face_size_px for row in valid[Track.CLEAN].sizes]
    smaller = [size for size in SMALLER_SIZES if size < min(sizes)]
    test = _evaluated(network, data.test, spec, [*sizes, *smaller])
    measured = bundle_metrics(valid, test, bands, data.valid.label_indices, data.test.label_indices)
    return {**measured, "cost": to_mapping(count_cost(network))}


def _with_card(bundle: ModelBundle) -> ModelBundle:
    text = model_card(bundle.manifest)
    return bundle.store(ArtifactKind.MODEL_CARD, lambda path: write_text(path, text))
