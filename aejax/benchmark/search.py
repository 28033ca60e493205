"""A search over settings x folds as a contender, beside one training of as many members, and scikit-learn's search."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, KFold, ParameterGrid

from aejax.api.in_memory import train
from aejax.estimators.features import AutoencoderFeatures
from aejax.estimators.search import PopulationSearchCV

_NOISE = "fields__autoencoder__corruption__rate"


class _SearchRunner:
    """A runner that does some work once, and keeps the facts that this returns."""

    def __init__(self, work: Callable[[], dict[str, Any]]):
        self._work = work
        self._facts: dict[str, Any] = {}

    def run(self) -> float:
        """Does it once."""
        self._facts = self._work()
        return 1

    def facts(self) -> dict[str, Any]:
        """Returns which setting it picked, of a search, and how good that was."""
        return self._facts


def make_runner(what: str, *, rates: int = 5, noises: int = 4, folds: int = 5, epochs: int | None = None) -> Any:
    """Returns a runner on scikit-learn's digits.

    Args:
      what: "population" (PopulationSearchCV), "grid" (GridSearchCV), or "members": one training of a member for each
        setting and fold, on the same rows, without scores and without a last fit to everything.
      rates: learning rates, each with each of the following.
      noises: strengths of the noise of a denoising autoencoder.
      folds: of the cross-validation.
      epochs: None: those of the estimator.
    """
    rows, _ = load_digits(return_X_y=True)
    estimator = AutoencoderFeatures(epochs=epochs, random_state=0)
    grid = {
        "learning_rate": np.geomspace(3e-4, 3e-2, rates).tolist(),
        _NOISE: np.linspace(0.1, 0.7, noises).tolist(),
    }
    splitter = KFold(folds)

    def search(cls: Any) -> dict[str, Any]:
        found = cls(estimator, grid, cv=splitter).fit(rows)
        return {"picked": repr(found.best_params_), "score": float(found.best_score_)}

    def members() -> dict[str, Any]:
        prepared = [estimator.set_params(**setting)._prepare(rows) for setting in ParameterGrid(grid)]
        pairs = list(itertools.product(prepared, (own for own, _ in splitter.split(rows))))
        train([one.config for one, _ in pairs], prepared[0].image, rows=[own for _, own in pairs])
        return {}

    works: dict[str, Callable[[], dict[str, Any]]] = {
        "population": lambda: search(PopulationSearchCV),
        "grid": lambda: search(GridSearchCV),
        "members": members,
    }
    return _SearchRunner(works[what])
