"""The linear probe: how well a linear classifier reads the labels from features."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from aejax.evaluation.accuracy import balanced_accuracy
from aejax.evaluation.calibration import calibration_error
from aejax.evaluation.lbfgs import dot, minimize, norm
from aejax.evaluation.pca import principal_axes
from aejax.measures.config import STRENGTHS

# At this tolerance the loss is within about 1e-3 nats of the optimum, and accuracy on MNIST within .1 points.
TOLERANCE = 5e-4
MAX_ITERATIONS = 120

_HIGHEST = jax.lax.Precision.HIGHEST  # TF32 would stop the gradient from converging.


class LogisticFit(NamedTuple):
    """Multinomial logistic regressions of L strengths on the same d standardized features, for C classes."""

    mean: jax.Array  # [d], of the features
    scale: jax.Array  # [d], 1 / standard deviation; 0 for a constant feature
    weights: jax.Array  # [L, d, C], of the standardized features
    bias: jax.Array  # [L, C]
    gradient_norm: jax.Array  # [L], relative to that of the classifier that knows only the class frequencies
    iterations: jax.Array  # []


class Probe(NamedTuple):
    """The logistic regressions behind a linear probe, and which strength was chosen of them."""

    candidates: LogisticFit  # Of every strength, the strongest first, fitted on the training examples alone.
    best: jax.Array  # [], the index of the strength that is best on validation, the stronger of equals.
    strength: jax.Array  # [], that strength.
    validation_accuracy: jax.Array  # [], of that strength, in [0, 1].
    chosen: LogisticFit  # Of that strength alone, fitted on train and validation together.

    def logits(self, features: jax.Array) -> jax.Array:
        """Returns the logits of the classes by the chosen regression, [n, C], for features [n, d]."""
        return class_logits(self.chosen, features)[:, 0]


def fit_logistic(
    features: jax.Array,
    labels: jax.Array,
    *,
    num_classes: int,
    strengths: Sequence[float] | jax.Array,
    standardization: tuple[jax.Array, jax.Array] | None = None,
    start: tuple[jax.Array, jax.Array] | None = None,
    tolerance: float = TOLERANCE,
    max_iterations: int = MAX_ITERATIONS,
) -> LogisticFit:
    """Returns the logistic regressions of the labels on the features for every strength, solved side by side.

    For each strength it minimizes cross-entropy (nats, mean over examples) + strength / 2 · ‖W‖² over the weights W of
    the standardized features and an unpenalized bias. In scikit-learn's terms C = 1 / (n · strength).

    The solver is L-BFGS with backtracking, in coordinates where Böhning's bound on the Hessian, ½ XᵀX / n + strength,
    is the identity: an eigendecomposition of XᵀX makes it diagonal for all strengths. Of fewer examples than features
    that of XXᵀ does the same: directions that no example has need no weights. It ends when every gradient in these
    coordinates is below `tolerance`, relative to the classifier that knows only the class frequencies.

    Args:
      features: float32 [n, d].
      labels: int32 [n], in [0, num_classes); a class without examples gets a probability near zero.
      num_classes: C.
      strengths: L positive numbers.
      standardization: mean and 1 / standard deviation of the features, each [d]; None: those of these examples.
      start: weights [L, d, C] and bias [L, C] of another fit, to begin from.
      tolerance: of the relative gradient norm.
      max_iterations: evaluations of the gradient, after which it ends in any case.

    Source: Böhning, "Multinomial logistic regression algorithm", 1992, theorem 2; Nocedal and Wright, "Numerical
    Optimization", 2006, algorithm 7.4.
    """
    strength = jnp.asarray(strengths, jnp.float32)[None, None]
    mean, scale = standardize(features) if standardization is None else standardization
    standardized = (features - mean[None]) * scale[None]
    center = None
    if standardization is not None:
        center = jnp.mean(standardized, axis=0)
        standardized = standardized - center[None]
    eigenvalues, rotation = principal_axes(standardized)
    dimension = eigenvalues.size
    # A last column of ones carries the bias. Centered features are orthogonal to it: the bound stays diagonal.
    inputs = jnp.matmul(standardized, jnp.pad(rotation, ((0, 0), (0, 1))), precision=_HIGHEST).at[:, -1].set(1.0)
    bound = jnp.append(jnp.maximum(eigenvalues, 0.0), 1.0)[:, None, None] / 2
    penalty = jnp.broadcast_to(strength, (dimension + 1, 1, strength.size)).at[-1].set(0.0)
    whiten = jnp.sqrt(bound + penalty)
    target = jax.nn.one_hot(labels, num_classes)

    def evaluate(point: jax.Array) -> tuple[jax.Array, jax.Array]:
        loss, gradient = _penalized_cross_entropy(point / whiten, inputs, target, penalty)
        return loss, gradient / whiten

    # Not zero: for an absent class the bias would have to run away first.
    frequencies = jnp.broadcast_to(jnp.log(jnp.mean(target, axis=0) + 1e-8)[:, None], (num_classes, strength.size))
    point = jnp.zeros((dimension + 1, *frequencies.shape)).at[-1].set(frequencies) * whiten
    loss, gradient = evaluate(point)
    # The floor stops the fit where there is nothing to learn and the gradient is rounding alone.
    reference = jnp.maximum(norm(gradient), 1e-2)
    if start is not None:
        rotated = jnp.einsum("dk,ldc->kcl", rotation, start[0], precision=_HIGHEST)
        point = jnp.concatenate([rotated, (start[1] + _shift(center, start[0])).T[None]]) * whiten
        loss, gradient = evaluate(point)
    search = minimize(evaluate, point, loss, gradient, tolerance * reference, max_iterations)
    solution = search.point / whiten
    weights = jnp.einsum("dk,kcl->ldc", rotation, solution[:-1], precision=_HIGHEST)
    bias = solution[-1].T - _shift(center, weights)
    gradient_norm = (norm(search.gradient) / reference)[0, 0]
    return LogisticFit(mean, scale, weights, bias, gradient_norm, search.iterations)


def class_logits(fit: LogisticFit, features: jax.Array) -> jax.Array:
    """Returns the logits of the classes of each example by each of the regressions, [n, L, C]."""
    standardized = (features - fit.mean[None]) * fit.scale[None]
    return jnp.einsum("nd,ldc->nlc", standardized, fit.weights, precision=_HIGHEST) + fit.bias[None]


def to_affine(fit: LogisticFit) -> tuple[jax.Array, jax.Array]:
    """Returns kernel [d, C] and bias [C] of the first of the regressions, for features that are not standardized."""
    kernel = fit.scale[:, None] * fit.weights[0]
    return kernel, fit.bias[0] - jnp.matmul(fit.mean, kernel, precision=_HIGHEST)


def predict(fit: LogisticFit, features: jax.Array) -> jax.Array:
    """Returns the most probable class of each example by each of the regressions, int32 [n, L]."""
    return jnp.argmax(class_logits(fit, features), axis=2)


def fit_probe(
    features: Mapping[str, jax.Array],
    labels: Mapping[str, jax.Array],
    *,
    num_classes: int,
    strengths: Sequence[float] = STRENGTHS,
    by_loss: bool = False,
) -> Probe:
    """Returns the linear probe itself; the arguments are those of `linear_probe`, and no test example is needed.

    With `by_loss` the strength is the one of lowest cross-entropy on validation: few examples tell many strengths apart
    by it, and hardly any by accuracy.

    Raises:
      ValueError: a strength is not positive, or there are none.
    """
    if not strengths or min(strengths) <= 0:
        raise ValueError(f"strengths must be positive and at least one; got {strengths}")
    strongest_first = jnp.asarray(sorted(strengths, reverse=True), jnp.float32)
    fit = fit_logistic(features["train"], labels["train"], num_classes=num_classes, strengths=strongest_first)
    correct = predict(fit, features["validation"]) == labels["validation"][:, None]
    quality = jnp.sum(correct, axis=0)
    if by_loss:
        log_probability = jax.nn.log_softmax(class_logits(fit, features["validation"]), axis=2)
        quality = jnp.sum(
            jnp.take_along_axis(log_probability, labels["validation"][:, None, None], axis=2), axis=(0, 2)
        )
    best = jnp.argmax(quality)  # The first of equals.

    both, both_labels = (jnp.concatenate([x["train"], x["validation"]]) for x in (features, labels))
    start = (fit.weights[best][None], fit.bias[best][None])
    strength = strongest_first[best]
    chosen = fit_logistic(both, both_labels, num_classes=num_classes, strengths=strength[None], start=start)
    return Probe(fit, best, strength, jnp.mean(correct, axis=0)[best], chosen)


def linear_probe(
    features: Mapping[str, jax.Array],
    labels: Mapping[str, jax.Array],
    *,
    num_classes: int,
    strengths: Sequence[float] = STRENGTHS,
    calibration: bool = False,
    balanced: bool = False,
) -> tuple[dict[str, jax.Array], Callable[[jax.Array, jax.Array], jax.Array]]:
    """Returns the accuracy of a linear classifier on the test examples, and the function that gives it on others.

    The strength of the L2 penalty is the one most accurate on validation when fitted on train, the stronger of equals;
    at that strength the classifier is fitted again on train and validation together, and meets the test examples once.
    This second classifier is also what `accuracy(features, labels)` of further examples, a scalar, is about.

    The first of the results are scalars by name:

      validation_probe_accuracy  in [0, 1], of the chosen strength, fitted on train alone
      test_probe_accuracy        in [0, 1], fitted on train and validation; both are NaN if the features are not finite
      probe_strength             the chosen one
      probe_gradient_norm        the largest of all fits at their end, relative to the start: evidence of convergence
      probe_iterations           evaluations of the gradient, both fits together
      validation_probe_calibration_error, test_probe_calibration_error
                                 of the same two classifiers, in [0, 1], if `calibration` is wanted
      validation_probe_balanced_accuracy, test_probe_balanced_accuracy
                                 likewise, if `balanced` ones are wanted

    Args:
      features: "train", "validation", "test": float32 [n, d].
      labels: of the same keys, int32 [n].
      num_classes: labels lie in [0, num_classes).
      strengths: the penalties to choose from, positive.
      calibration: whether its probabilities are measured too.
      balanced: whether classes count alike, too, however many examples they have.

    Raises:
      ValueError: a strength is not positive, or there are none.
    """
    probe = fit_probe(features, labels, num_classes=num_classes, strengths=strengths)
    gradient_norm = jnp.maximum(jnp.max(probe.candidates.gradient_norm), probe.chosen.gradient_norm[0])

    def where_finite(accuracy: jax.Array) -> jax.Array:
        return jnp.where(jnp.isfinite(gradient_norm), accuracy, jnp.nan)

    def accuracy(features: jax.Array, labels: jax.Array) -> jax.Array:
        return where_finite(jnp.mean(predict(probe.chosen, features)[:, 0] == labels))

    metrics = {
        "validation_probe_accuracy": where_finite(probe.validation_accuracy),
        "test_probe_accuracy": accuracy(features["test"], labels["test"]),
        "probe_strength": probe.strength,
        "probe_gradient_norm": gradient_norm,
        "probe_iterations": probe.candidates.iterations + probe.chosen.iterations,
    }
    if calibration:
        own = class_logits(probe.candidates, features["validation"])[:, probe.best]
        metrics["validation_probe_calibration_error"] = calibration_error(own, labels["validation"])
        test = probe.logits(features["test"])
        metrics["test_probe_calibration_error"] = calibration_error(test, labels["test"])
    if balanced:
        own = predict(probe.candidates, features["validation"])[:, probe.best]
        for split, predicted in (("validation", own), ("test", predict(probe.chosen, features["test"])[:, 0])):
            value = balanced_accuracy(predicted == labels[split], labels[split])
            metrics[f"{split}_probe_balanced_accuracy"] = where_finite(value)
    return metrics, accuracy


def standardize(features: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the mean of each feature and the inverse of its standard deviation, 0 where it is constant; both [d]."""
    # From the first example on: the mean of a constant feature is then exact, and its deviation exactly zero.
    mean = features[0] + jnp.mean(features - features[:1], axis=0)
    deviation = jnp.std(features - mean[None], axis=0)
    varies = deviation > 1e-6 * jnp.abs(mean)
    return mean, jnp.where(varies, 1 / jnp.where(varies, deviation, 1.0), 0.0)


def _shift(center: jax.Array | None, weights: jax.Array) -> jax.Array | float:
    """The logits that weights [L, d, C] give to the center of the features, [L, C]; 0 where that is the origin."""
    return 0.0 if center is None else jnp.einsum("d,ldc->lc", center, weights, precision=_HIGHEST)


def _penalized_cross_entropy(
    weights: jax.Array, inputs: jax.Array, target: jax.Array, penalty: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The loss of every strength, [1, 1, L], and its gradient with respect to the weights, [d + 1, C, L].

    Args:
      weights: [d + 1, C, L], the last row the bias.
      inputs: [n, d + 1].
      target: one-hot [n, C].
      penalty: of each weight, [d + 1, 1, L].
    """
    size = len(inputs)
    flat = weights.reshape(len(weights), -1)
    # [n, C, L]: the strengths last, for these are as many as a CPU's vector has lanes.
    logits = jnp.matmul(inputs, flat, precision=_HIGHEST).reshape(size, *weights.shape[1:])
    log_probability = jax.nn.log_softmax(logits, axis=1)
    loss = -jnp.sum(jnp.mean(log_probability * target[..., None], axis=0, keepdims=True), axis=1, keepdims=True)
    residual = (jnp.exp(log_probability) - target[..., None]).reshape(size, -1)
    gradient = jnp.matmul(inputs.T, residual, precision=_HIGHEST).reshape(weights.shape) / size + penalty * weights
    return loss + dot(penalty * weights, weights) / 2, gradient
