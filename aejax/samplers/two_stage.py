"""A second variational autoencoder, of the codes of the first."""

import dataclasses
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.vae import Vae, VaeConfig
from aejax.config import PositiveInt
from aejax.data.resident import Batch
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import LearnedGaussian
from aejax.samplers.base import SamplerConfig, Standardizing
from aejax.samplers.flow import Widths


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwoStage(SamplerConfig):
    """p(code) = ∫ p(code|u) N(u; 0, I) du: a VAE with as many units as the code and a learned deviation.

    Source: Dai and Wipf, "Diagnosing and enhancing VAE models", 2019, section 4.
    """

    LEARNED: ClassVar[bool] = True

    kind: Literal["two_stage"] = "two_stage"
    widths: Widths = (256, 256)
    latent_size: PositiveInt | None = None  # Of u; null: the code's.


class TwoStageSampler(Standardizing):
    """The sampler of a `TwoStage` config."""

    config: TwoStage

    def setup(self) -> None:
        """Makes the second autoencoder, to which a code is an image of one row."""
        super().setup()
        family = VaeConfig(
            encoder=Dense(widths=self.config.widths),
            latent_size=self.config.latent_size or self.space.size,
            likelihood=LearnedGaussian(output="identity"),
        )
        self.second = Vae(family, (1, self.space.size, 1))

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the terms of the second autoencoder's loss of standardized codes, [batch] each."""
        assert batch.code is not None
        x = self.standardize(batch.code)
        return self.second.terms(batch._replace(image=x[:, None, :, None]), train=train)

    def sample(self, num: int, key: jax.Array) -> jax.Array:
        """Returns `num` codes, [num, size]: the second decoder's mean, and noise of its deviation."""
        latent_key, noise_key = jax.random.split(key)
        output = self.second.decode(self.second.prior().sample(latent_key, num))
        mean = self.second.config.likelihood.mean(output)[:, 0, :, 0]
        deviation = jnp.exp(output[:, 0, :, -1])
        return self.restore(mean + deviation * jax.random.normal(noise_key, mean.shape))
