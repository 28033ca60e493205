"""The importance-weighted autoencoder (Burda et al., 2016) and its kin: bounds of several draws of each posterior.

All have the weights w_i = p(x, z_i) / q(z_i|x) of draws z_i ~ q(z|x), and differ in what is averaged, and in what each
network learns by. Rainforth et al. (2018) show why: the more draws a bound has, the closer it is, and the better it
trains the decoder, but the less of its gradient for the encoder is signal.
"""

import dataclasses
import math
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.variational import Variational, VariationalAutoencoder
from aejax.config import ClosedRate, PositiveInt, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.objectives.divergences import gaussian_log_density
from aejax.objectives.posteriors import Draw, Posterior


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportanceWeighted(Variational):
    """The fields that all have whose loss is made of importance weights."""

    TERMS: ClassVar[tuple[str, ...]] = ("bound",)

    num_samples: PositiveInt = 5  # k, the draws of each posterior that a bound has.

    def num_draws(self) -> int:
        """Returns k."""
        return self.num_samples

    @property
    def averages_weights(self) -> bool:
        """Whether weights are averaged, and not their logarithms alone."""
        return True

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns which fields do not go together, or None."""
        if self.likelihood.SCALE == "batch" and self.averages_weights:
            return (
                f"likelihood={self.likelihood.kind} has the σ that suits the mean of all draws, which is not the one "
                "that makes the bound closest; use learned_gaussian"
            )
        return super().conflict(preprocessing)


@dataclasses.dataclass(frozen=True, kw_only=True)
class IwaeConfig(ImportanceWeighted):
    """Loss: −log 1/k Σ_i p(x, z_i) / q(z_i|x) with z_i ~ q(z|x). k = 1 gives the loss of `vae`, more a closer bound.

    `gradient=dreg` trains the encoder with another estimate of the same gradient, which has less variance: Tucker,
    Lawson, Gu and Maddison, "Doubly reparameterized gradient estimators for Monte Carlo objectives", 2019.
    `average=elbo` averages k evidence lower bounds instead: the VAE with k draws that the paper compares with.

    Source: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", 2016, equation 8.
    """

    kind: Literal["iwae"] = "iwae"
    average: Literal["iwae", "elbo"] = "iwae"  # Of the bound of all draws, or the mean of k bounds.
    gradient: Literal["standard", "dreg"] = "standard"  # dreg: of less variance.

    @property
    def averages_weights(self) -> bool:
        """Whether weights are averaged, and not their logarithms alone."""
        return self.average == "iwae"

    @property
    def needs_gaussian(self) -> str | None:
        """Returns that the density of a draw is wanted with its posterior held, or None."""
        return "gradient=dreg" if self.gradient == "dreg" else None

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns which fields do not go together, or None."""
        if self.average == "elbo" and self.gradient == "dreg":
            return "gradient=dreg is of the importance-weighted bound; use average=iwae"
        return super().conflict(preprocessing)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeveralBounds(ImportanceWeighted):
    """The fields that all have whose loss is the mean of several bounds."""

    num_bounds: PositiveInt = 5  # m, the bounds that are averaged, each with draws of its own.

    def num_draws(self) -> int:
        """Returns m k."""
        return self.num_bounds * self.num_samples


@dataclasses.dataclass(frozen=True, kw_only=True)
class MiwaeConfig(SeveralBounds):
    """Loss: −log 1/k Σ_i p(x, z_i) / q(z_i|x) with z_i ~ q(z|x), the mean of m such bounds, each with k draws.

    m = 1 gives the loss of `iwae`, k = 1 that of `vae` with m draws. The bound is as close as one of k draws; its
    gradient has the less variance the larger m is.

    Source: Rainforth, Kosiorek, Le, Maddison, Igl, Wood and Teh, "Tighter variational bounds are not necessarily
    better", 2018, the multiply importance weighted autoencoder (MIWAE).
    """

    kind: Literal["miwae"] = "miwae"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PiwaeConfig(SeveralBounds):
    """Loss: −log 1/k Σ_i p(x, z_i) / q(z_i|x) with z_i ~ q(z|x), the mean of m such bounds, as of `miwae`.

    That is the encoder's loss. What the model p(x, z) is made of learns by the closer bound of all m · k draws, as of
    `iwae`: the decoder, the parameters of a learned prior, and the scale of a likelihood that learns one. Each learns
    by its own bound alone, of the same draws. With `prior=vamp` the encoder makes the prior too, and learns by its own
    bound there as well. `training.patience` watches the encoder's.

    Source: Rainforth, Kosiorek, Le, Maddison, Igl, Wood and Teh, "Tighter variational bounds are not necessarily
    better", 2018, the partially importance weighted autoencoder (PIWAE).
    """

    kind: Literal["piwae"] = "piwae"

    def opponents(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Returns the parts of p(x, z) by their names among the parameters, and the term that they learn by."""
        learned = {"prior": self.prior.LEARNED, "log_scale": self.likelihood.SCALE == "parameter"}
        names = ("decoder", *(name for name, is_learned in learned.items() if is_learned))
        return tuple((name, ("decoder",)) for name in names)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CiwaeConfig(ImportanceWeighted):
    """Loss: −log [1/k Σ_i w_i] · (1 − share) − share · 1/k Σ_i log w_i, w_i = p(x, z_i) / q(z_i|x), z_i ~ q(z|x).

    Both bounds are of the same k draws. share = 0 gives the loss of `iwae`, share = 1 that of `vae` with k draws.

    Source: Rainforth, Kosiorek, Le, Maddison, Igl, Wood and Teh, "Tighter variational bounds are not necessarily
    better", 2018, the combination importance weighted autoencoder (CIWAE); `share` is their β.
    """

    kind: Literal["ciwae"] = "ciwae"
    share: ClosedRate = traced(0.5)  # Of the evidence lower bound in the loss.


def negative_bound(log_weight: jax.Array, axis: int = 0) -> jax.Array:
    """Returns −log of the mean of weights along an axis, given their logarithms."""
    return math.log(log_weight.shape[axis]) - jax.nn.logsumexp(log_weight, axis=axis)


class ImportanceWeightedAutoencoder(VariationalAutoencoder):
    """The networks of a family whose loss is made of importance weights."""

    config: Any  # An `ImportanceWeighted` family.

    def drawn_log_weights(self, batch: Batch, *, train: bool) -> jax.Array:
        """Returns log w of draws of each image's posterior, [draws, batch]."""
        posterior = self.posterior(batch.image, train=train)
        draw = self.draw(posterior, self.noise_key(train=train), self.config.num_draws())
        return self.log_weights(draw, batch, train=train)


class Iwae(ImportanceWeightedAutoencoder):
    """The networks of an `IwaeConfig`."""

    config: IwaeConfig

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the negative bound, [batch]."""
        config = self.config
        if config.gradient == "dreg":
            posterior = self.posterior(batch.image, train=train)
            latent = self.draw(posterior, self.noise_key(train=train), config.num_samples).latent
            return {"bound": self._doubly_reparameterized(latent, batch, posterior, train=train)}
        log_weight = self.drawn_log_weights(batch, train=train)
        return {"bound": -jnp.mean(log_weight, axis=0) if config.average == "elbo" else negative_bound(log_weight)}

    def _doubly_reparameterized(
        self, latent: jax.Array, batch: Batch, posterior: Posterior, *, train: bool
    ) -> jax.Array:
        """Returns the negative bound, [batch], with a gradient of its own.

        With w the normalized weights, the decoder's is Σ w ∇ log weight, as of the bound. The encoder's goes through
        the draws alone, and is Σ w² ∂ log weight/∂z ∂z/∂encoder.
        """
        constant = jax.lax.stop_gradient
        held = constant(posterior)

        def log_weights(latent: jax.Array) -> jax.Array:
            density = gaussian_log_density(latent, held.mean[None], held.log_variance[None])
            return self.log_weights(Draw(latent, jnp.sum(density, axis=-1)), batch, train=train)

        share = constant(jax.nn.softmax(log_weights(constant(latent)), axis=0))
        # The same draws, through which the encoder's gradient comes multiplied by a second w.
        latent = constant(latent) + share[..., None] * (latent - constant(latent))
        log_weight = log_weights(latent)
        bound = negative_bound(log_weight)
        surrogate = -jnp.sum(share * log_weight, axis=0)
        return constant(bound) + surrogate - constant(surrogate)


class Miwae(ImportanceWeightedAutoencoder):
    """The networks of a `MiwaeConfig`."""

    config: MiwaeConfig

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the mean of the negative bounds, [batch]."""
        return {"bound": _mean_bound(self.drawn_log_weights(batch, train=train), self.config)}


class Piwae(ImportanceWeightedAutoencoder):
    """The networks of a `PiwaeConfig`."""

    config: PiwaeConfig

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the mean of the negative bounds, for the encoder, and that of all draws, for the decoder, [batch]."""
        log_weight = self.drawn_log_weights(batch, train=train)
        return {"bound": _mean_bound(log_weight, self.config), "decoder": negative_bound(log_weight)}


class Ciwae(ImportanceWeightedAutoencoder):
    """The networks of a `CiwaeConfig`."""

    config: CiwaeConfig

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the weighted mean of both negative bounds, [batch]."""
        log_weight, share = self.drawn_log_weights(batch, train=train), self.config.share
        return {"bound": (1 - share) * negative_bound(log_weight) - share * jnp.mean(log_weight, axis=0)}


def _mean_bound(log_weight: jax.Array, config: SeveralBounds) -> jax.Array:
    """Returns the mean over groups of draws of −log of the group's mean weight, [batch], for [draws, batch]."""
    groups = log_weight.reshape(config.num_bounds, config.num_samples, -1)
    return jnp.mean(negative_bound(groups, axis=1), axis=0)
