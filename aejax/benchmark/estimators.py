"""Estimators as contenders: how many held-out digits a classifier gets right from features, fold by fold."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from aejax.estimators.features import AutoencoderFeatures

NUM_TRIED = 599  # Images that settings were tried on: the defaults of estimators were chosen by them, and by no others.
NUM_FOLDS, MOST_REPEATS = 5, 20


def digits() -> tuple[np.ndarray, np.ndarray]:
    """The rows and the labels of scikit-learn's digits, without those that settings were tried on."""
    X, y = load_digits(return_X_y=True)
    _, rows, _, labels = train_test_split(X, y, train_size=NUM_TRIED, stratify=y, random_state=0)
    return rows, labels


class _FoldRunner:
    """One fold after another: it fits a pipeline to all others, and scores this one."""

    def __init__(self, features: BaseEstimator, *, standardized: bool):
        self._rows, self._labels = digits()
        self._features, self._scaler = features, [StandardScaler()] if standardized else []
        splits = RepeatedStratifiedKFold(n_splits=NUM_FOLDS, n_repeats=MOST_REPEATS, random_state=0)
        self._folds = list(splits.split(self._rows, self._labels))
        self._next, self._facts = -1, {}  # type: int, dict[str, Any]

    def run(self) -> float:
        """Fits and scores once; the first time, which nobody reads, is of the fold of the second."""
        index = max(self._next, 0) % len(self._folds)
        train, test = self._folds[index]
        if "random_state" in self._features.get_params():
            self._features.set_params(random_state=index)
        model = make_pipeline(self._features, *self._scaler, LogisticRegression(max_iter=5000))
        model.fit(self._rows[train], self._labels[train])
        right = 100 * model.score(self._rows[test], self._labels[test])
        self._next += 1
        self._facts = {"value": right, "test_share": len(test) / len(train)}
        return 1

    def facts(self) -> dict[str, Any]:
        """Returns how many were right, in per cent, and how many test images there are for each training image."""
        return dict(self._facts)


def make_runner(what: str, *, standardized: bool = False, **parameters: Any) -> _FoldRunner:
    """Returns a runner of features and a logistic regression: "autoencoder", "pca" of the same size, or "pixels".

    `parameters` are the autoencoder's; PCA has as many components as that has features, at most all.
    """
    num_pixels = digits()[0].shape[1]
    autoencoder = AutoencoderFeatures(**parameters)
    config = autoencoder._make_config((1, num_pixels, 1), are_images=False)
    features: dict[str, BaseEstimator] = {
        "autoencoder": autoencoder,
        "pca": PCA(min(config.autoencoder.latent_size, num_pixels)),
        "pixels": FunctionTransformer(),
    }
    return _FoldRunner(features[what], standardized=standardized)
