"""Divergences in nats: of each unit by itself where there is a closed form, of whole batches where there is none."""

import dataclasses
import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from pydantic import Field

from aejax.config import PositiveFloat, traced

LOG_2PI = math.log(2 * math.pi)
# Of the log variances of posteriors and priors: e^±20 is more and less than any image asks for, and squares of it stay
# finite.
LOG_VARIANCES = (-20.0, 20.0)


def bernoulli_kl(probability: jax.typing.ArrayLike, logit: jax.Array) -> jax.Array:
    """Returns KL(Bernoulli(probability) ‖ Bernoulli(sigmoid(logit))), of the logit's shape.

    The second probability comes as its logit, so that the divergence and its gradient are finite however close that
    probability is to 0 or 1.

    Args:
      probability: a scalar in [0, 1].
      logit: any shape.
    """
    probability = jnp.full_like(logit, probability)
    entropy = jax.scipy.special.entr(probability) + jax.scipy.special.entr(1 - probability)
    cross_entropy: jax.Array = optax.sigmoid_binary_cross_entropy(logit, probability)
    return cross_entropy - entropy


def gaussian_kl(mean: jax.Array, log_variance: jax.Array) -> jax.Array:
    """Returns KL(N(mean, variance) ‖ N(0, 1)) of each unit, of the arguments' shape.

    Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014, appendix B.
    """
    return 0.5 * (jnp.square(mean) + jnp.exp(log_variance) - 1 - log_variance)


def uniform_kl(logits: jax.Array) -> jax.Array:
    """Returns KL(Categorical(softmax(logits)) ‖ uniform) along the last axis: log of its size minus the entropy."""
    log_probability = jax.nn.log_softmax(logits)
    return math.log(logits.shape[-1]) + jnp.sum(jnp.exp(log_probability) * log_probability, axis=-1)


def gaussian_log_density(x: jax.Array, mean: jax.Array, log_variance: jax.Array) -> jax.Array:
    """Returns log N(x; mean, variance) of each unit, of the arguments' common shape."""
    return -0.5 * (jnp.square(x - mean) * jnp.exp(-log_variance) + log_variance + LOG_2PI)


def standard_log_density(x: jax.Array) -> jax.Array:
    """Returns log N(x; 0, 1) of each unit, of the argument's shape."""
    return -0.5 * (jnp.square(x) + LOG_2PI)


class Decomposition(NamedTuple):
    """The parts of log q(z|x) − log p(z), [batch] each: their sum's expectation is the KL of the posterior.

    Source: Chen, Li, Grosse and Duvenaud, "Isolating sources of disentanglement in variational autoencoders", 2018,
    equation 2. Each is a sample of what its name says, and may be negative.
    """

    mutual_information: jax.Array  # log q(z|x) − log q(z).
    total_correlation: jax.Array  # log q(z) − Σ_j log q(z_j).
    dimension_wise_kl: jax.Array  # Σ_j log q(z_j) − log p(z): of N(0, I) a sum over units.


Estimator = Literal["weighted", "stratified"]


def decompose_kl(
    latent: jax.Array,
    log_prior: Callable[[jax.Array], jax.Array],
    mean: jax.Array,
    log_variance: jax.Array,
    dataset_size: jax.typing.ArrayLike,
    estimator: Estimator,
) -> Decomposition:
    """Returns the parts of the KL for a sample of each posterior of a batch, with q(z) estimated from the batch.

    q(z), the posteriors' mean over all training images, is estimated from those of the batch (Chen et al., 2018,
    appendix C). `weighted`: Σ_b q(z|x_b) / (N B), which is biased. `stratified`: q(z|x) of the image that z was drawn
    for with its weight in the data, 1/N, and the others of the batch for all others, (N − 1) / (N (B − 1)) each; it is
    unbiased for q(z), and exact where the batch is the data. (The paper gives one of the others another weight than the
    rest; this is the mean over which of them that is.)

    Args:
      latent: z, [batch, units], a draw from the posterior of each image.
      log_prior: gives log p(z) of each, [batch].
      mean: of the posteriors, [batch, units].
      log_variance: of the posteriors, [batch, units].
      dataset_size: N, which may be traced.
      estimator: see above. A batch of one image has no others, and then is taken for all.
    """
    batch = latent.shape[0]
    known = isinstance(dataset_size, int)
    numbers: Any = math if known else jnp
    if estimator == "weighted":
        log_weight = jnp.full((batch, batch), -numbers.log(dataset_size) - math.log(batch))
    else:
        alone = batch == 1 or (known and dataset_size == 1)
        others = -math.inf if alone else -math.log(batch - 1) + numbers.log1p(-1 / dataset_size)
        own = -numbers.log(dataset_size) if batch > 1 else 0.0
        log_weight = jnp.where(jnp.eye(batch, dtype=bool), own, others)
    log_posterior = jnp.sum(gaussian_log_density(latent, mean, log_variance), axis=1)
    return split_kl(latent, log_posterior, log_prior, mean, log_variance, log_weight)


def split_kl(
    latent: jax.Array,
    log_posterior: jax.Array,
    log_prior: Callable[[jax.Array], jax.Array],
    mean: jax.Array,
    log_variance: jax.Array,
    log_weight: jax.Array,
) -> Decomposition:
    """Returns the parts of log q(z|x) − log p(z), where q(z) is a weighted sum of Gaussians.

    Args:
      latent: z, [batch, units].
      log_posterior: log q(z|x) of each, [batch].
      log_prior: gives log p(z) of each, [batch].
      mean: of the Gaussians, [gaussians, units].
      log_variance: of the Gaussians, [gaussians, units].
      log_weight: of each Gaussian for each z, [batch, gaussians].
    """
    # [batch, units, gaussians]: a CPU sums faster along the last axis.
    pairs = gaussian_log_density(latent[:, :, None], mean.T[None], log_variance.T[None])
    log_joint = jax.nn.logsumexp(jnp.sum(pairs, axis=1) + log_weight, axis=1)
    log_product = jnp.sum(jax.nn.logsumexp(pairs + log_weight[:, None], axis=2), axis=1)
    return Decomposition(log_posterior - log_joint, log_joint - log_product, log_product - log_prior(latent))


@dataclasses.dataclass(frozen=True, kw_only=True)
class RadialBasis:
    """exp(−‖x − y‖² / (2 d s²)) for d units: 2 d is the mean of ‖x − y‖² for draws of the prior."""

    kind: Literal["rbf"] = "rbf"
    bandwidth: PositiveFloat = traced(1.0)  # s.

    def __call__(self, squared_distance: jax.Array, size: int) -> jax.Array:
        """Returns the kernel of every pair, of the distances' shape; `size` is d."""
        return jnp.exp(-squared_distance / (2 * size * jnp.square(self.bandwidth)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class InverseMultiquadratic:
    """Σ_c C / (C + ‖x − y‖²), C = 2 d s² c: the kernel of Tolstikhin et al. (2018), summed over seven scales c."""

    kind: Literal["imq"] = "imq"
    bandwidth: PositiveFloat = traced(1.0)  # s.

    def __call__(self, squared_distance: jax.Array, size: int) -> jax.Array:
        """Returns the kernel of every pair, of the distances' shape; `size` is d."""
        constants = [2 * size * jnp.square(self.bandwidth) * scale for scale in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)]
        return sum((c / (c + squared_distance) for c in constants), jnp.zeros_like(squared_distance))


Kernel = Annotated[RadialBasis | InverseMultiquadratic, Field(discriminator="kind")]


def maximum_mean_discrepancy(kernel: Kernel, x: jax.Array, y: jax.Array) -> jax.Array:
    """Returns an unbiased estimate of the squared discrepancy of two distributions from draws of both, a scalar.

    Its expectation is zero where they are equal, so that a draw of it may be negative.

    Source: Gretton, Borgwardt, Rasch, Schölkopf and Smola, "A kernel two-sample test", 2012, equation 3: pairs of a
    draw with itself are left out, those between the two samples are all there.

    Args:
      kernel: of which the discrepancy is.
      x: draws of the one, [m, units], m > 1.
      y: draws of the other, [n, units], n > 1.
    """

    def mean_kernel(left: jax.Array, right: jax.Array, *, same: bool) -> jax.Array:
        products = jnp.matmul(left, right.T, precision=jax.lax.Precision.HIGHEST)
        norms = [jnp.sum(jnp.square(side), axis=1) for side in (left, right)]
        squares = jnp.maximum(norms[0][:, None] + norms[1][None] - 2 * products, 0.0)
        values = kernel(squares, left.shape[1])
        if not same:
            return jnp.mean(values)
        off_diagonal = values * (1 - jnp.eye(len(left)))
        return jnp.sum(off_diagonal) / (len(left) * max(len(left) - 1, 1))

    return mean_kernel(x, x, same=True) + mean_kernel(y, y, same=True) - 2 * mean_kernel(x, y, same=False)


def sliced_wasserstein(key: jax.Array, x: jax.Array, y: jax.Array, num_projections: int) -> jax.Array:
    """Returns an estimate of the squared sliced Wasserstein distance of two distributions from draws, a scalar.

    It is the mean over directions, drawn from the unit sphere, of the squared 2-Wasserstein distance of the draws along
    each: the mean of squared differences once both are sorted. It is zero where the draws of both are the same.

    Source: Kolouri, Pope, Martin and Rohde, "Sliced Wasserstein auto-encoders", 2019, algorithm 1.

    Args:
      key: of the directions.
      x: draws of the one, [n, units].
      y: as many of the other, [n, units].
      num_projections: the number of directions.
    """
    direction = jax.random.normal(key, (x.shape[1], num_projections))
    direction /= jnp.linalg.norm(direction, axis=0, keepdims=True)
    along = [jnp.sort(jnp.matmul(side, direction, precision=jax.lax.Precision.HIGHEST), axis=0) for side in (x, y)]
    return jnp.mean(jnp.square(along[0] - along[1]))


def prior_discrepancy(kernel: Kernel, latent: jax.Array, prior: jax.Array) -> jax.Array:
    """Returns the squared discrepancy of codes from as many draws of the prior, the same for all, [batch].

    Args:
      kernel: of which the discrepancy is.
      latent: the codes, [batch, units], batch > 1.
      prior: the draws, [batch, units].
    """
    return jnp.full(len(latent), maximum_mean_discrepancy(kernel, latent.astype(jnp.float32), prior))
