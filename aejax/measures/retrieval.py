"""Whether the images nearest to an image, by their features, are of its class."""

from typing import Any

from aejax.measures.base import LABELS, VALIDATION, Features, Measure, Metric


def _retrieve(given: Features) -> dict[str, Any]:
    from aejax.evaluation.retrieval import retrieval_precision

    return retrieval_precision(given.features, given.target)


RETRIEVAL = Measure(
    name="retrieval",
    metrics=(Metric("retrieval_map", "retrieval mAP", "%", True),),
    needs=(LABELS, VALIDATION),
    features=_retrieve,
    by_pairs=True,
)
