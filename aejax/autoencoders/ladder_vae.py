"""The ladder VAE: levels of latents, whose posteriors join what the image says and what the level above says."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.autoencoders.with_posterior import PosteriorAutoencoder, WarmedUp, only_identity
from aejax.config import PositiveInt
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.networks.layers import ACTIVATIONS, Activation, Initializer, flatten, make_dense
from aejax.objectives.divergences import LOG_VARIANCES
from aejax.objectives.hierarchy import ChainOfGaussians, gaussian_kl_between, joined, split_levels
from aejax.objectives.posteriors import DiagonalGaussian, Draw

MOST_LEVELS = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class LadderVaeConfig(WarmedUp):
    """Loss: −log p(x|z₁) + Σ_i KL(q(z_i|x, z_{i+1}) ‖ p(z_i|z_{i+1})), with p(z_L) = N(0, I) at the top.

    The encoder says a Gaussian of each level, and each level above it one of the level below. The posterior of a level
    is the product of both: precisions add up, and means are weighted by them. The image is decoded from the lowest
    level alone; the code is the means of all levels, the lowest first.

    Source: Sønderby, Raiko, Maaløe, Sønderby and Winther, "Ladder variational autoencoders", 2016, equations 15 to 19.

    Departures: the networks between levels have one hidden layer, and no batch normalization.
    """

    kind: Literal["ladder_vae"] = "ladder_vae"
    latent_size: PositiveInt = 32  # Of the lowest level, from which images are decoded.
    upper_sizes: tuple[PositiveInt, ...] = (16, 8)  # Of the levels above it, upwards; none: the VAE.
    width: PositiveInt = 64  # Of the hidden layers between levels.
    activation: Activation = "relu"  # Of these layers.

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of each level, the lowest first."""
        return (self.latent_size, *self.upper_sizes)

    @property
    def has_own_prior(self) -> bool:
        """Whether codes are drawn to another distribution than N(0, I)."""
        return bool(self.upper_sizes)

    def term_names(self) -> tuple[str, ...]:
        """Returns the names of the loss's terms: the KL of each level has its own."""
        return ("reconstruction", *(f"kl_{level}" for level in range(1, len(self.sizes) + 1)))

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that there are too many levels, or that the latent has an activation, or None."""
        if len(self.sizes) > MOST_LEVELS:
            return f"upper_sizes has {len(self.upper_sizes)} levels above the lowest; use at most {MOST_LEVELS - 1}"
        return only_identity(self) or super().conflict(preprocessing)


class _Between(nn.Module):
    """From a level to the Gaussian of the one below."""

    width: int
    activation: Activation
    initializer: Initializer
    units: int

    @nn.compact
    def __call__(self, x: jax.Array) -> DiagonalGaussian:
        """Returns the Gaussian that x [..., size] says, [..., units]."""
        hidden = ACTIVATIONS[self.activation](make_dense(self.width, self.initializer)(x))
        return _gaussian(*(make_dense(self.units, self.initializer)(hidden) for _ in range(2)))


def _gaussian(mean: jax.Array, log_variance: jax.Array) -> DiagonalGaussian:
    return DiagonalGaussian(mean.astype(jnp.float32), jnp.clip(log_variance.astype(jnp.float32), *LOG_VARIANCES))


class LadderVae(PosteriorAutoencoder):
    """The networks of `LadderVaeConfig`. A posterior is the Gaussian of each level that the encoder says."""

    config: LadderVaeConfig

    def setup(self) -> None:
        """Makes the networks: upwards beside the encoder, and downwards from level to level."""
        super().setup()
        config, initializer = self.config, self.config.encoder.initializer
        self.log_variance = make_dense(config.latent_size, initializer)
        uppers = config.upper_sizes
        self.upward = [make_dense(config.width, initializer) for _ in uppers]
        self.upper_mean, self.upper_log_variance = ([make_dense(size, initializer) for size in uppers] for _ in "ml")
        below = config.sizes[:-1]
        self.downward = [_Between(config.width, config.activation, initializer, size) for size in below]

    def prior(self) -> ChainOfGaussians:
        """Returns p(z) of all levels together."""
        pairs = [network.unbind() for network in self.downward]

        def below(level: int, above: jax.Array) -> Any:
            network, variables = pairs[level]
            return network.apply(variables, above)

        return ChainOfGaussians(self.config.sizes, below)

    def posterior(self, image: jax.Array, *, train: bool = False) -> tuple[DiagonalGaussian, ...]:
        """Returns the Gaussian of each level that the encoder says, the lowest first."""
        hidden = flatten(self.encoder(image, train=train))
        levels = [_gaussian(self.latent(hidden), self.log_variance(hidden))]
        activation = ACTIVATIONS[self.config.activation]
        for upward, mean, log_variance in zip(self.upward, self.upper_mean, self.upper_log_variance, strict=True):
            hidden = activation(upward(hidden))
            levels.append(_gaussian(mean(hidden), log_variance(hidden)))
        return tuple(levels)

    def _downwards(
        self, posterior: Sequence[DiagonalGaussian], choose: Any
    ) -> tuple[jax.Array, list[DiagonalGaussian]]:
        """Returns the latents of all levels, the lowest first, and the posterior of each given the one above.

        `choose(level, gaussian)` gives a level's latent.
        """
        latents: list[jax.Array] = []
        joint: list[DiagonalGaussian] = []
        for level in reversed(range(len(posterior))):
            own = posterior[level]
            if latents:
                own = joined(own, self.downward[level](latents[0]))
            joint.insert(0, own)
            latents.insert(0, choose(level, own))
        return jnp.concatenate(latents, axis=-1), joint

    def center(self, posterior: tuple[DiagonalGaussian, ...]) -> jax.Array:
        """Returns the code of each image, [batch, units of all levels]."""
        return self._downwards(posterior, lambda _, gaussian: gaussian.mean)[0]

    def draw(self, posterior: tuple[DiagonalGaussian, ...], key: jax.Array, num: int = 1) -> Draw:
        """Returns draws from each posterior, [num, batch, units of all levels], and their densities."""
        log_density = jnp.zeros((num, len(posterior[0].mean)))

        def choose(level: int, gaussian: DiagonalGaussian) -> jax.Array:
            nonlocal log_density
            noise_key = jax.random.fold_in(key, level) if level else key
            own = gaussian.draw(jax.random.normal(noise_key, (*log_density.shape, self.config.sizes[level])))
            log_density += own.log_density
            return own.latent

        of_draws = tuple(jax.tree.map(lambda x: x[None], gaussian) for gaussian in posterior)
        return Draw(self._downwards(of_draws, choose)[0], log_density)

    def level_kls(self, posterior: tuple[DiagonalGaussian, ...], draw: Draw) -> list[jax.Array]:
        """Returns the KL of each level, [batch], given the draw of the level above."""
        latents = split_levels(draw.latent, self.config.sizes)
        _, joint = self._downwards(posterior, lambda level, _: latents[level])
        divergences = []
        for level, own in enumerate(joint):
            if level + 1 < len(joint):
                prior = self.downward[level](latents[level + 1])
            else:
                prior = DiagonalGaussian(jnp.zeros_like(own.mean), jnp.zeros_like(own.mean))
            divergences.append(gaussian_kl_between(own, prior))
        return divergences

    def rate(self, posterior: tuple[DiagonalGaussian, ...], draw: Draw) -> jax.Array:
        """Returns the posteriors' KL to the prior, [batch]: of each level in closed form, given the draw above."""
        return sum(self.level_kls(posterior, draw), jnp.zeros(()))

    def divergences(self, batch: Batch, draw: Draw, posterior: Any, *, train: bool) -> dict[str, jax.Array]:
        """Returns the KL of each level, weighted, [batch] each."""
        del train
        warmth = self.warmth(batch)
        names = self.config.term_names()[1:]
        return {name: warmth * kl for name, kl in zip(names, self.level_kls(posterior, draw), strict=True)}

    def emit(self, latent: jax.Array, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """The decoder's own output, [batch, *output_shape], of the lowest level."""
        return super().emit(latent[:, : self.config.latent_size], label, train=train)
