"""The model card: what a model is, how well it reads faces of each size, and what it must not be used for."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.bundle import BundleManifest
from ..datasets.evaluation import EvaluationReport, SizeReport, Track

_TEMPLATE = """# {name}

Reads one of {count} expressions from the crop of a face, also of a small one: {labels}.

## Accuracy by face size

Test split of `{test_id}`. A face of size s was shrunk to s x s pixels by anti-aliased bicubic interpolation; one that
is smaller in the data set was taken as it is. Intervals are 95 %.

{table}

## Input

A square crop around a face, {channels} channel(s), brought to {width}x{height} pixels by `fsrfer.core.preprocess`.
Boxes of a detector are widened by {margin:.0%} of their longer side on each side.

## Training

Recipe `{recipe}`, seed {seed}, on `{train_id}`; epochs were chosen on `{valid_id}`. The whole recipe and the
versions of all packages are in `bundle.json`.

The licence of the training data binds the use of the weights as well: most public sets of faces allow research only.
Ask the owner of the data before any other use.

## What it is not for

An expression is what a face shows, not what a person feels; the two are often different. The model knows only the
expressions above and always names one of them; below a size that depends on the use, its answer means little: read
the table, and use the option to abstain.

It must not be used to judge single people, their character, health, honesty or fitness for anything. In the European
Union, systems that infer emotions at work or in education are prohibited but for medical or safety reasons (Regulation
(EU) 2024/1689, Article 5(1)(f)); elsewhere such systems are high-risk (Annex III) and people have to be told (Article
50(3)). This is no legal advice.
"""


def model_card(manifest: BundleManifest, tracks: Mapping[Track, EvaluationReport]) -> str:
    """Return the model card, as Markdown.

    Args:
        manifest: Description of the model; its provenance names train, valid and test split in this order.
        tracks: The final evaluation on the test split, clean and realistic.
    """
    report = tracks[Track.CLEAN]
    train_id, valid_id, test_id = manifest.provenance.dataset_ids
    return _TEMPLATE.format(
        name=manifest.name,
        count=len(manifest.labels),
        labels=", ".join(manifest.labels),
        table=_table(report),
        channels=manifest.preprocess.channels,
        width=manifest.preprocess.width,
        height=manifest.preprocess.height,
        margin=manifest.preprocess.crop_margin,
        recipe=manifest.recipe["name"],
        seed=manifest.provenance.seed,
        train_id=train_id,
        valid_id=valid_id,
        test_id=test_id,
    )


def _table(report: EvaluationReport) -> str:
    lines = [f"| {' | '.join(SizeReport.HEADER[:4])} |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row.cells()[:4])} |" for row in report.sizes]
    return "\n".join(lines)
