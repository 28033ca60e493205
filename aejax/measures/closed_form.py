"""Classifiers of features that moments solve without a search: ridge regression, Gaussian classes, class means."""

from typing import Any

from aejax.measures.base import LABELS, VALIDATION, Features, Measure, accuracy
from aejax.measures.linear import linear_in_blocks


def _solve(given: Features) -> dict[str, Any]:
    from aejax.evaluation.closed_form import CLOSED_FORMS, closed_form_accuracies

    assert given.num_classes is not None, "a classifier is of labels"
    names = [name for name in CLOSED_FORMS if name in given.wanted]
    features = {split: given.features[split] for split in given.target}  # Without those of corrupted images.
    strengths = given.evaluation.linear_strengths(names)
    return closed_form_accuracies(
        features, given.target, num_classes=given.num_classes, names=names, strengths=strengths
    )


RIDGE, GAUSSIAN, CLASS_MEAN = (
    Measure(
        name=name,
        metrics=(accuracy(f"{name}_accuracy", title),),
        needs=(LABELS, VALIDATION),
        features=_solve,
        blocks=linear_in_blocks if name == "ridge" else None,
        by_axes=by_axes,
    )
    for name, title, by_axes in (
        ("ridge", "ridge", True),
        ("gaussian", "Gaussian", True),
        ("class_mean", "class mean", False),
    )
)
