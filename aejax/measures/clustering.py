"""Whether classes are clusters: those of features by k-means and mixtures, on the host, or the model's own."""

from collections.abc import Iterator, Mapping
from typing import Any

from aejax.measures.base import CLUSTERS, LABELS, VALIDATION, Features, Measure, MemberAndData, Metric, labelled

_AGREEMENT = (("accuracy", "ACC"), ("nmi", "NMI"), ("ari", "ARI"))


def _cluster(given: Features) -> dict[str, float]:
    from aejax.evaluation.clustering import cluster_metrics

    assert given.num_classes is not None, "clusters are as many as classes"
    return cluster_metrics(
        {split: given.features[split] for split in given.target},
        given.target,
        num_classes=given.num_classes,
        num_components=given.evaluation.clustering.num_components,
        whiten=given.evaluation.clustering.whiten,
        normalize=given.evaluation.clustering.normalize,
    )


def _too_few(config: Any, dataset: Any, others: Mapping[str, Any]) -> Iterator[str]:
    for path, data in labelled(dataset, others):
        num_labelled = len(data.train.labelled)
        if data.num_classes > num_labelled:
            yield (
                f"evaluation.measures has 'clustering', and the {num_labelled} training images of {data.name} ({path})"
                f"{' with a label' if data.num_labelled else ''} cannot be as many clusters as there are classes, "
                f"{data.num_classes}; leave it out"
            )


CLUSTERING = Measure(
    name="clustering",
    metrics=tuple(
        Metric(f"{method}_{name}", f"{title} {unit}", "%", True)
        for method, title in (("kmeans", "k-means"), ("gmm", "mixture"))
        for name, unit in _AGREEMENT
    ),
    needs=(LABELS, VALIDATION),
    host=_cluster,
    misfits=_too_few,
    by_axes=True,
)


def _assign(member: MemberAndData) -> dict[str, Any]:
    from aejax.evaluation.assignment import assignment_metrics

    clusters = member.representation.clusters
    return {} if clusters is None else assignment_metrics(clusters, member.data, member.representation.at_once)


def _without_labels(config: Any, dataset: Any, others: Mapping[str, Any]) -> Iterator[str]:
    del others
    yield from LABELS.misfits("assignment", config, dataset)


ASSIGNMENT = Measure(
    name="assignment",
    metrics=tuple(Metric(f"assignment_{name}", f"own clusters {unit}", "%", True) for name, unit in _AGREEMENT),
    needs=(CLUSTERS,),
    images=_assign,
    misfits=_without_labels,
)
