"""Sparse codes: active units and their purity, and how much of a classifier's loss reconstructions keep."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from aejax.cache import memory_bytes
from aejax.measures.base import LABELS, NUMBERS, VALIDATION, Measure, MemberAndData, Metric
from aejax.measures.probe import too_large


def _describe(member: MemberAndData) -> dict[str, Any]:
    from aejax.evaluation.sparsity import sparsity_metrics

    representation = member.representation
    return sparsity_metrics(representation.encode, representation.reconstruct, member.data, representation.at_once)


def _recover(member: MemberAndData) -> dict[str, Any]:
    from aejax.evaluation.sparsity import loss_recovered_metrics

    representation, evaluation = member.representation, member.evaluation
    if representation.reconstruct is None:
        return {}
    return loss_recovered_metrics(
        representation.reconstruct,
        member.data.with_labels(),
        representation.at_once,
        evaluation.probe.strengths,
        zero=evaluation.loss_recovered.ablation == "zero",
    )


def _too_many_numbers(config: Any, dataset: Any, others: Mapping[str, Any]) -> Iterator[str]:
    num_pixels = math.prod(dataset.train.image.shape[1:])
    needed, memory = 12 * num_pixels * len(dataset.train.labelled), memory_bytes()
    if needed > memory:
        yield (
            f"evaluation.measures has 'loss_recovered', whose classifier of the images of {dataset.name} takes about "
            f"{needed / 1e9:.3g} GB, and this machine has {memory / 1e9:.3g} GB of memory; leave it out, or use fewer "
            "images (data.train_size)"
        )
    yield from too_large(config, dataset, others)


SPARSITY = Measure(
    name="sparsity",
    metrics=(
        Metric("l0", "active units (L0)", "", False),
        Metric("dead_share", "units never active", "%", False),
        Metric("unexplained_variance", "variance unexplained", "%", False),
        Metric("active_purity", "purity of active units", "%", True),
        Metric("chance_purity", "purity by chance", "%", False),
    ),
    needs=(NUMBERS,),
    note="'Active units' is the mean number of units that are not 0 for an image; 'never active' are those that are 0 "
    "for all images of the split. 'Purity' is the share of the most frequent class among the images for which a unit "
    "is active, and 'by chance' the same with labels dealt out at random.",
    images=_describe,
)
LOSS_RECOVERED = Measure(
    name="loss_recovered",
    metrics=(Metric("loss_recovered", "loss recovered", "%", True),),
    needs=(LABELS, VALIDATION),
    note="'Loss recovered' is of a linear classifier of the original images or vectors, which is given their "
    "reconstructions: 100 % if its loss stays as it is, 0 % if it is that of one input for all.",
    images=_recover,
    misfits=_too_many_numbers,
)
