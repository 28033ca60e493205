"""PopulationSearchCV: the results of GridSearchCV over the same estimator, from one population."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import aejax
from aejax.estimators.together import Together

ROWS, LABELS = (array[:120] for array in load_digits(n_class=3, return_X_y=True))
SMALL = {"epochs": 2, "latent_size": 3, "random_state": 0, "fields": {"autoencoder.encoder.widths": (8,)}}
RATES, NOISE = [0.001, 0.01], "fields__autoencoder__corruption__rate"


def both(estimator, grid, X=ROWS, y=LABELS, **arguments):
    """Returns the results of both searches, and checks that they agree in all but times."""
    own, other = (
        search(clone(estimator), grid, **{"cv": 3} | arguments).fit(X, y)
        for search in (aejax.PopulationSearchCV, GridSearchCV)
    )
    assert own.cv_results_.keys() == other.cv_results_.keys()
    for name, values in other.cv_results_.items():
        if "_time" not in name:
            np.testing.assert_array_equal(own.cv_results_[name], values, err_msg=name)
    assert vars(own).keys() - vars(other).keys() == {"training_time_"}
    assert own.n_splits_ == other.n_splits_
    assert own.multimetric_ == other.multimetric_
    if own.refit:
        assert own.best_params_ == other.best_params_
        assert own.best_score_ == other.best_score_
        np.testing.assert_array_equal(own.predict(X) if y is not None else own.transform(X), refitted(other, X, y))
    return own


def refitted(search, X, y):
    return search.predict(X) if y is not None else search.transform(X)


def test_four_settings_in_three_folds_score_as_one_by_one():
    grid = {"learning_rate": RATES, NOISE: [0.1, 0.4]}
    search = both(aejax.AutoencoderFeatures(**SMALL), grid, y=None, return_train_score=True)
    assert len(set(search.cv_results_["mean_test_score"])) == 4
    assert search.training_time_ > 0
    assert np.all(search.cv_results_["mean_fit_time"] > search.training_time_ / 12)


def test_a_fit_finds_what_was_trained_for_it_and_no_other():
    together = Together()
    estimators = [aejax.AutoencoderFeatures(**SMALL | {"learning_rate": rate}) for rate in RATES]
    with together.collecting():
        for estimator in estimators:
            together.collect(lambda: estimator.fit(ROWS))  # noqa: B023
    trained = [model for seeds in together._trained.values() for model in seeds.values()]
    assert not hasattr(estimators[0], "model_")
    with together.active():
        for estimator, model in zip(estimators, trained, strict=True):
            assert estimator.fit(ROWS).model_ is model
            assert clone(estimator).fit(ROWS).model_ is model  # In a pipeline that differs after it.
        other = clone(estimators[0]).fit(ROWS[:100]).model_
    assert other not in trained


@pytest.mark.slow
def test_settings_of_other_networks_and_a_random_seed_are_searched_too():
    estimator = aejax.AutoencoderFeatures(**SMALL | {"random_state": None})
    search = aejax.PopulationSearchCV(estimator, {"latent_size": [2, 3], "learning_rate": RATES}, cv=2).fit(ROWS)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    both(aejax.AutoencoderFeatures(**SMALL), {"latent_size": [2, 3], "learning_rate": RATES}, y=None)


@pytest.mark.slow
@pytest.mark.parametrize("fine_tuning_epochs", [0, 3])
def test_classifiers_are_searched_by_their_accuracy(fine_tuning_epochs):
    classifier = aejax.AutoencoderClassifier(**SMALL, fine_tuning_epochs=fine_tuning_epochs)
    both(classifier, {"learning_rate": RATES}, scoring=["accuracy", "neg_log_loss"], refit="accuracy")


@pytest.mark.slow
def test_detectors_are_searched_with_images_and_scorings_of_ones_own():
    images = ROWS.reshape(-1, 8, 8).astype(np.uint8) * 15
    normal = np.where(LABELS == 0, -1, 1)
    detector = aejax.AutoencoderDetector(**SMALL | {"fields": None})
    both(detector, {"learning_rate": RATES}, images, normal, scoring="roc_auc", cv=ShuffleSplit(2, random_state=1))


@pytest.mark.slow
def test_autoencoders_in_pipelines_are_searched_with_what_lies_around_them():
    pipeline = make_pipeline(StandardScaler(), aejax.AutoencoderFeatures(**SMALL), LogisticRegression(max_iter=500))
    grid = {"autoencoderfeatures__learning_rate": RATES, "logisticregression__C": [0.1, 10.0]}
    both(pipeline, grid, n_jobs=2)


@pytest.mark.slow
def test_a_setting_that_cannot_be_trained_has_the_error_score():
    with pytest.warns(Warning, match="fits failed|non-finite"):
        search = both(aejax.AutoencoderFeatures(**SMALL), {"learning_rate": [0.01, -1.0]}, y=None, error_score=-7.0)
    assert search.cv_results_["mean_test_score"][1] == -7
    with pytest.raises(aejax.ConfigError, match="learning_rate"):
        aejax.PopulationSearchCV(
            aejax.AutoencoderFeatures(**SMALL), {"learning_rate": [-1.0]}, cv=2, error_score="raise"
        ).fit(ROWS)
