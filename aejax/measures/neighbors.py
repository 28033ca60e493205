"""Classification by the nearest neighbors of a feature vector."""

from collections.abc import Iterator, Mapping
from typing import Any

from aejax.measures.base import LABELS, VALIDATION, Features, Measure, accuracy, balanced_accuracy, labelled


def _vote(given: Features) -> dict[str, Any]:
    from aejax.evaluation.neighbors import neighbors_accuracy

    assert given.num_classes is not None, "a vote is of labels"
    return neighbors_accuracy(
        given.features,
        given.target,
        num_classes=given.num_classes,
        num_neighbors=given.evaluation.neighbors.num_neighbors,
        temperature=given.evaluation.neighbors.temperature if WEIGHTED_NEIGHBORS.name in given.wanted else None,
        balanced=given.unbalanced,
    )


def _vote_by_components(given: Features) -> dict[str, Any]:
    from aejax.evaluation.neighbors import neighbors_accuracy
    from aejax.evaluation.pca import whiten

    assert given.num_classes is not None, "a vote is of labels"
    splits = {split: given.features[split] for split in ("train", "validation", "test")}
    metrics = neighbors_accuracy(
        whiten(splits, given.evaluation.neighbors.num_components),
        given.target,
        num_classes=given.num_classes,
        num_neighbors=given.evaluation.neighbors.num_neighbors,
        balanced=given.unbalanced,
    )
    return {name.replace("_knn_", "_component_knn_"): value for name, value in metrics.items()}


def _too_few(config: Any, dataset: Any, others: Mapping[str, Any]) -> Iterator[str]:
    num_neighbors = config.evaluation.neighbors.num_neighbors
    for path, data in labelled(dataset, others):
        num_labelled = len(data.train.labelled)
        if num_neighbors > num_labelled:
            with_labels = " with a label" if data.num_labelled else ""
            yield (
                f"evaluation.neighbors.num_neighbors={num_neighbors} is more than the {num_labelled} training images"
                f"{with_labels} of {data.name} ({path}); make it smaller, or name other evaluation.measures"
            )


NEIGHBORS = Measure(
    name="neighbors",
    metrics=(accuracy("knn_accuracy", "k-NN"), balanced_accuracy("knn_balanced_accuracy", "k-NN")),
    needs=(LABELS, VALIDATION),
    by_default=True,
    features=_vote,
    misfits=_too_few,
    by_pairs=True,
)
WEIGHTED_NEIGHBORS = Measure(
    name="weighted_neighbors",
    metrics=(
        accuracy("weighted_knn_accuracy", "weighted k-NN"),
        balanced_accuracy("weighted_knn_balanced_accuracy", "weighted k-NN"),
    ),
    needs=(LABELS, VALIDATION),
    features=_vote,
    misfits=_too_few,
    by_pairs=True,
)
COMPONENT_NEIGHBORS = Measure(
    name="component_neighbors",
    metrics=(
        accuracy("component_knn_accuracy", "k-NN of components"),
        balanced_accuracy("component_knn_balanced_accuracy", "k-NN of components"),
    ),
    needs=(LABELS, VALIDATION),
    features=_vote_by_components,
    misfits=_too_few,
    by_axes=True,
    by_pairs=True,
)
