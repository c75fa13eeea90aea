"""Every form of a model against its FP32 graph, on real faces, by face size and by expression."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.bundle import ModelBundle
from ..core.errors import CheckFailedError, InputSpecError
from ..core.fidelity import Bounds, FidelityReport, compare_sizes
from ..core.options import Precision
from ..core.schema import to_mapping
from ..core.temperature import temperatures_for
from ..datasets import FaceDataset, Track, sized_batches, with_labels
from .forms import Classify, Form, forms_of
from .row_checks import RowCheck, check_rows

OnProgress = Callable[[int, int], None]
"""Told how many faces are done, and of how many."""

ROW_TOLERANCE = 1e-5
"""Largest difference of a logit between equal rows of one batch, or between a batch and its rows in another order: the
same kernels run on the same numbers, so nothing but a fault lets a row depend on its place."""

BATCH_TOLERANCE: Mapping[Precision, float] = {
    Precision.FP32: 1e-3,
    Precision.FP16: 0.05,
    Precision.BF16: 0.25,
    Precision.INT8: 0.25,
}
"""Largest difference of a logit between a face alone and in a batch of another size, for which other kernels may be
chosen. In INT8, a value between two levels may fall to either side when the sums before it are added in another
order."""

_BATCH = 64
_ROW_FACES = 16

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FormResult:
    """What became of one form.

    Attributes:
        name: Its name.
        precision: Its number format.
        fidelity: The comparison, of the FP32 graph with itself for the reference; None where the form did not run.
        rows: Whether rows of a batch depend on each other; None where it did not run.
        not_run: Why it did not run; empty where it did.
    """

    name: str
    precision: Precision
    fidelity: FidelityReport | None
    rows: RowCheck | None
    not_run: str = ""


@dataclass(frozen=True)
class Verification:
    """All forms of a bundle.

    Attributes:
        dataset_id: Identity of the faces.
        track: How small faces were made.
        faces: Number of faces.
        forms: One entry a form, the reference first.
    """

    dataset_id: str
    track: str
    faces: int
    forms: tuple[FormResult, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain values; numbers that are none become null, which JSON has."""
        described: dict[str, Any] = _without_nan(to_mapping(self))
        return described

    def problems(self, bounds: Mapping[Precision, Bounds]) -> list[str]:
        """Return what is beyond the bounds of its precision, one line a finding."""
        found = []
        for form in self.forms:
            if form.fidelity is None or form.rows is None:
                continue
            beyond = form.fidelity.violations(bounds[form.precision])
            found += [f"{form.name}: {problem} at {size} px" for size, problem in beyond]
            found += _row_problems(form.name, form.rows, BATCH_TOLERANCE[form.precision])
        return found

    def absent(self, required: Collection[str]) -> list[str]:
        """Return which of the required forms were not compared, and why, one line a form.

        Args:
            required: Names of forms; capitals do not matter.
        """
        reasons = {form.name.lower(): form.not_run for form in self.forms}
        why = {name: reasons.get(name.lower(), "the bundle has no such form") for name in required}
        return [f"{name}: required and not run, {reason}" for name, reason in why.items() if reason]

    def raise_if_beyond(self, bounds: Mapping[Precision, Bounds], required: Collection[str] = ()) -> None:
        """Raise where a form is too far from the reference, or was required and not compared.

        Args:
            bounds: How far a form may be, by its precision.
            required: Names of forms that must have been compared.

        Raises:
            CheckFailedError: Names the forms, the sizes and the respects.
        """
        problems = [*self.absent(required), *self.problems(bounds)]
        if problems:
            raise CheckFailedError(
                "the forms of this model do not decide alike, or one was not compared",
                expected="; ".join(f"{precision.value}: {bound}" for precision, bound in bounds.items()),
                found="; ".join(problems),
                fix="make that form again, or serve another one; verify on its device what cannot run here",
            )


def _row_problems(name: str, rows: RowCheck, batch_tolerance: float) -> list[str]:
    checks = (
        ("identical rows of a batch", rows.identical_rows, ROW_TOLERANCE),
        ("rows of a batch in another order", rows.permuted_rows, ROW_TOLERANCE),
        ("faces alone and in batches", rows.other_batch_sizes, batch_tolerance),
    )
    # Written as "not within", so that NaN fails.
    return [
        f"{name}: {what} differ by {difference:.3g} of a logit, more than {tolerance:g}"
        for what, difference, tolerance in checks
        if not difference <= tolerance
    ]


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def verify(
    bundle: ModelBundle,
    dataset: FaceDataset,
    sizes: Sequence[int],
    *,
    track: Track = Track.CLEAN,
    threads: int | None = None,
    on_progress: OnProgress | None = None,
) -> Verification:
    """Run every form of a bundle that can run here on the same faces.

    Args:
        bundle: A bundle with its fused graph.
        dataset: Labelled faces.
        sizes: Native face sizes in pixels, all different.
        track: How small faces are made.
        threads: Threads for ONNX Runtime; None for one a physical core.
        on_progress: Who listens.

    Raises:
        BundleError: There is no FP32 graph, or a file was altered.
        InputSpecError: The reference gives numbers that are none, or there is no size.
    """
    faces = with_labels(dataset, bundle.manifest.labels)
    forms = forms_of(bundle, threads=threads)
    with ExitStack() as opened:
        running = {form.name: opened.enter_context(form.open()) for form in forms if form.open is not None}
        logits, native = _run(running, faces, bundle, sizes, track, on_progress)
        some = _faces_of_all_sizes(faces, bundle, sizes, track)
        rows = {form.name: check_rows(running[form.name], *some, form.batches) for form in forms if form.open}

    reference = forms[0].name
    temperatures = {size: temperatures_for(native[size], bundle.manifest.temperatures) for size in sizes}

    def result_of(form: Form) -> FormResult:
        if form.name not in running:
            return FormResult(form.name, form.precision, None, None, form.reason)
        fidelity = compare_sizes(
            (reference, form.name),
            faces.dataset_id,
            faces.label_indices,
            faces.labels,
            logits[reference],
            logits[form.name],
            temperatures,
        )
        return FormResult(form.name, form.precision, fidelity, rows[form.name])

    return Verification(faces.dataset_id, track.protocol, len(faces), tuple(result_of(form) for form in forms))


def _run(
    running: Mapping[str, Classify],
    faces: FaceDataset,
    bundle: ModelBundle,
    sizes: Sequence[int],
    track: Track,
    on_progress: OnProgress | None,
) -> tuple[dict[str, dict[int, Float32Array]], dict[int, Float32Array]]:
    """Return logits by form and size, and native sizes of the faces by size."""
    if not sizes:
        raise InputSpecError("there is nothing to compare", expected="one or more face sizes", found="none")
    logits: dict[str, dict[int, list[Float32Array]]] = {name: {size: [] for size in sizes} for name in running}
    native: dict[int, list[Float32Array]] = {size: [] for size in sizes}
    reference = next(iter(running))
    for batch in sized_batches(faces, bundle.manifest.preprocess, sizes, track, _BATCH):
        native[batch.face_size_px].append(batch.native_px)
        for name, classify in running.items():
            found = classify(batch.faces, batch.native_px).copy()  # a runner may use its buffer again
            if name == reference and not np.isfinite(found).all():
                raise InputSpecError("the FP32 graph gives numbers that are none", fix="train again")
            logits[name][batch.face_size_px].append(found)
        if on_progress is not None:
            on_progress(batch.done, len(faces))
    joined = {name: {size: np.concatenate(parts) for size, parts in rows.items()} for name, rows in logits.items()}
    return joined, {size: np.concatenate(parts) for size, parts in native.items()}


def _faces_of_all_sizes(
    faces: FaceDataset, bundle: ModelBundle, sizes: Sequence[int], track: Track
) -> tuple[npt.NDArray[np.uint8], Float32Array]:
    """Return the first faces, each size in turn."""
    count = min(_ROW_FACES, len(faces))
    first = {size: next(sized_batches(faces, bundle.manifest.preprocess, [size], track, count)) for size in sizes}
    chosen = [(first[sizes[index % len(sizes)]], index) for index in range(count)]
    return (
        np.stack([batch.faces[index] for batch, index in chosen]),
        np.array([batch.native_px[index] for batch, index in chosen], np.float32),
    )
