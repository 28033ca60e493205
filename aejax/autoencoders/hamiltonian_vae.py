"""The Hamiltonian VAE: draws move towards what the decoder finds likely (Caterini, Doucet and Sejdinovic, 2018)."""

import dataclasses
from typing import Any, ClassVar, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.autoencoders.variational import VariationalAutoencoder, WithKL
from aejax.config import NonNegativeInt, OpenRate, PositiveFloat, traced
from aejax.data.preprocessing import Kind
from aejax.objectives.leapfrog import Mass, UnitMass, leapfrog
from aejax.objectives.posteriors import Draw, Posterior, draw_gaussian


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithSteps(WithKL):
    """The fields that all have whose draws move by leapfrog steps."""

    CONDITIONAL: ClassVar[bool] = False

    num_steps: NonNegativeInt = 3  # Each takes a gradient of the decoder, and the first one more.
    step_size: PositiveFloat = traced(0.05)  # At first.
    tempering: OpenRate = traced(0.3)  # β at first.

    @property
    def has_gaussian_posterior(self) -> bool:
        """Whether there are no steps."""
        return self.has_posterior and self.num_steps == 0

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns which fields do not go with steps, or None."""
        if self.flow is not None:
            return f"flow={self.flow.kind}: draws already move by steps; use flow=null, or autoencoder=vae"
        if self.num_steps == 0:
            return super().conflict(preprocessing)
        if self.likelihood.SCALE == "batch":
            return f"likelihood={self.likelihood.kind} has the σ of a batch, and steps go by each image alone"
        if getattr(self.encoder, "norm", None) == "batch":
            return "encoder.norm=batch makes an image depend on the others of its batch, and steps go by each alone"
        if self.free_bits > 0:
            return f"free_bits={self.free_bits} are of each unit's KL, and steps leave none; leave it out"
        return super().conflict(preprocessing)


@dataclasses.dataclass(frozen=True, kw_only=True)
class HamiltonianVaeConfig(WithSteps):
    """Loss: −log p(x|z) + log q(z|x) − log p(z), z a Gaussian's draw after leapfrog steps along −log p(x, z).

    With each draw comes a momentum ρ = γ / √β, γ ~ N(0, I). Each step is followed by a cooling of ρ, such that β has
    grown to 1 by the last. Then log q(z|x) is the Gaussian's density of the draw, times N(γ) and divided by N(ρ): steps
    keep volume, and cooling takes back what β did to it. Without steps it is the VAE.

    The sizes of steps, one for each unit, and the first β are learned. The code of an image is where the steps lead
    from the Gaussian's mean without momentum.

    Source: Caterini, Doucet and Sejdinovic, "Hamiltonian variational auto-encoder", 2018, algorithm 1 with quadratic
    tempering.

    Departures: steps are at most twice as large as at first; the paper gives the limit itself.
    """

    kind: Literal["hamiltonian_vae"] = "hamiltonian_vae"


class ToBeMoved(NamedTuple):
    """Of a batch: the Gaussian of each image, and the image, by which the draws move."""

    gaussian: Posterior
    image: jax.Array


class SteppingAutoencoder(VariationalAutoencoder):
    """The networks of a family whose draws move by leapfrog steps, with a momentum of a `mass`."""

    config: Any  # A `WithSteps` family.

    def setup(self) -> None:
        """Makes the networks, and what of the steps is learned."""
        super().setup()
        if self.config.num_steps:
            zeros = nn.initializers.zeros
            self.raw_step_size = self.param("step_size", zeros, (self.config.latent_size,))
            self.raw_tempering = self.param(
                "tempering", lambda _: jax.scipy.special.logit(jnp.float32(self.config.tempering))
            )

    def mass(self) -> Mass:
        """Returns the mass of momenta: 1, unless a family says otherwise."""
        return UnitMass()

    @property
    def num_iterations(self) -> int:
        """The iterations by which a step finds itself, where the mass depends on the position."""
        return 1

    def posterior(self, image: jax.Array, *, train: bool = False) -> Any:
        """Returns q(z|x) of each image."""
        gaussian = self.gaussian(image, train=train)
        return ToBeMoved(gaussian, image) if self.config.num_steps else gaussian

    def encode(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the code, [batch, latent_size]."""
        if self.config.num_steps == 0:
            return super().encode(image, train=train)
        return self.center(self.posterior(image, train=train))

    def center(self, posterior: Any) -> jax.Array:
        """Returns the code of each image, [batch, latent_size], from its posterior."""
        if self.config.num_steps == 0:
            return super().center(posterior)
        mean = posterior.gaussian.mean[None]
        return self._move(mean, jnp.zeros_like(mean), posterior.image, self.mass())[0][0]

    def draw(self, posterior: Any, key: jax.Array, num: int = 1) -> Draw:
        """Returns draws from each posterior, [num, batch, latent_size], and their densities."""
        if self.config.num_steps == 0:
            return super().draw(posterior, key, num)
        draw = draw_gaussian(posterior.gaussian, key, num)
        mass = self.mass()
        start = mass.momentum(draw.latent, jax.random.normal(jax.random.fold_in(key, 1), draw.latent.shape))
        latent, momentum = self._move(draw.latent, start / jnp.sqrt(self._tempering()), posterior.image, mass)
        growth = mass.log_density(draw.latent, start) - mass.log_density(latent, momentum)
        return Draw(latent, draw.log_density + growth)

    def rate(self, posterior: Any, draw: Draw) -> jax.Array:
        """Returns the posteriors' KL to the prior, [batch], with steps that of the draw."""
        if self.config.num_steps == 0:
            return super().rate(posterior, draw)
        return draw.log_density - self.prior().log_density(draw.latent)

    def kl(self, posterior: Any, draw: Draw) -> jax.Array:
        """Returns the rate as the loss counts it, [batch]."""
        return self.rate(posterior, draw) if self.config.num_steps else super().kl(posterior, draw)

    def _tempering(self) -> jax.Array:
        """Returns β at first."""
        return jax.nn.sigmoid(self.raw_tempering.astype(jnp.float32))

    def _move(
        self, latent: jax.Array, momentum: jax.Array, image: jax.Array, mass: Mass
    ) -> tuple[jax.Array, jax.Array]:
        """Returns draws and momenta [num, batch, units] after the steps."""
        if self.is_initializing():
            self.decode(latent[0])  # Which makes the decoder's parameters; steps need them.
            return latent, momentum
        decoder, variables = self.decoder.unbind()
        # The channel of a learned scale, if there is one.
        scale = self.complete(jnp.zeros((1, *self.output_shape)))[..., self.output_shape[-1] :]
        images = jnp.broadcast_to(image[None], (len(latent), *image.shape)).reshape(-1, *image.shape[1:])
        prior, likelihood = self.prior(), self.config.likelihood

        def energy(latent: jax.Array) -> jax.Array:
            """The sum of −log p(x, z) of draws."""
            output: Any = decoder.apply(variables, latent.reshape(-1, latent.shape[-1]), train=False)
            more = jnp.broadcast_to(scale, (*output.shape[:-1], scale.shape[-1]))
            output = jnp.concatenate([output.astype(jnp.float32), more], axis=-1)
            return jnp.sum(likelihood.loss(output, images)) - jnp.sum(prior.log_density(latent))

        step_size = 2 * self.config.step_size * jax.nn.sigmoid(self.raw_step_size.astype(jnp.float32))
        # √β after each step, from its first value to 1 as the square of the step.
        share = jnp.square(jnp.linspace(0, 1, self.config.num_steps + 1))
        root = 1 / (share + (1 - share) / jnp.sqrt(self._tempering()))
        cooling = root[:-1] / root[1:]
        return leapfrog(jax.grad(energy), latent, momentum, step_size[None, None], cooling, mass, self.num_iterations)


class HamiltonianVae(SteppingAutoencoder):
    """The networks of `HamiltonianVaeConfig`."""

    config: HamiltonianVaeConfig
