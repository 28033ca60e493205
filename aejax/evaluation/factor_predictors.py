"""Scores of disentanglement that rest on a predictor of ground-truth factors (numpy, scikit-learn, on the host).

Of each there are two functions: one fits the predictor to training examples, the other scores it on further ones. Codes
are floats [n, d], factors integers of at least 0, [n, K]; at least two, each of which takes at least two values, all of
them among training examples. Else a `DataError` is raised.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import entr

from aejax.evaluation.information import ROUNDING, ratio, require_varying

BATCH_SIZE = 64  # Examples, or pairs of them, that share a factor (Locatello et al., 2019, appendix C).
NUM_FITTED = 10_000  # Batches that a predictor is fitted to,
NUM_SCORED = 5_000  # and those that score it (the same).
ACTIVE_RANGE = 1 / 20  # Of the largest range of a unit: one with less is not active (Hsu et al., 2023, its code).
NUM_TREES = 20
MIN_EXAMPLES = 20  # In a leaf: with fewer, trees learn noise by heart, and give units importance for it.


def active_units(code: np.ndarray) -> np.ndarray:
    """Returns which units' ranges are more than `ACTIVE_RANGE` of the largest, bool [d]; none of a constant code.

    Unlike a bound on variance this says something of codes on any scale, with a prior or without.
    """
    span = code.max(axis=0) - code.min(axis=0)
    return span > ACTIVE_RANGE * span.max()


def fit_beta_vae_score(code: np.ndarray, factor: np.ndarray, seed: int = 0) -> Any:
    """Returns a linear classifier that tells from differences of codes which factor pairs share (`beta_vae_score`)."""
    require_varying(factor)
    shared, difference = _differences(code, factor, NUM_FITTED, np.random.default_rng(seed))
    return _linear_classifier().fit(difference, shared)


def beta_vae_score(classifier: Any, code: np.ndarray, factor: np.ndarray, seed: int = 0) -> float:
    """Returns how often it is told which factor pairs of examples share, in [0, 1]; 1/K is chance.

    What is classified is the mean of |z − z'| over `BATCH_SIZE` pairs, each of which shares the value of one factor.
    Pairs are drawn among the examples, so that what else they share is up to these. A unit of noise costs nothing, and
    a rotated code little.

    Source: Higgins et al., "beta-VAE: Learning basic visual concepts with a constrained variational framework", 2017,
    section 3.

    Args:
      classifier: of `fit_beta_vae_score`.
      code: [n, d].
      factor: [n, K].
      seed: of the pairs.
    """
    require_varying(factor)
    shared, difference = _differences(code, factor, NUM_SCORED, np.random.default_rng(seed))
    return float(np.mean(classifier.predict(difference) == shared))


class Votes(NamedTuple):
    """The predictor of the FactorVAE score."""

    deviation: np.ndarray  # Of each unit over training examples; 1 where there is none. [d]
    active: np.ndarray  # bool [d]
    factor: np.ndarray  # Which one each unit stands for, int [d].


def fit_factor_vae_score(code: np.ndarray, factor: np.ndarray, seed: int = 0) -> Votes:
    """Returns which factor most training batches shared when a unit varied the least (`factor_vae_score`)."""
    require_varying(factor)
    active, deviation = active_units(code), code.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    shared, unit = _least_varying(code / deviation[None], active, factor, NUM_FITTED, np.random.default_rng(seed))
    count = np.zeros((factor.shape[1], code.shape[1]), np.int64)
    np.add.at(count, (shared, unit), 1)
    return Votes(deviation, active, count.argmax(axis=0))


def factor_vae_score(votes: Votes, code: np.ndarray, factor: np.ndarray, seed: int = 0) -> float:
    """Returns how often the unit that varies the least tells which factor a batch shares, in [0, 1]; 1/K is chance.

    A batch are `BATCH_SIZE` examples that share the value of one factor; variances are relative to those over training
    examples, and of units that are active there.

    Source: Kim and Mnih, "Disentangling by factorising", 2018, section 4.

    Args:
      votes: of `fit_factor_vae_score`.
      code: [n, d].
      factor: [n, K].
      seed: of the batches.
    """
    require_varying(factor)
    scaled = code / votes.deviation[None]
    shared, unit = _least_varying(scaled, votes.active, factor, NUM_SCORED, np.random.default_rng(seed))
    return float(np.mean(votes.factor[unit] == shared))


class DCI(NamedTuple):
    """What the importances of units in predicting factors say, each in [0, 1]."""

    disentanglement: float  # Whether a unit matters for one factor only.
    completeness: float  # Whether one unit only matters for a factor.
    informativeness: float  # The accuracy of the predictions.


def fit_forests(code: np.ndarray, factor: np.ndarray, seed: int = 0) -> list[Any]:
    """Returns for each factor a forest of extremely randomized trees that predicts it from the code (`dci`).

    As in Eastwood and Williams, who take random forests, a split chooses among all units: of a random few, some would
    be of importance for want of a better one. With thresholds at random, too (Geurts, Ernst and Wehenkel, "Extremely
    randomized trees", 2006), they take a fraction of the time and give less importance to noise. Locatello et al. boost
    trees.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    require_varying(factor)
    return [
        ExtraTreesClassifier(
            NUM_TREES, min_samples_leaf=MIN_EXAMPLES, max_features=None, n_jobs=1, random_state=seed
        ).fit(code, value)
        for value in factor.T
    ]


def dci(forests: Sequence[Any], code: np.ndarray, factor: np.ndarray) -> DCI:
    """Returns disentanglement, completeness and informativeness; only the last depends on the examples given.

    With R[d, K] the units' importances (their decrease of Gini impurity, of sum 1 for each factor): disentanglement is
    1 − the entropy, to base K, of a unit's shares over factors, weighted by the sums of units; completeness the mean
    over factors of 1 − the entropy, to base d, of a factor's shares over units. Of a code without any importance both
    are 0.

    Source: Eastwood and Williams, "A framework for the quantitative evaluation of disentangled representations", 2018,
    section 2. There informativeness is an error of regression.

    Args:
      forests: of `fit_forests`.
      code: [n, d].
      factor: [n, K].
    """
    require_varying(factor)
    importance = np.stack([_importance(forest) for forest in forests], axis=1)
    num_units, num_factors = importance.shape
    of_unit, of_factor = (importance.sum(axis=axis, keepdims=True) for axis in (1, 0))
    by_unit = 1 - entr(ratio(importance, of_unit)).sum(axis=1) / np.log(num_factors)
    # One unit has no entropy, to whatever base.
    by_factor = 1 - entr(ratio(importance, of_factor)).sum(axis=0) / np.log(max(num_units, 2))
    accuracy = [np.mean(forest.predict(code) == value) for forest, value in zip(forests, factor.T, strict=True)]
    return DCI(
        float(np.sum(by_unit * ratio(of_unit[:, 0], of_unit.sum()))),
        float(np.mean(by_factor * (of_factor[0] > 0))),
        float(np.mean(accuracy)),
    )


def fit_thresholds(code: np.ndarray, factor: np.ndarray, seed: int = 0) -> list[list[Any]]:
    """Returns for each factor and unit a tree that predicts the one from the other alone (`separated_attributes`).

    It has as many leaves as the factor values, so one threshold fewer, and weighs values alike.
    """
    from sklearn.tree import DecisionTreeClassifier

    require_varying(factor)
    return [
        [
            DecisionTreeClassifier(
                max_leaf_nodes=len(np.unique(value)), class_weight="balanced", random_state=seed
            ).fit(unit[:, None], value)
            for unit in code.T
        ]
        for value in factor.T
    ]


def separated_attributes(trees: Sequence[Sequence[Any]], code: np.ndarray, factor: np.ndarray) -> float:
    """Returns the SAP score: how much better the best unit predicts a factor than the second best, mean over factors.

    What is compared is the mean accuracy over a factor's values, of thresholds on a single unit. Even useless units
    predict one of V values at chance, 1/V, so that of codes that are the factors the score is not 1 but the mean of
    1 − 1/V. The second of a single unit is at chance.

    Source: Kumar, Sattigeri and Balakrishnan, "Variational inference of disentangled latent concepts from unlabeled
    observations", 2018, section 3.

    Args:
      trees: of `fit_thresholds`.
      code: [n, d].
      factor: [n, K].
    """
    require_varying(factor)
    gaps = []
    for of_factor, value in zip(trees, factor.T, strict=True):
        accuracy = [
            _balanced_accuracy(value, tree.predict(unit[:, None])) for tree, unit in zip(of_factor, code.T, strict=True)
        ]
        chance = [1 / len(of_factor[0].classes_)] if len(accuracy) == 1 else []
        second, first = sorted(accuracy + chance)[-2:]
        gaps.append(first - second)
    return float(np.mean(gaps))


def fit_linear_classifiers(code: np.ndarray, factor: np.ndarray) -> list[Any]:
    """Returns for each factor a multinomial logistic regression on the code (`explicitness`, InfoE)."""
    require_varying(factor)
    return [_linear_classifier().fit(code, value) for value in factor.T]


def explicitness(classifiers: Sequence[Any], code: np.ndarray, factor: np.ndarray) -> float:
    """Returns 2 · AUC − 1 of telling each value of a factor from the others, mean over values, then factors; 0: chance.

    Source: Ridgeway and Mozer, "Learning deep disentangled embeddings with the F-statistic loss", 2018, section 2. As
    in Locatello et al., 2019, one regression tells all values of a factor: one for each value could not tell a middle
    one even where the unit is the factor. Values that no example has do not count.

    Args:
      classifiers: of `fit_linear_classifiers`.
      code: [n, d].
      factor: [n, K].
    """
    from sklearn.metrics import roc_auc_score

    require_varying(factor)
    scores = []
    for classifier, value in zip(classifiers, factor.T, strict=True):
        probability = dict(zip(classifier.classes_, classifier.predict_proba(code).T, strict=True))
        scores.append(np.mean([2 * roc_auc_score(value == one, probability[one]) - 1 for one in np.unique(value)]))
    return float(np.mean(scores))


def cross_entropy(classifiers: Sequence[Any], code: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Returns the mean of −log p(factor | code) of linear classifiers, in nats, [K]."""
    means = []
    for classifier, value in zip(classifiers, factor.T, strict=True):
        column = np.searchsorted(classifier.classes_, value)
        probability = classifier.predict_proba(code)[np.arange(len(value)), column]
        means.append(-np.mean(np.log(np.maximum(probability, np.finfo(np.float64).tiny))))
    return np.array(means)


def _importance(forest: Any) -> np.ndarray:
    """Returns the share of each unit in what a forest's splits make purer, [d]; 0 if that is nothing but rounding.

    The forest's own importances would not be numbers then, or noise made large.
    """
    trees = [tree.tree_.compute_feature_importances(normalize=False) for tree in forest.estimators_]
    decrease = np.mean(trees, axis=0)
    return ratio(np.where(decrease > ROUNDING, decrease, 0.0), decrease.sum())


def _linear_classifier() -> Any:
    """Returns a logistic regression with hardly any penalty, which does not depend on the units' scales."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=1000.0, max_iter=10_000))


def _differences(
    code: np.ndarray, factor: np.ndarray, num: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Returns of so many batches which factor its pairs share, [num], and the mean of |z − z'|, [num, d]."""
    shared = generator.integers(factor.shape[1], size=num)
    first = generator.integers(len(code), size=(num, BATCH_SIZE))
    second = np.empty_like(first)
    for index, value in enumerate(factor.T):
        chosen = first[shared == index]
        second[shared == index] = _with_same_value(value, chosen.reshape(-1), 1, generator).reshape(chosen.shape)
    # One pair of each batch at a time: all at once would take much memory.
    total = np.zeros((num, code.shape[1]))
    for left, right in zip(first.T, second.T, strict=True):
        total += np.abs(code[left] - code[right])
    return shared, total / BATCH_SIZE


def _least_varying(
    scaled: np.ndarray, active: np.ndarray, factor: np.ndarray, num: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Returns of so many batches which factor it shares, and which active unit varies the least, [num] each."""
    shared = generator.integers(factor.shape[1], size=num)
    first = generator.integers(len(scaled), size=num)
    batch = np.empty((num, BATCH_SIZE), np.int64)
    for index, value in enumerate(factor.T):
        batch[shared == index] = _with_same_value(value, first[shared == index], BATCH_SIZE, generator)
    total, squares = np.zeros((2, num, scaled.shape[1]))
    for member in batch.T:
        # From one of them: a unit that is the same in all has a variance of 0, without rounding.
        difference = scaled[member] - scaled[first]
        total += difference
        squares += difference**2
    variance = squares / BATCH_SIZE - (total / BATCH_SIZE) ** 2
    return shared, np.where(active[None], variance, np.inf).argmin(axis=1)


def _with_same_value(value: np.ndarray, example: np.ndarray, num: int, generator: np.random.Generator) -> np.ndarray:
    """Returns for examples [batch] the indices of `num` random ones each with the same value, [batch, num]."""
    order = np.argsort(value, kind="stable")
    start, end = (np.searchsorted(value[order], value[example], side=side)[:, None] for side in ("left", "right"))
    return order[generator.integers(start, end, size=(len(example), num))]


def _balanced_accuracy(label: np.ndarray, predicted: np.ndarray) -> float:
    """Returns the accuracy of each label, mean over those that occur."""
    number = np.bincount(label)
    return float(np.mean(np.bincount(label, label == predicted)[number > 0] / number[number > 0]))
