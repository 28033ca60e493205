"""Whether classes are clusters of the features: k-means and mixtures that see no label (scikit-learn, on the host)."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

MIN_DEVIATION = 1e-4  # Of a component, relative to the largest: less is rounding, which whitening would blow up.
NUM_RUNS = {"kmeans": 10, "gmm": 3}  # From different starts; the one of least inertia or most likelihood is kept.


def cluster_metrics(
    features: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    *,
    num_classes: int,
    num_components: int = 36,
    whiten: bool = False,
    normalize: bool = False,
) -> dict[str, float]:
    """Returns how well clusters agree with classes, by method ("kmeans", "gmm"), split and measure.

    Clusters, as many as classes, are fitted to the training images; those of validation and test are assigned to them.
    `<split>_<method>_accuracy` is `matched_accuracy`, `_nmi` the normalized mutual information (arithmetic mean of the
    entropies), `_ari` the adjusted Rand index. All are NaN if the features are not finite.

    Args:
      features: "train", "validation", "test": [n, d].
      labels: of the same keys, integers [n]; those of the training images are not read.
      num_classes: labels lie in [0, num_classes).
      num_components: principal components of wider features that are clustered: more change little and take long.
      whiten: whether the components are first made to have unit variance, however many features there are.
      normalize: whether each example's components are then scaled to the same length: only their direction counts.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
    from threadpoolctl import threadpool_limits

    measures: dict[str, Any] = {
        "accuracy": lambda label, cluster: matched_accuracy(label, cluster, num_classes),
        "nmi": normalized_mutual_info_score,
        "ari": adjusted_rand_score,
    }
    metrics: dict[str, float] = {}
    # Each sum on one thread: over several it would depend on which of them ends first.
    with threadpool_limits(1):
        assigned = _assign(_components(features, num_components, whiten, normalize), num_classes)
    for method in NUM_RUNS:
        for split in ("validation", "test"):
            cluster = assigned.get(method, {}).get(split)
            for name, measure in measures.items():
                value = np.nan if cluster is None else float(measure(np.asarray(labels[split]), cluster))
                metrics[f"{split}_{method}_{name}"] = value
    return metrics


def _assign(x: Mapping[str, np.ndarray] | None, num_clusters: int) -> dict[str, dict[str, np.ndarray]]:
    """Returns the clusters of validation and test images by method; none of nothing."""
    from sklearn.cluster import KMeans
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    if x is None:
        return {}

    def kmeans(run: int) -> tuple[float, Any]:
        model = KMeans(num_clusters, n_init=1, random_state=run).fit(x["train"])
        return -model.inertia_, model

    def gmm(run: int) -> tuple[float, Any]:
        # What is added to variances is relative to theirs, whose mean is 1.
        model = GaussianMixture(num_clusters, reg_covar=1e-4, random_state=run).fit(x["train"])
        return model.lower_bound_, model

    fits = {"kmeans": kmeans, "gmm": gmm}
    # Runs go side by side, each on one thread; the mixtures take longest and are begun first.
    with ThreadPoolExecutor(os.cpu_count(), initializer=threadpool_limits, initargs=(1,)) as pool:
        runs = {name: pool.map(fits[name], range(NUM_RUNS[name])) for name in ("gmm", "kmeans")}
        best = {name: max(runs[name], key=lambda run: run[0])[1] for name in NUM_RUNS}
    return {name: {split: model.predict(x[split]) for split in ("validation", "test")} for name, model in best.items()}


def _components(
    features: Mapping[str, np.ndarray], num_components: int, whiten: bool, normalize: bool
) -> dict[str, np.ndarray] | None:
    """The features to cluster, float32, with variance 1 in the mean over components, or in each.

    None if the features are not finite.
    """
    from sklearn.decomposition import PCA

    if not all(np.isfinite(x).all() for x in features.values()):
        return None
    x = {split: np.asarray(value, np.float64) for split, value in features.items()}
    num_examples, size = x["train"].shape
    if whiten or size > num_components:
        # Of fewer examples than features no covariance: it would be the larger matrix.
        solver = "covariance_eigh" if num_examples >= size else "full"
        reduction = PCA(min(num_examples, size, num_components), svd_solver=solver).fit(x["train"])
        x = {split: reduction.transform(value) for split, value in x.items()}
    deviation = x["train"].std(axis=0)
    if whiten:
        varies = deviation > MIN_DEVIATION * deviation.max()
        x, scale = {split: value[:, varies] for split, value in x.items()}, deviation[varies]
    else:
        scale = np.sqrt(np.mean(deviation**2)) or 1.0
    center = x["train"].mean(axis=0)
    x = {split: (value - center) / scale for split, value in x.items()}
    if normalize:
        x = {split: _to_length(value, np.sqrt(value.shape[1])) for split, value in x.items()}
    # With half the digits, clusters are found twice as fast.
    return {split: value.astype(np.float32) for split, value in x.items()}


def _to_length(x: np.ndarray, length: float) -> np.ndarray:
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return x * length / np.where(norm > 0, norm, 1.0)


def matched_accuracy(label: np.ndarray, cluster: np.ndarray, num_classes: int) -> float:
    """Returns the share of examples in the cluster of their class, under the best matching of clusters and classes.

    Source: Xie, Girshick and Farhadi, "Unsupervised deep embedding for clustering analysis", 2016, equation 10.
    """
    from scipy.optimize import linear_sum_assignment

    count = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(count, (label, cluster), 1)
    return float(count[linear_sum_assignment(count, maximize=True)].sum() / label.size)
