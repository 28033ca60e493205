"""Detectors of outliers that are fitted to features of one kind of images (scikit-learn, on the host).

They are the shallow baselines of Ruff et al., "Deep one-class classification", 2018, section 4, with what can be set
without a label: the one-class SVM's kernel has scikit-learn's width, where the paper takes the best on test images.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from aejax.measures.config import DetectorsConfig

_FOLDS = 5  # Of training images, each left out once to choose the bandwidth.
_TREE_SIZE = 256  # Images that each tree is grown from (Liu, Ting and Zhou, "Isolation forest", 2008).


def detector_metrics(features: Mapping[str, np.ndarray], config: DetectorsConfig) -> dict[str, float]:
    """Returns how well each detector's scores tell outliers from validation and test images of the own data.

    `<split>_detector_<kind>_auroc` and `_aupr` in [0, 1], outliers being the positives, for the splits validation and
    test that have images of both; NaN if a feature is not finite. Detectors are given principal components of the
    features of training images, divided by the root of their mean variance.

    Args:
      features: "train", "validation", "test", and of outliers "validation_outliers", "test_outliers": [n, d].
      config: which detectors, and how they are fitted.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score
    from threadpoolctl import threadpool_limits

    metrics: dict[str, float] = {}
    splits = [split for split in ("validation", "test") if split in features and f"{split}_outliers" in features]
    finite = all(np.isfinite(x).all() for x in features.values())
    # Each sum on one thread: over several it would depend on which of them ends first.
    with threadpool_limits(1):
        x = _components(features, config.variance) if finite else {}
        for kind in config.kinds:
            detector = fit(kind, x["train"], config) if finite else None
            for split in splits:
                values = (np.nan, np.nan)
                if detector is not None:
                    own, other = (strangeness(detector, x[name]) for name in (split, f"{split}_outliers"))
                    is_outlier, score = np.repeat([0, 1], [len(own), len(other)]), np.concatenate([own, other])
                    values = roc_auc_score(is_outlier, score), average_precision_score(is_outlier, score)
                for area, value in zip(("auroc", "aupr"), values, strict=True):
                    metrics[f"{split}_detector_{kind}_{area}"] = float(value)
    return metrics


def fit(kind: str, x: np.ndarray, config: DetectorsConfig) -> Any:
    """Returns a detector of scikit-learn, fitted to components [n, d] of training images."""
    from sklearn.ensemble import IsolationForest
    from sklearn.model_selection import GridSearchCV, KFold
    from sklearn.neighbors import KernelDensity
    from sklearn.svm import OneClassSVM

    if kind == "forest":
        size = min(_TREE_SIZE, len(x))
        return IsolationForest(n_estimators=config.num_trees, max_samples=size, random_state=0).fit(x)
    some = x[: config.num_images]
    if kind == "svm":
        return OneClassSVM(kernel="rbf", gamma="scale", nu=config.nu).fit(some)
    folds = KFold(min(_FOLDS, len(some)), shuffle=True, random_state=0)
    search = GridSearchCV(KernelDensity(), {"bandwidth": list(config.bandwidths)}, cv=folds)
    return search.fit(some).best_estimator_


def strangeness(detector: Any, x: np.ndarray) -> np.ndarray:
    """Returns the score of components [n, d], [n]: the higher, the less like those that the detector was fitted to."""
    return -np.asarray(detector.score_samples(x))


def _components(features: Mapping[str, np.ndarray], share: float) -> dict[str, np.ndarray]:
    """Returns the leading principal components that keep a share of the training features' variance, by name.

    They are divided by the root of their mean variance. Signs are those of scikit-learn, which a forest's cuts see.
    """
    from sklearn.decomposition import PCA

    x = {name: np.asarray(value, np.float64) for name, value in features.items()}
    num, size = x["train"].shape
    if not np.ptp(x["train"], axis=0).any():  # They have no axes.
        return {name: value - x["train"][0] for name, value in x.items()}
    # Of fewer images than features no covariance: it would be the larger matrix.
    solver = "covariance_eigh" if num >= size else "full"
    reduction = PCA(share if share < 1 else None, svd_solver=solver).fit(x["train"])
    scale = np.sqrt(np.mean(reduction.explained_variance_) * (num - 1) / num)
    return {name: reduction.transform(value) / scale for name, value in x.items()}
