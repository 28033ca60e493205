"""What a model with a posterior says of images: how likely they are, what their codes cost, and which units are used.

All in nats for each image, but for the bits of a dimension, and reported of the validation and test splits. What is
random is drawn by fixed keys: the same for every member.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from aejax import rng
from aejax.data.resident import ResidentData, map_examples
from aejax.objectives.divergences import split_kl
from aejax.objectives.posteriors import Draw, Posterior
from aejax.objectives.priors import PriorDistribution

# The variance over images of a unit's mean, relative to the prior's, above which it is active (Burda et al., 2016,
# section 5, where that is 1).
ACTIVE = 0.01
IMAGES_AT_ONCE = 100  # Of which many draws are taken at a time.
NUM_MIXED = 5000  # Images whose posteriors are mixed for the parts of the KL: it takes their square in time.
MIXED_AT_ONCE = 20


class Density(NamedTuple):
    """What evaluation wants to know of a model with a posterior: functions of stored images and codes."""

    posterior: Callable[[jax.Array], Any]  # Stored images -> q(z|x); a `Posterior`, if it `is_gaussian`.
    center: Callable[[Any], jax.Array]  # Of posteriors: the codes of their images, [block, units].
    draw: Callable[[Any, jax.Array, int], Draw]  # Of posteriors, by a key: so many of each, [num, block, units].
    rate: Callable[[Any, Draw], jax.Array]  # Of posteriors, with a draw of each: the KL to the prior, [block].
    # Codes [block, units] and stored images -> −log p(x|z), [block].
    distortion: Callable[..., jax.Array]
    discrete: bool  # Whether p(x|z) is a probability of images, and not a density.
    prior: Callable[[], PriorDistribution]  # -> p(z).
    is_gaussian: bool = True  # Whether q(z|x) is a Gaussian with a diagonal covariance.
    is_told: bool = False  # Whether p(x|z) is p(x|z, y) of labels y, which `distortion` takes as a third argument.

    def of_labels(self, label: jax.Array | None) -> "Density":
        """Returns the density of images with these labels, int32 [block]."""
        return self._replace(distortion=functools.partial(self.distortion, label=label)) if self.is_told else self


def posterior_metrics(density: Density, data: ResidentData, at_once: int) -> dict[str, jax.Array]:
    """Returns of every split what its codes cost, and whether they say anything, as scalars (`test_rate`).

    `rate` is the mean KL to the prior (where it has no closed form, by one draw of z for each image), `distortion` the
    mean of −log p(x|z) over that draw (without the constant that a likelihood may lack). Of Gaussian posteriors, rate
    is the sum of `mutual_information`, `total_correlation` and `dimension_wise_kl`, up to the draws (Chen et al., 2018,
    equation 2); q(z) is the mean over the first `NUM_MIXED` images, so the first of them is at most the logarithm of
    that number. `active_units` are those whose code varies over images by more than `ACTIVE` of the prior's variance,
    `collapsed` is 1 where there are none. `effective_rank` is the exponential of the entropy of the codes' singular
    values, divided by their sum (Roy and Vetterli, 2007).

    Args:
      density: of the model.
      data: with the images.
      at_once: the most images in a block.
    """
    metrics: dict[str, jax.Array] = {}
    prior = density.prior()
    for split in _splits(data):
        key = rng.stream(rng.root(0), f"{split} codes")

        def block(indices: jax.Array) -> dict[str, Any]:
            stored = data.image[split][indices]  # noqa: B023
            told = density.of_labels(data.label[split][indices] if density.is_told else None)  # noqa: B023
            posterior = density.posterior(stored)
            draw = density.draw(posterior, rng.at(key, indices[0]), 1).first  # noqa: B023
            of_block: dict[str, Any] = {
                "code": density.center(posterior),
                "rate": density.rate(posterior, draw),
                "distortion": told.distortion(draw.latent, stored),
            }
            if density.is_gaussian:
                of_block |= {"posterior": posterior, "draw": draw}
            return of_block

        values = map_examples(block, data.size(split), at_once)
        active = jnp.sum(jnp.var(values["code"], axis=0) > ACTIVE * prior.variance())
        of_split = {
            "rate": jnp.mean(values["rate"]),
            "distortion": jnp.mean(values["distortion"]),
            "active_units": active.astype(jnp.float32),
            "collapsed": (active == 0).astype(jnp.float32),
            "effective_rank": effective_rank(values["code"]),
            **(_parts(values["draw"], values["posterior"], prior) if density.is_gaussian else {}),
        }
        metrics |= {f"{split}_{name}": value for name, value in of_split.items()}
    return metrics


def likelihood_metrics(
    density: Density, data: ResidentData, at_once: int, *, num_samples: int, num_images: int | None
) -> dict[str, jax.Array]:
    """Returns of every split the mean of the bound on −log p(x) by importance weights, as scalars (`test_nll`).

    `elbo` is the evidence lower bound on log p(x): the mean of the weights' logarithms. Where the likelihood is of
    discrete images, `bits_per_dimension` is that divided by the pixels and log 2.

    Args:
      density: of the model.
      data: with the images.
      at_once: the most images, or draws, in a block.
      num_samples: draws for each image.
      num_images: of each split, the first so many; None: all.
    """
    metrics: dict[str, jax.Array] = {}
    for split in _splits(data):
        bounds = bounds_of_images(density, data, split, at_once, num_samples=num_samples, num_images=num_images)
        nll, elbo = map(jnp.mean, bounds)
        metrics |= {f"{split}_nll": nll, f"{split}_elbo": elbo}
        if density.discrete:
            metrics[f"{split}_bits_per_dimension"] = nll / (math.prod(data.image[split].shape[1:]) * math.log(2))
    return metrics


def bounds_of_images(
    density: Density, data: ResidentData, split: str, at_once: int, *, num_samples: int, num_images: int | None
) -> tuple[jax.Array, jax.Array]:
    """Returns the two bounds of `importance_bound` for the first images of a split, [images] each.

    The other arguments are those of `likelihood_metrics`.
    """
    key = rng.stream(rng.root(0), f"{split} likelihood")

    def block(indices: jax.Array) -> tuple[jax.Array, jax.Array]:
        stored = data.image[split][indices]
        told = density.of_labels(data.label[split][indices] if density.is_told else None)
        return importance_bound(told, stored, rng.at(key, indices[0]), num_samples, at_once)

    size = data.size(split) if num_images is None else min(num_images, data.size(split))
    return map_examples(block, size, min(IMAGES_AT_ONCE, at_once))


def importance_bound(
    density: Density, stored: jax.Array, key: jax.Array, num: int, at_once: int
) -> tuple[jax.Array, jax.Array]:
    """Returns −log 1/k Σ_i p(x, z_i) / q(z_i|x) over k draws z_i ~ q(z|x), and 1/k Σ_i log p(x, z_i) / q(z_i|x).

    Both are [block]. The first is at least −log p(x), the second at most log p(x), on average over draws.

    Source: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", 2016, equation 8. Draws are taken a few
    at a time, and memory does not grow with their number.

    Args:
      density: of the model.
      stored: images, [block, height, width, channels].
      key: of the draws.
      num: k.
      at_once: the most codes that are decoded together.
    """
    posterior, prior = density.posterior(stored), density.prior()
    num_chunks = -(-num // max(at_once // len(stored), 1))
    size = -(-num // num_chunks)

    def chunk(sums: tuple[jax.Array, jax.Array], index: jax.Array) -> tuple[tuple[jax.Array, jax.Array], None]:
        draw = density.draw(posterior, rng.at(key, index), size)
        distortion = jax.vmap(density.distortion, (0, None))(draw.latent, stored)
        log_weight = prior.log_density(draw.latent) - draw.log_density - distortion
        is_wanted = index * size + jnp.arange(size) < num  # The last chunk may hold more.
        weights, logarithms = sums
        logarithms += jnp.sum(jnp.where(is_wanted[:, None], log_weight, 0.0), axis=0)
        log_weight = jnp.where(is_wanted[:, None], log_weight, -jnp.inf)
        return (jnp.logaddexp(weights, jax.nn.logsumexp(log_weight, axis=0)), logarithms), None

    start = jnp.full(len(stored), -jnp.inf), jnp.zeros(len(stored))
    (weights, logarithms), _ = jax.lax.scan(chunk, start, jnp.arange(num_chunks))
    return math.log(num) - weights, logarithms / num


def effective_rank(code: jax.Array) -> jax.Array:
    """Returns the effective rank of codes, [examples, units], a scalar in [0, units]; 0 where all are the same."""
    centered = code - jnp.mean(code, axis=0, keepdims=True)
    squares = jnp.linalg.eigvalsh(jnp.matmul(centered.T, centered, precision=jax.lax.Precision.HIGHEST))
    singular = jnp.sqrt(jnp.maximum(squares, 0))
    total = jnp.sum(singular)
    share = singular / jnp.where(total > 0, total, 1)
    return jnp.where(total > 0, jnp.exp(jnp.sum(jax.scipy.special.entr(share))), 0.0)


def _parts(draw: Draw, posterior: Posterior, prior: PriorDistribution) -> dict[str, jax.Array]:
    """Returns the means of the parts of the KL, by name, of a draw of each posterior."""
    (latent, log_density), mixed = jax.tree.map(lambda value: value[:NUM_MIXED], (draw, posterior))
    num = len(latent)

    def block(indices: jax.Array) -> Any:
        log_weight = jnp.full((len(indices), num), -math.log(num))
        return split_kl(
            latent[indices],
            log_density[indices],
            prior.log_density,
            mixed.mean,
            mixed.log_variance,
            log_weight,
        )

    parts = map_examples(block, num, MIXED_AT_ONCE)
    return {name: jnp.mean(value) for name, value in parts._asdict().items()}


def _splits(data: ResidentData) -> list[str]:
    return [split for split in ("validation", "test") if data.size(split)]
