"""Whether the units of a code stand for ground-truth factors, one for each (numpy, scikit-learn, on the host)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from aejax.errors import DataError
from aejax.evaluation import factor_predictors
from aejax.evaluation.information import (
    NUM_BINS,
    discretize,
    entropy,
    mutual_information,
    ratio,
    require_varying,
    varies,
)
from aejax.evaluation.likelihood import ACTIVE

MAX_TRAINING = 10_000  # Examples that predictors are fitted to (Locatello et al., 2019, appendix C).
METRICS = (
    "beta_vae_score",
    "factor_vae_score",
    "mig",
    "dci_disentanglement",
    "dci_completeness",
    "dci_informativeness",
    "sap",
    "modularity",
    "explicitness",
    "infom",
    "infoe",
    "infoc",
)


def disentanglement_metrics(
    code: Mapping[str, np.ndarray], factor: Mapping[str, np.ndarray], seed: int = 0
) -> dict[str, float]:
    """Returns how disentangled codes are, by split ("validation", "test") and `METRICS`: `<split>_<metric>`.

    What is fitted, is to training examples. Of empty splits there is nothing; all is NaN if codes are not finite.
    Factors that take one value in some split are left out, and so are examples with a value that no training example
    has. Scores are larger the better; 1 is the best but of SAP, and of codes that are the factors on a full grid it is
    reached, or missed for reasons that the functions behind them give. Chance is not 0 of all: it is 1/K of the scores
    of beta-VAE and FactorVAE, and where examples are few, noise has some modularity (`modularity`).

    Args:
      code: "train", "validation", "test": float [n, d]; an empty split may be missing.
      factor: of all of these keys, integers of at least 0, [n, K].
      seed: of pairs, batches and trees.

    Raises:
      DataError: if fewer than two factors vary in every split.
    """
    from threadpoolctl import threadpool_limits

    splits = [split for split in ("validation", "test") if len(code.get(split, ()))]
    if not all(np.isfinite(code[split]).all() for split in ("train", *splits)):
        return {f"{split}_{name}": np.nan for split in splits for name in METRICS}
    z, y = _comparable(code, factor, splits, seed)
    metrics: dict[str, float] = {}
    # Each sum on one thread: over several it would depend on which of them ends first.
    with threadpool_limits(1):
        train = z.pop("train"), y.pop("train")
        classifier = factor_predictors.fit_beta_vae_score(*train, seed)
        votes = factor_predictors.fit_factor_vae_score(*train, seed)
        forests = factor_predictors.fit_forests(*train, seed)
        trees = factor_predictors.fit_thresholds(*train, seed)
        linear = factor_predictors.fit_linear_classifiers(*train)
        for split in splits:
            examples = z[split], y[split]
            values = (
                factor_predictors.beta_vae_score(classifier, *examples, seed),
                factor_predictors.factor_vae_score(votes, *examples, seed),
                mutual_information_gap(*examples),
                *factor_predictors.dci(forests, *examples),
                factor_predictors.separated_attributes(trees, *examples),
                modularity(*examples),
                factor_predictors.explicitness(linear, *examples),
                *info_mec(factor_predictors.cross_entropy(linear, *examples), *examples),
            )
            metrics |= {f"{split}_{name}": value for name, value in zip(METRICS, values, strict=True)}
    return metrics


def mutual_information_gap(code: np.ndarray, factor: np.ndarray, num_bins: int = NUM_BINS) -> float:
    """Returns MIG: how much more the best unit says of a factor than the second best, in shares of its entropy, [0, 1].

    The mean over factors. A factor of more values than bins cannot be told in full: of codes that are the factors the
    score is the mean of the entropies of what bins leave of them, divided by their own.

    Source: Chen et al., "Isolating sources of disentanglement in variational autoencoders", 2018, equation 6.

    Args:
      code: [n, d].
      factor: [n, K].
      num_bins: of a unit.

    Raises:
      DataError: if fewer than two factors are given, or one is constant.
    """
    require_varying(factor)
    # With none beside it a single unit is compared to nothing said.
    information = np.pad(mutual_information(discretize(code, num_bins), factor), ((0, 1), (0, 0)))
    second, first = np.sort(information, axis=0)[-2:]
    return float(np.mean((first - second) / entropy(factor)))


def modularity(code: np.ndarray, factor: np.ndarray, num_bins: int = NUM_BINS) -> float:
    """Returns whether units say something of one factor only, mean over units, [0, 1]; 0 of those that say nothing.

    Of a unit with mutual information m[K], the largest of them M: 1 − (Σ m² − M²) / (M² (K − 1)). Few examples of units
    of noise seem to say something of factors, the more the more values these have (`mutual_information`), so that such
    units have a modularity where the numbers of values differ.

    Source: Ridgeway and Mozer, "Learning deep disentangled embeddings with the F-statistic loss", 2018, equation 2.

    Args:
      code: [n, d].
      factor: [n, K].
      num_bins: of a unit.

    Raises:
      DataError: if fewer than two factors are given, or one is constant.
    """
    require_varying(factor)
    squares = mutual_information(discretize(code, num_bins), factor) ** 2
    most = squares.max(axis=1)
    others = ratio(squares.sum(axis=1) - most, most * (factor.shape[1] - 1))
    return float(np.mean((1 - others) * (most > 0)))


class InfoMEC(NamedTuple):
    """What normalized mutual information and linear predictions say, each at most 1."""

    modularity: float  # Whether an active unit says something of one factor only, [0, 1].
    explicitness: float  # Which share of a factor's entropy linear classifiers save; below 0 if they mislead.
    compactness: float  # Whether one active unit only says something of a factor, [0, 1].


def info_mec(cross_entropy: np.ndarray, code: np.ndarray, factor: np.ndarray, num_bins: int = NUM_BINS) -> InfoMEC:
    """Returns InfoM, InfoE and InfoC.

    With N the mutual information of active units and factors, in shares of the factors' entropies: InfoM is the mean
    over units of max N / Σ N over factors, InfoC the mean over factors of the same over units, scaled so that equal
    shares are 0. InfoE is 1 − cross-entropy / entropy, mean over factors: what linear classifiers know more than the
    best guess without a code (predictive V-information). As regressions have a penalty, it stays a little below 1.

    Source: Hsu et al., "Disentanglement via latent quantization", 2023, section 4. There neighbors estimate the
    information of continuous units, which takes longer than bins, and regressions are scored where they were fitted.

    Args:
      cross_entropy: of `factor_predictors.cross_entropy` on these examples, [K].
      code: [n, d].
      factor: [n, K].
      num_bins: of a unit.

    Raises:
      DataError: if fewer than two factors are given, or one is constant.
    """
    require_varying(factor)
    active = code[:, factor_predictors.active_units(code)]
    entropies = entropy(factor)
    explicitness = float(np.mean(1 - cross_entropy / entropies))
    if not active.shape[1]:
        return InfoMEC(0.0, explicitness, 0.0)
    shares = mutual_information(discretize(active, num_bins), factor) / entropies[None]
    return InfoMEC(_concentration(shares), explicitness, _concentration(shares.T))


def unsupervised_ranking(codes: Sequence[np.ndarray]) -> np.ndarray:
    """Returns UDR: how well the units of each code match those of others one to one, [members] in [0, 1].

    It needs no factors: what other seeds or settings find too is taken for one. Of two codes, with R the sizes of the
    rank correlations (Spearman) of their informative units, it is the mean over the units of both of (max R)² / Σ R,
    where max and sum are over the units of the other; 0 if either has none. Of a code it is the median over all others.
    Informative are units whose codes vary by more than `ACTIVE`; in the source, those whose KL is above 0.01.

    Source: Duan et al., "Unsupervised model selection for variational disentangled representation learning", 2020,
    equation 2.

    Args:
      codes: of the members for the same examples, float [n, d] each; d may differ.

    Raises:
      DataError: if there are fewer than two.
    """
    if len(codes) < 2:
        raise DataError(f"a code is ranked by how others match it, and there are {len(codes)}: train more seeds")
    ranks = [_standard_ranks(code) for code in codes]
    score = np.zeros((len(codes), len(codes)))
    for left in range(len(codes)):
        for right in range(left):
            score[left, right] = score[right, left] = _matching(np.abs(ranks[left].T @ ranks[right]))
    return np.array([np.median(np.delete(row, index)) for index, row in enumerate(score)])


def num_comparable(factor: Mapping[str, np.ndarray]) -> int:
    """How many factors, [n, K] by split, `disentanglement_metrics` can compare codes with: two are needed."""
    splits = [split for split in ("validation", "test") if len(factor[split])]
    no_code = {split: np.zeros((len(value), 0)) for split, value in factor.items()}
    return _comparable(no_code, factor, splits, seed=0)[1]["train"].shape[1]


def _comparable(
    code: Mapping[str, np.ndarray], factor: Mapping[str, np.ndarray], splits: Sequence[str], seed: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Returns codes and factors that predictors can be fitted to and scored on."""
    z = {split: np.asarray(code[split], np.float64) for split in ("train", *splits)}
    y = {split: np.asarray(factor[split], np.int64) for split in ("train", *splits)}
    chosen = np.random.default_rng(seed).permutation(len(z["train"]))[:MAX_TRAINING]
    z["train"], y["train"] = z["train"][chosen], y["train"][chosen]
    for split in splits:
        in_training = np.all([np.isin(*pair) for pair in zip(y[split].T, y["train"].T, strict=True)], axis=0)
        z[split], y[split] = z[split][in_training], y[split][in_training]
    kept = np.all([varies(value) for value in y.values()], axis=0)
    return z, {split: value[:, kept] for split, value in y.items()}


def _concentration(shares: np.ndarray) -> float:
    """Returns how much of a row's sum is in one number, mean over rows: 1 all, 0 the same in each, or nothing."""
    least = 1 / shares.shape[1] if shares.shape[1] > 1 else 0.0
    largest = np.maximum(ratio(shares.max(axis=1), shares.sum(axis=1)), least)
    return float(np.mean((largest - least) / (1 - least)))


def _standard_ranks(code: np.ndarray) -> np.ndarray:
    """Returns the ranks of informative units, of mean 0 and length 1, [n, informative]."""
    from scipy.stats import rankdata

    code = np.asarray(code, np.float64)
    rank = rankdata(code[:, code.var(axis=0) > ACTIVE], axis=0)
    rank -= rank.mean(axis=0, keepdims=True)
    return rank / np.linalg.norm(rank, axis=0, keepdims=True)


def _matching(similarity: np.ndarray) -> float:
    """Returns how close similarities [a, b] are to a matching of one to one; 0 if there are none."""
    if not similarity.size:
        return 0.0
    best = [ratio(similarity.max(axis=axis) ** 2, similarity.sum(axis=axis)) for axis in (0, 1)]
    return float(np.mean(np.concatenate(best)))
