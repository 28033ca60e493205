"""Linear classifiers of features of any width, a block of examples at a time: ridge, logistic regression, linear SVM.

One pass over the training examples gives the covariance of their features. From it ridge regression is solved for each
strength by a Cholesky factor (an eigendecomposition for all strengths costs 8 factors in time where both were measured,
of 1,500 and 3,000 features on two cores, and would be needed a second time for the final fit). The two others search by
L-BFGS, in passes over the examples, in coordinates where the same kind of factor makes an estimate of the Hessian the
identity. Strengths are solved one after the other, the strongest first, each search from where the last ended: so one
factor is held at a time.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from aejax.evaluation.accuracy import balanced_accuracy
from aejax.evaluation.blocks import (
    CACHED_BYTES,
    ROWS,
    Blocks,
    Standardization,
    Sums,
    blocks_of,
    standardized_sums,
    weighted_sums,
)
from aejax.evaluation.lbfgs import minimize, norm
from aejax.evaluation.probe import TOLERANCE
from aejax.evaluation.views import ALONE, Views
from aejax.measures.base import FITTED

MAX_ITERATIONS = 200  # The first strength, which begins at zero, takes up to 120.

_HIGHEST = jax.lax.Precision.HIGHEST


class Classifiers(NamedTuple):
    """Linear classifiers of L strengths on the same d standardized features: the largest of C scores is the answer."""

    weights: jax.Array  # [L, d, C]
    bias: jax.Array  # [L, C]
    gradient_norm: jax.Array  # [L], at the end of a search, relative to the classifier that knows only frequencies
    iterations: jax.Array  # []

    def predict(self, features: jax.Array) -> jax.Array:
        """Returns the class of each example by each classifier, int32 [n, L]."""
        scores = jnp.einsum("nd,ldc->nlc", features, self.weights, precision=_HIGHEST) + self.bias[None]
        return jnp.argmax(scores, axis=2)

    @property
    def finite(self) -> jax.Array:
        """Whether the numbers of each are finite, bool [L]: too weak a strength leaves its matrix singular."""
        return jnp.all(jnp.isfinite(self.weights), axis=(1, 2)) & jnp.all(jnp.isfinite(self.bias), axis=1)


class Loss(NamedTuple):
    """A loss of linear scores that a search minimizes.

    `of` takes scores [n, C] and one-hot labels [n, C] and returns losses [n, P], of all classes (P = 1) or of each
    by itself (P = C), and their slopes along the scores, [n, C]. Of the classifiers that know only the frequencies of
    classes, [C], `bias` is the best, and the gradient along its weights is −`slope` times the covariance of features
    and labels. A search goes in coordinates for which `curvature` is that of the loss along the scores; it ends at
    `tolerance`, a norm of the gradient relative to that of those classifiers.
    """

    of: Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
    bias: Callable[[jax.Array], jax.Array]
    curvature: float
    slope: float
    tolerance: float


def cross_entropy(scores: jax.Array, target: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the cross-entropy of each example in nats, [n, 1], and its slope along each score, [n, C]."""
    log_probability = jax.nn.log_softmax(scores, axis=1)
    return -jnp.sum(log_probability * target, axis=1, keepdims=True), jnp.exp(log_probability) - target


def squared_hinge(scores: jax.Array, target: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns max(0, 1 − y s)² of each score s, y being 1 for the example's class and −1 for others, and its slope."""
    sign = 2 * target - 1
    lack = jnp.maximum(1 - sign * scores, 0.0)
    return lack**2, -2 * sign * lack


# Böhning's bound of the cross-entropy: see `aejax.evaluation.probe.fit_logistic`. Of the squared hinge the curvature is
# 2 where an example lacks a margin, 0 elsewhere: 0.1 is its mean if one in twenty does, and 2 to 3 % of MNIST's stacked
# maps did. From the bound a search of 6,656 features for a strength of 0.003 had not converged after 120 evaluations.
CROSS_ENTROPY = Loss(
    cross_entropy, lambda frequency: jnp.log(frequency + 1e-8), curvature=0.5, slope=1.0, tolerance=TOLERANCE
)
SQUARED_HINGE = Loss(squared_hinge, lambda frequency: 2 * frequency - 1, curvature=0.1, slope=4.0, tolerance=2e-4)


def fit_ridge(sums: Sums, strengths: jax.Array) -> Classifiers:
    """Returns the classifiers that `aejax.evaluation.closed_form.ridge` says, for strengths [L]."""
    unit = jnp.maximum(jnp.mean(sums.diagonal() / sums.size - sums.mean**2), 1e-12)

    def solve(strength: jax.Array) -> jax.Array:
        factor = _factor(sums.covariance(strength * unit))
        return _solve(factor, _solve(factor, sums.cross), transpose=True)

    weights = jax.lax.map(solve, strengths)
    bias = (sums.sizes / sums.size)[None] - jnp.einsum("d,ldc->lc", sums.mean, weights, precision=_HIGHEST)
    return Classifiers(weights, bias, jnp.zeros(len(strengths)), jnp.zeros((), jnp.int32))


def fit_by_search(
    loss: Loss,
    examples: Sequence[Blocks],
    standardization: Standardization,
    sums: Sums,
    strengths: jax.Array,
    start: tuple[jax.Array, jax.Array] | None = None,
    *,
    tolerance: float | None = None,
    max_iterations: int = MAX_ITERATIONS,
) -> Classifiers:
    """Returns the classifiers that minimize mean loss + strength / 2 · ‖W‖², the bias not penalized.

    In scikit-learn's terms C = 1 / (n · strength).

    Args:
      loss: `CROSS_ENTROPY`, of all classes together, or `SQUARED_HINGE`, of each class against the others.
      examples: to fit to, of several splits.
      standardization: of their features.
      sums: over them, standardized.
      strengths: [L], the strongest first.
      start: weights [d, C] and bias [C] to begin from; None: zero, and the best bias.
      tolerance: instead of the loss's own.
      max_iterations: evaluations of the gradient for each strength, after which its search ends in any case.
    """
    center, frequency, (dimension, num_classes) = sums.mean, sums.sizes / sums.size, sums.cross.shape
    separate = jax.eval_shape(loss.of, sums.cross, sums.cross)[0].shape[1] > 1
    shape = (dimension + 1, 1, num_classes) if separate else (dimension + 1, num_classes, 1)
    of_bias = loss.curvature**0.5
    tolerance = loss.tolerance if tolerance is None else tolerance

    def of_strength(carry: tuple[jax.Array, jax.Array], strength: jax.Array) -> tuple[Any, Classifiers]:
        factor = _factor(loss.curvature * sums.covariance(strength / loss.curvature))
        # Inverted once: a product with the inverse takes a tenth of the time of solving (6,656 features, two cores).
        inverse = _solve(factor, jnp.eye(dimension))
        to_slopes = functools.partial(jnp.matmul, inverse, precision=_HIGHEST)

        def to_weights(point: jax.Array) -> tuple[jax.Array, jax.Array]:
            flat = point.reshape(dimension + 1, num_classes)
            return weighted_sums(flat[:-1], inverse).T, flat[-1] / of_bias

        def evaluate(point: jax.Array) -> tuple[jax.Array, jax.Array]:
            weights, bias = to_weights(point)
            value, slope, bias_slope = _add_slopes(loss, examples, standardization, center, weights, bias)
            slope = to_slopes(slope / sums.size + strength * weights)
            gradient = jnp.concatenate([slope, bias_slope[None] / sums.size / of_bias])
            squares = jnp.sum(weights**2, axis=0) if separate else jnp.sum(weights**2)[None]
            return (value / sums.size + strength / 2 * squares)[None, None], gradient.reshape(shape)

        # Without weights the slopes differ between classes alone; the floor ends a search where nothing is to learn.
        reference = norm(jnp.pad(to_slopes(loss.slope * sums.cross), ((0, 1), (0, 0))).reshape(shape))
        reference = jnp.maximum(reference, 1e-2)
        weights, bias = carry
        upper = jnp.matmul(factor.T, weights, precision=_HIGHEST)
        point = jnp.concatenate([upper, of_bias * bias[None]]).reshape(shape)
        search = minimize(evaluate, point, *evaluate(point), tolerance * reference, max_iterations)
        weights, bias = to_weights(search.point)
        gradient_norm = jnp.max(norm(search.gradient) / reference)
        own_bias = bias - jnp.matmul(center, weights, precision=_HIGHEST)
        return (weights, bias), Classifiers(weights, own_bias, gradient_norm, search.iterations)

    first = jnp.zeros((dimension, num_classes)), loss.bias(frequency)
    if start is not None:
        first = start[0], start[1] + jnp.matmul(center, start[0], precision=_HIGHEST)
    _, fits = jax.lax.scan(of_strength, first, strengths)
    return fits._replace(iterations=jnp.sum(fits.iterations))


def _add_slopes(
    loss: Loss,
    examples: Sequence[Blocks],
    standardization: Standardization,
    center: jax.Array,
    weights: jax.Array,
    bias: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns the sum of the losses, [P], of their gradient along the weights, [d, C], and along the bias, [C].

    Weights and bias are those of standardized features minus `center`.
    """
    num_classes = len(bias)
    shapes = jax.eval_shape(loss.of, weights, weights)[0]
    sums = jnp.zeros(shapes.shape[1]), jnp.zeros_like(weights), jnp.zeros_like(bias)
    for blocks in examples:

        def add(sums: Any, block: jax.Array, blocks: Blocks = blocks) -> tuple[Any, None]:
            features = standardization.apply(blocks.features(block)) - center[None]
            target = jax.nn.one_hot(blocks.label[blocks.index(block)], num_classes)
            scores = jnp.matmul(features, weights, precision=_HIGHEST) + bias[None]
            counted = jax.tree.map(lambda x: x * blocks.counts(block)[:, None], loss.of(scores, target))
            along = weighted_sums(counted[1], features).T
            added = jnp.sum(counted[0], axis=0), along, jnp.sum(counted[1], axis=0)
            return jax.tree.map(jnp.add, sums, added), None

        sums, _ = blocks.scan(add, sums)
    return sums


def _factor(matrix: jax.Array) -> jax.Array:
    """Returns the Cholesky factor of a matrix, whose lower triangle alone is read; NaN if it has none."""
    return jax.lax.linalg.cholesky(matrix, symmetrize_input=False)


def _solve(factor: jax.Array, target: jax.Array, *, transpose: bool = False) -> jax.Array:
    return jax.lax.linalg.triangular_solve(factor, target, left_side=True, lower=True, transpose_a=transpose)


RIDGE, PROBE, SVM = "ridge", "probe", "svm"
_SEARCHED = {PROBE: CROSS_ENTROPY, SVM: SQUARED_HINGE}


def accuracies_in_blocks(
    representation: Any,
    data: Any,
    strengths: Mapping[str, Sequence[float]],
    *,
    num_classes: int,
    views: Views = ALONE,
    doubled: bool = False,
    balanced: bool = False,
    rows: int = ROWS,
    cached_bytes: int = CACHED_BYTES,
) -> dict[str, jax.Array]:
    """Returns how well linear classifiers of features tell labels; all features are never held, or once in a cache.

    Features are standardized by the training split. The strength is the one most accurate on validation when fitted on
    train, the stronger of equals; at that strength the classifier is fitted again on train and validation together, and
    meets the test examples once. A strength at which the numbers are not finite is not chosen.

    Scalars by name, for each of the classifiers:

      validation_<name>_accuracy, test_<name>_accuracy  in [0, 1]; NaN if no strength gave finite numbers
      <name>_strength                                   the chosen one
      <name>_gradient_norm, <name>_iterations           of searches: the largest relative norm at the end of all, and
                                                        the evaluations of the gradient, all fits together
      validation_<name>_balanced_accuracy, test_...     of searches, if `balanced` ones are wanted

    Args:
      representation: its `encode`, and how many images it takes `at_once`.
      data: images that all have labels.
      strengths: of each classifier that is wanted, by its name: "ridge", "probe", "svm".
      num_classes: labels lie in [0, num_classes).
      views: of an image of the validation or test split, over which its scores are averaged.
      doubled: whether mirror images are further examples to fit to.
      balanced: whether classes count alike, too, however many examples they have.
      rows: examples in a block, at most.
      cached_bytes: the most that the features of train and validation may take to be held for the searches.
    """
    make = functools.partial(blocks_of, representation.encode, representation.at_once, data, rows=rows)
    scored = {split: make(split, views=views) for split in ("validation", "test")}
    fitted = [make(split, doubled=doubled) for split in FITTED]
    num_features = jax.eval_shape(fitted[0].features, jax.ShapeDtypeStruct((), jnp.int32)).shape[1]
    if is_cached(sum(len(blocks.label) for blocks in fitted), num_features, strengths, cached_bytes):
        fitted = [blocks.cached() for blocks in fitted]
    train, validation = fitted
    standardization, sums = standardized_sums(train, num_features, num_classes)

    strongest_first = {name: jnp.asarray(sorted(of, reverse=True), jnp.float32) for name, of in strengths.items()}
    candidates = {
        name: _fit(name, [train], standardization, sums, strength) for name, strength in strongest_first.items()
    }

    def complete(sums: Sums, block: jax.Array) -> tuple[Sums, None]:
        features, label = validation.features(block), validation.label[validation.index(block)]
        return sums.add(standardization.apply(features), label, validation.counts(block)), None

    def answers(split: str, classifiers: Mapping[str, Classifiers]) -> dict[str, jax.Array]:
        blocks = scored[split]
        return blocks.scan(lambda _, block: (None, _right(classifiers, standardization, blocks, block)), None)[1]

    both, validated = validation.scan(complete, sums)[0], answers("validation", candidates)
    metrics, chosen, right = {}, {}, {}
    for name, fits in candidates.items():
        best = jnp.argmax(jnp.where(fits.finite, jnp.sum(validated[name], axis=0), -1))  # The first of equals.
        start, strength = (fits.weights[best], fits.bias[best]), strongest_first[name][best]
        metrics[f"{name}_strength"] = strength
        chosen[name] = _fit(name, fitted, standardization, both, strength[None], start)
        right["validation", name] = jnp.where(fits.finite[best], validated[name][:, best], jnp.nan)
        if name in _SEARCHED:
            norms = jnp.where(fits.finite, fits.gradient_norm, 0.0)
            metrics[f"{name}_gradient_norm"] = jnp.maximum(jnp.max(norms), chosen[name].gradient_norm[0])
            metrics[f"{name}_iterations"] = fits.iterations + chosen[name].iterations

    for name, of_one in answers("test", chosen).items():
        right["test", name] = jnp.where(chosen[name].finite[0], of_one[:, 0], jnp.nan)
    for (split, name), values in right.items():
        metrics[f"{split}_{name}_accuracy"] = jnp.mean(values)
        if balanced and name in _SEARCHED:
            metrics[f"{split}_{name}_balanced_accuracy"] = balanced_accuracy(values, scored[split].label)
    return metrics


def _fit(
    name: str,
    examples: Sequence[Blocks],
    standardization: Standardization,
    sums: Sums,
    strengths: jax.Array,
    start: tuple[jax.Array, jax.Array] | None = None,
) -> Classifiers:
    """Returns the classifiers of a name; the arguments are those of `fit_by_search`."""
    if name == RIDGE:
        return fit_ridge(sums, strengths)
    return fit_by_search(_SEARCHED[name], examples, standardization, sums, strengths, start)


def _right(
    classifiers: Mapping[str, Classifiers],
    standardization: Standardization,
    blocks: Blocks,
    block: jax.Array,
) -> dict[str, jax.Array]:
    """Returns whether each classifier is right about each example of a block, bool [rows, L] by name."""
    scored = standardization.apply(blocks.scored(block))
    label = blocks.label[blocks.index(block)][:, None]
    return {name: one.predict(scored) == label for name, one in classifiers.items()}


def is_cached(num_fitted: int, num_features: int, names: Any, cached_bytes: int = CACHED_BYTES) -> bool:
    """Returns whether the features of the examples to fit to are held: for a search, if they are few enough bytes."""
    return any(name in _SEARCHED for name in names) and 4 * num_fitted * num_features <= cached_bytes
