"""The linear probe where only a few images of each class have labels."""

from collections.abc import Iterator, Mapping
from typing import Any

from aejax.measures.base import LABELS, VALIDATION, Features, Measure, accuracy, labelled

_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # With a column; others are in results.csv.


def _probe(given: Features) -> dict[str, Any]:
    from aejax.evaluation.few_labels import few_labels_accuracies

    assert given.num_classes is not None, "a probe is of labels"
    return few_labels_accuracies(
        given.features,
        given.target,
        num_classes=given.num_classes,
        per_class=given.evaluation.few_labels.labels_per_class,
        num_draws=given.evaluation.few_labels.num_draws,
        strengths=given.evaluation.few_labels.strengths,
    )


def _too_few(config: Any, dataset: Any, others: Mapping[str, Any]) -> Iterator[str]:
    from aejax.data.subsets import too_few_labels

    for path, data in labelled(dataset, others):
        yield from too_few_labels(
            "evaluation.few_labels", max(config.evaluation.few_labels.labels_per_class), path, data
        )


FEW_LABELS = Measure(
    name="few_labels",
    metrics=tuple(accuracy(f"few_labels_{num}_accuracy", f"probe, {num} a class") for num in _COUNTS),
    needs=(LABELS, VALIDATION),
    note="'probe, m a class' has m labels of each class: the same draws for every method (10, where nothing else is "
    "said), averaged within a seed; its strength is chosen on m further images of each. Features of supervised and "
    "fine-tuned networks have seen all labels.",
    features=_probe,
    misfits=_too_few,
    by_axes=True,
)
