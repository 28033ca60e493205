"""Detectors of outliers are those of scikit-learn, called directly on the components that the docstrings state."""

import dataclasses

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neighbors import KernelDensity
from sklearn.svm import OneClassSVM

from aejax.data.load import DataConfig
from aejax.errors import ConfigError
from aejax.evaluation.detectors import detector_metrics
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, check
from aejax.measures.config import DetectorsConfig

CONFIG = DetectorsConfig(num_images=60, num_trees=20, bandwidths=(0.3, 0.6))


def make(num=90, size=12, seed=0):
    """Features with variances from 1 down to almost nothing, and outliers that are spread otherwise."""
    generator = np.random.default_rng(seed)
    scale, turn = np.geomspace(1, 0.01, size), np.linalg.qr(generator.normal(size=(size, size)))[0]
    own = lambda count: (generator.normal(size=(count, size)) * scale @ turn + 3).astype(np.float32)  # noqa: E731
    other = lambda count: (generator.normal(size=(count, size)) * scale[::-1] @ turn + 3).astype(np.float32)  # noqa: E731
    return {
        "train": own(num),
        "validation": own(15),
        "test": own(25),
        "validation_outliers": other(10),
        "test_outliers": other(30),
    }


def direct(features, kind):
    """The scores of a detector of test images and of outliers, by scikit-learn alone."""
    reduction = PCA(CONFIG.variance, svd_solver="full").fit(features["train"].astype(np.float64))
    x = {name: reduction.transform(value) for name, value in features.items()}
    scale = np.sqrt(np.mean(x["train"].var(axis=0)))
    x = {name: value / scale for name, value in x.items()}
    if kind == "svm":
        model = OneClassSVM(gamma="scale", nu=0.1).fit(x["train"][:60])
    elif kind == "forest":
        model = IsolationForest(n_estimators=20, max_samples=len(x["train"]), random_state=0).fit(x["train"])
    else:
        folds = KFold(5, shuffle=True, random_state=0)
        some = x["train"][:60]
        of = {width: cross_val_score(KernelDensity(bandwidth=width), some, cv=folds).mean() for width in (0.3, 0.6)}
        model = KernelDensity(bandwidth=max(of, key=of.get)).fit(some)
    return -model.score_samples(x["test"]), -model.score_samples(x["test_outliers"])


@pytest.mark.parametrize("kind", CONFIG.kinds)
@pytest.mark.parametrize("num", [90, 10])  # With 10 there are fewer training images than features.
def test_detectors_are_those_of_scikit_learn(kind, num):
    features = make(num)
    own, other = direct(features, kind)
    label, score = np.repeat([0, 1], [25, 30]), np.concatenate([own, other])
    found = detector_metrics(features, dataclasses.replace(CONFIG, kinds=(kind,)))
    names = {f"{split}_detector_{kind}_{area}" for split in ("validation", "test") for area in ("auroc", "aupr")}
    assert set(found) == names
    assert found[f"test_detector_{kind}_auroc"] == pytest.approx(roc_auc_score(label, score), abs=1e-6)
    assert found[f"test_detector_{kind}_aupr"] == pytest.approx(average_precision_score(label, score), abs=1e-6)


def test_splits_without_outliers_have_no_metrics_and_nan_has_no_area():
    features = {name: value for name, value in make().items() if name != "validation_outliers"}
    assert all(name.startswith("test_") for name in detector_metrics(features, CONFIG))
    features["test"][0, 0] = np.nan
    assert np.isnan(list(detector_metrics(features, CONFIG).values())).all()


def test_features_that_are_all_the_same_are_no_error():
    same = {name: np.ones_like(value) for name, value in make().items()}
    found = detector_metrics(same, CONFIG)
    assert all(found[f"test_detector_{kind}_auroc"] == 0.5 for kind in CONFIG.kinds)


def test_without_outliers_they_are_refused():
    evaluation = EvaluationConfig(measures=("detectors",), baselines=())
    with pytest.raises(ConfigError, match="has 'detectors', and there are no outliers to tell; name them by"):
        check(Config(evaluation=evaluation))
    check(Config(evaluation=dataclasses.replace(evaluation, outliers=DataConfig(name="other"))))
