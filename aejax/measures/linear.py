"""Linear classifiers of features a block at a time: linear support-vector machines, and others of wide features."""

from typing import Any

from aejax.measures.base import LABELS, VALIDATION, EncodedImages, Measure, accuracy, balanced_accuracy


def linear_in_blocks(given: EncodedImages) -> dict[str, Any]:
    """The phase `blocks` of all measures of linear classifiers."""
    from aejax.evaluation.linear import accuracies_in_blocks

    assert given.data.num_classes is not None, "a classifier is of labels"
    return accuracies_in_blocks(
        given.representation,
        given.data,
        given.evaluation.linear_strengths(given.wanted),
        num_classes=given.data.num_classes,
        views=given.evaluation.views,
        doubled=given.evaluation.flip == "both",
        balanced=given.data.unbalanced,
    )


SVM = Measure(
    name="svm",
    metrics=(accuracy("svm_accuracy", "linear SVM"), balanced_accuracy("svm_balanced_accuracy", "linear SVM")),
    needs=(LABELS, VALIDATION),
    blocks=linear_in_blocks,
)
