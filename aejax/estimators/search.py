"""A search over an estimator's parameters, whose settings and folds train as one population."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import joblib
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.utils.metaestimators import _safe_split

from aejax.estimators.together import Together

Splits = Sequence[tuple[Any, Any]]


class PopulationSearchCV(GridSearchCV):
    """GridSearchCV for estimators that train an autoencoder: settings x folds train together, as one population.

        PopulationSearchCV(AutoencoderFeatures(), {"learning_rate": [1e-3, 1e-2]}).fit(rows).best_params_

    Parameters, attributes and results are those of `sklearn.model_selection.GridSearchCV`: the same folds, seeds and
    scaling, so the same choice. The estimator may be one of aejax, or a pipeline with one of these in it. Settings
    whose differences are numbers that leave the networks' shapes alone (a learning rate, the strength of noise) are
    compiled once; others are a population for each shape.

    `n_jobs` is accepted and not used: a population has all cores, and its scores are computed one after another. The
    fit times in `cv_results_` hold each fit's share of `training_time_`.

    Attributes:
      training_time_: the seconds that training all settings on all folds took together.
    """

    def fit(self, X: Any, y: Any = None, **parameters: Any) -> "PopulationSearchCV":
        """Trains all settings on all folds, scores them, and fits the best one to everything."""
        with joblib.parallel_config(backend="sequential"):
            return super().fit(X, y, **parameters)

    def _run_search(self, evaluate_candidates: Callable[..., Any]) -> None:
        candidates, together = list(ParameterGrid(self.param_grid)), Together()

        def train(X: Any, y: Any, splits: Splits) -> None:
            with together.collecting():
                for parameters, (rows, _) in itertools.product(candidates, splits):
                    together.collect(lambda: self._fit_one(parameters, X, y, rows))  # noqa: B023
            self.training_time_ = together.seconds

        with together.active():
            evaluate_candidates(candidates, cv=_TrainedSplits(self._checked_cv_orig, train))

    def _fit_one(self, parameters: Any, X: Any, y: Any, rows: Any) -> None:
        """Fits the estimator with parameters to some rows, as scikit-learn does."""
        estimator = clone(self.estimator).set_params(**clone(parameters, safe=False))
        own, labels = _safe_split(estimator, X, y, rows)
        estimator.fit(own) if labels is None else estimator.fit(own, labels)

    def _format_results(self, candidate_params: Any, n_splits: int, out: Any, more_results: Any = None) -> Any:
        for fit in out:
            fit["fit_time"] += self.training_time_ / len(out)
        return super()._format_results(candidate_params, n_splits, out, more_results)


class _TrainedSplits:
    """The splits of a cross-validation, which are trained on before they are given."""

    def __init__(self, splitter: Any, train: Callable[[Any, Any, Splits], None]):
        self._splitter, self._train = splitter, train

    def split(self, X: Any, y: Any = None, **parameters: Any) -> Splits:
        """Returns the training and the test rows of each fold."""
        splits = list(self._splitter.split(X, y, **parameters))
        self._train(X, y, splits)
        return splits
