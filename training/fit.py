"""A whole training run: both stages, the final evaluation, the bundle."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..core.bundle import ModelBundle
from ..core.errors import UsageError
from ..core.files import sha256_of_bytes
from ..core.options import Arithmetic
from ..core.preprocess import PreprocessSpec
from ..core.provenance import Provenance
from ..core.schema import to_mapping
from .batch_rows import rows_of_process
from .batches import BatchPlan, TrainingFaces
from .bundling import preprocess_spec, write_bundle
from .devices import available_device
from .distributed import ALONE, Processes, refuse_several_processes
from .extractor import train_extractor
from .face_variation import AugmentationConfig, FaceSizes
from .models.architecture import GeneratorConfig, GeneratorKind, NetworkConfig
from .models.network import ExpressionNetwork, round_to_half
from .origin import Origin, OriginRole, copy_extractor
from .progress import Progress, Silence, TensorBoardScalars
from .recipe import TrainRecipe
from .run import TrainingRun, derived_seed
from .splits import TrainingData
from .super_resolution import train_super_resolution
from .validation import Validation
from .whole_batch import see_whole_batches

CHECKPOINT_FOLDER = "checkpoints"
TENSORBOARD_FOLDER = "tensorboard"


@dataclass(frozen=True)
class FitOptions:
    """Circumstances of a run that do not change its result, but for the rounding of another device.

    Attributes:
        device: Where to compute: ``cpu``, ``cuda``, ``cuda:1``.
        checkpoint_seconds: Time between two checkpoints; there is also one after each epoch.
        resume: Go on from the last checkpoint where there is one.
        keep_checkpoints: Keep them after the run has ended.
        arithmetic: Number format of the convolutions; another one is another run, as another device is.
        pieces: In how many pieces each batch is taken, one after another, for less memory (gradient accumulation).
            Batch normalisation sees only one at a time, so another number is another run.
    """

    device: str = "cpu"
    checkpoint_seconds: float = 60.0
    resume: bool = True
    keep_checkpoints: bool = False
    arithmetic: Arithmetic = Arithmetic.FP32
    pieces: int = 1


def fit(
    recipe: TrainRecipe,
    data: TrainingData,
    output: Path,
    *,
    seed: int = 0,
    origin: Origin | None = None,
    options: FitOptions | None = None,
    progress: Progress | None = None,
    processes: Processes = ALONE,
) -> ModelBundle:
    """Train a model and write its bundle.

    A run that was interrupted, at any moment, goes on from its last checkpoint. On one machine and with as many threads
    it ends with the same weights as one that was not, to the last bit on a CPU; on CUDA up to the order in which the
    GPU adds. PyTorch's own random state is left as it was.

    Of processes that train together (:func:`~fsrfer.training.distributed.joined`) the first one calls this, and the
    others :func:`take_part` with the same recipe, data, seed, origin and options. The result is that of one process up
    to rounding, and a run may go on with another number of them.

    Args:
        recipe: What to train.
        data: What to train on.
        output: Folder of the bundle; checkpoints and TensorBoard scalars go into sub-folders.
        seed: Seed of everything random, 0 or more.
        origin: Trained weights to begin with; None to begin with random ones.
        options: Circumstances.
        progress: Who listens.
        processes: Who train together; the options name the device of this one.

    Returns:
        The bundle: weights, labels, preprocessing, provenance, metrics by face size, model card.

    Raises:
        CheckpointError: There is a checkpoint of another run in ``output``, or a damaged one.
        RecipeError: The network cannot be built, or its training diverged.
        BundleError: The origin does not fit the recipe or the data.
        UsageError: The seed is negative, the device has an unknown name, or a batch has too few faces to be divided.
        BackendUnavailableError: The device is not there.
        ProcessGroupError: The processes train different things, or lost each other.
    """
    options = options or FitOptions()
    run = _run_of(recipe, data, output, seed, origin, options, processes)
    if not options.resume:
        _remove(run.folder)
    with TensorBoardScalars(output / TENSORBOARD_FOLDER, progress or Silence()) as listeners:
        network = _train(recipe, data, replace(run, progress=listeners), origin)
    provenance = Provenance.now(
        seed=seed,
        dataset_ids=data.dataset_ids,
        parents=origin.parents if origin else None,
        arithmetic=options.arithmetic,
        processes=processes.count,
        pieces=options.pieces,
    )
    bundle = write_bundle(recipe, data, output, provenance, _as_kept(network))
    if not options.keep_checkpoints:
        _remove(run.folder)
    return bundle


def take_part(
    recipe: TrainRecipe,
    data: TrainingData,
    output: Path,
    *,
    processes: Processes,
    seed: int = 0,
    origin: Origin | None = None,
    options: FitOptions | None = None,
) -> None:
    """Train together with a process that runs :func:`fit`; this one writes nothing and tells nothing.

    Args:
        recipe: What to train.
        data: What to train on.
        output: As for the first process; not touched.
        processes: Who train together.
        seed: Seed of everything random.
        origin: Trained weights to begin with.
        options: Circumstances, with the device of this process.

    Raises:
        FsrferError: As :func:`fit`.
    """
    _train(recipe, data, _run_of(recipe, data, output, seed, origin, options or FitOptions(), processes), origin)


def _run_of(
    recipe: TrainRecipe,
    data: TrainingData,
    output: Path,
    seed: int,
    origin: Origin | None,
    options: FitOptions,
    processes: Processes,
) -> TrainingRun:
    if seed < 0:
        raise UsageError("the seed cannot be used", expected="0 or more", found=seed)
    if processes.count == 1:
        refuse_several_processes("a training that joined no others")
    device = available_device(options.device)
    if options.pieces < 1:
        raise UsageError("a batch cannot be taken so", expected="1 piece or more", found=options.pieces)
    second = [recipe.super_resolution.batch_size] if _has_second_stage(recipe) else []
    for size in (recipe.extractor.batch_size, *second):  # told before the faces are read
        rows_of_process(min(size, len(data.train)), options.pieces, processes.rank, processes.count)
    fingerprint = _fingerprint(recipe, data, seed, origin, options)
    processes.check_alike(
        "the training (recipe, data, seed or options)", fingerprint, fix="start the same command on every machine"
    )
    return TrainingRun(
        folder=output / CHECKPOINT_FOLDER,
        fingerprint=fingerprint,
        seed=seed,
        device=device,
        progress=Silence(),
        checkpoint_seconds=options.checkpoint_seconds,
        resume=options.resume,
        arithmetic=options.arithmetic,
        processes=processes,
        pieces=options.pieces,
    )


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _train(recipe: TrainRecipe, data: TrainingData, run: TrainingRun, origin: Origin | None) -> ExpressionNetwork:
    with torch.random.fork_rng(devices=[] if run.device.type == "cpu" else [run.device]):
        return _trained(recipe, data, run, origin)


def _trained(recipe: TrainRecipe, data: TrainingData, run: TrainingRun, origin: Origin | None) -> ExpressionNetwork:
    spec = preprocess_spec(recipe)
    faces = TrainingFaces(data.train, spec, soft_labels=recipe.extractor.soft_labels)
    first, second = recipe.extractor, recipe.super_resolution

    def plan(stage: int, sizes: FaceSizes, batch_size: int, augmentation: AugmentationConfig) -> BatchPlan:
        return BatchPlan(faces, spec, augmentation, sizes, batch_size, (run.seed, stage), recipe.degradation)

    torch.manual_seed(derived_seed(run.seed, "extractor weights"))
    teacher = _build(_extractor_config(recipe, len(data.train.labels)), run)
    if origin is not None:
        origin.copy_into(teacher, data.train.labels)
    if origin is None or origin.role is OriginRole.INITIAL:
        teacher = train_extractor(
            teacher,
            plan(1, first.face_sizes, first.batch_size, recipe.augmentation),
            _validation(recipe, data, spec, first.face_sizes, run),
            first,
            run,
        )
    if not _has_second_stage(recipe):
        return teacher
    torch.manual_seed(derived_seed(run.seed, "generator weights"))
    network = _build(_network_config(recipe, len(data.train.labels)), run)
    copy_extractor(teacher, network)
    return train_super_resolution(
        network,
        teacher,
        plan(2, second.face_sizes, second.batch_size, recipe.augmentation),
        _validation(recipe, data, spec, second.face_sizes, run),
        second,
        run,
    )


def _has_second_stage(recipe: TrainRecipe) -> bool:
    stage = recipe.super_resolution
    trains_something = recipe.generator.kind is not GeneratorKind.NONE or stage.train_extractor
    return trains_something and stage.epochs + stage.pretrain_epochs > 0


def _build(config: NetworkConfig, run: TrainingRun) -> ExpressionNetwork:
    # With the channels innermost, the convolutions of this network are a third faster on a CPU, and on a GPU they are
    # the order that tensor cores want. Shapes stay the same.
    network = ExpressionNetwork(config).to(run.device)
    see_whole_batches(network, run.processes, run.pieces)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # not in PyTorch's own annotations
    return network


def _as_kept(network: ExpressionNetwork) -> ExpressionNetwork:
    # The last digits of a result depend on rounding and layout: what is evaluated must be what a reader of the bundle
    # gets.
    network.cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    round_to_half(network)
    return network


def _validation(
    recipe: TrainRecipe, data: TrainingData, spec: PreprocessSpec, trained: FaceSizes, run: TrainingRun
) -> Validation:
    # A model that is trained at full size only is also judged there only.
    full_only = trained.full_fraction >= 1.0
    sizes = (recipe.input_size,) if full_only else recipe.validation.face_sizes
    return Validation(data.valid, spec, sizes, recipe.validation.max_faces, run.device, run.processes)


def _extractor_config(recipe: TrainRecipe, classes: int) -> NetworkConfig:
    # A teacher sees full-size faces only and has no use for their sizes; the one model of a recipe without stage 2 has.
    backbone = recipe.backbone
    if _has_second_stage(recipe) or recipe.extractor.face_sizes.full_fraction >= 1.0:
        backbone = replace(backbone, size_conditioned=False)
    without_generator = GeneratorConfig(kind=GeneratorKind.NONE)
    return replace(_network_config(recipe, classes), backbone=backbone, generator=without_generator)


def _network_config(recipe: TrainRecipe, classes: int) -> NetworkConfig:
    return NetworkConfig(
        input_channels=recipe.color.channels,
        input_size=recipe.input_size,
        classes=classes,
        backbone=recipe.backbone,
        generator=recipe.generator,
        classifier=recipe.classifier,
        mirrored=recipe.mirrored,
    )


def _fingerprint(recipe: TrainRecipe, data: TrainingData, seed: int, origin: Origin | None, options: FitOptions) -> str:
    described = {
        "recipe": to_mapping(recipe),
        "data": data.dataset_ids,
        "seed": seed,
        "parents": origin.parents if origin else {},
        "arithmetic": options.arithmetic.value,
    }
    if options.pieces > 1:  # not named otherwise: runs that began under an earlier version go on
        described["pieces"] = options.pieces
    return sha256_of_bytes(json.dumps(described, sort_keys=True).encode())
