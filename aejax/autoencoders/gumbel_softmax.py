"""The categorical variational autoencoder, by relaxed draws (Jang, Gu and Poole, 2017; Maddison et al., 2017)."""

import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.quantized import QuantizedAutoencoder, QuantizedConfig
from aejax.config import NonNegativeFloat, PositiveFloat, PositiveInt, outlasting, traced
from aejax.data.resident import Batch
from aejax.networks.layers import flatten
from aejax.networks.quantizers import straight_through
from aejax.objectives.divergences import uniform_kl
from aejax.objectives.likelihoods import LearnedGaussian, Likelihood


@dataclasses.dataclass(frozen=True, kw_only=True)
class GumbelSoftmaxConfig(QuantizedConfig):
    """Loss: −log p(x|y) + Σ KL(q(·|x) ‖ uniform), y ~ softmax((log q(·|x) + Gumbel noise) / temperature) for each code.

    The temperature falls from `temperature` to `final_temperature` within `anneal_epochs`, exponentially. Outside
    training y is the one-hot vector of the likeliest category.

    Source: Jang, Gu and Poole, "Categorical reparameterization with Gumbel-softmax", 2017, equation 2.

    Departures: the KL is that of the categorical posterior, in closed form; Maddison et al. take that of the relaxed
    one.
    """

    TERMS: ClassVar[tuple[str, ...]] = (*QuantizedConfig.TERMS, "kl")

    kind: Literal["gumbel_softmax"] = "gumbel_softmax"
    latent_size: PositiveInt = 32  # Categories: a code's vector is the one-hot of its category.
    likelihood: Likelihood = LearnedGaussian()  # Of the pixels, given the decoder's output.
    temperature: PositiveFloat = traced(1.0)  # Of the draws, at first.
    final_temperature: PositiveFloat = traced(0.5)  # And in the end.
    anneal_epochs: NonNegativeFloat = traced(10.0)  # In which it falls from one to the other, exponentially.

    def warnings(self, config: Any) -> Iterator[str]:
        """Yields what goes together with the whole config, but is hardly meant."""
        yield from super().warnings(config)
        consequence = f"the temperature does not fall to autoencoder.final_temperature={self.final_temperature:g}"
        epochs = config.training.epochs
        yield from outlasting("autoencoder.anneal_epochs", self.anneal_epochs, "training.epochs", epochs, consequence)

    @property
    def num_categories(self) -> int:
        """How many values each index of a code takes."""
        return self.latent_size


class GumbelSoftmax(QuantizedAutoencoder):
    """The networks of `GumbelSoftmaxConfig`."""

    config: GumbelSoftmaxConfig

    def quantize(self, vectors: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns one-hot vectors of the likeliest categories, with the gradient of the probabilities."""
        del train
        return straight_through(jax.nn.softmax(vectors), self.look_up(self.indices(vectors)))

    def indices(self, vectors: jax.Array) -> jax.Array:
        """Returns the codes, int32 [batch, codes]."""
        return jnp.argmax(vectors, axis=-1).astype(jnp.int32)

    def look_up(self, code: jax.Array) -> jax.Array:
        """Returns the one-hot vectors of codes, [batch, codes, latent_size]."""
        return jax.nn.one_hot(code, self.config.latent_size)

    def heat(self, batch: Batch) -> jax.Array:
        """Returns the temperature by now, a scalar."""
        config = self.config
        progress = 1.0 if batch.epoch is None else batch.epoch / jnp.maximum(config.anneal_epochs, 1e-6)
        ratio = jnp.asarray(config.final_temperature / config.temperature)
        return config.temperature * ratio ** jnp.minimum(progress, 1.0)

    def draw(self, logits: jax.Array, temperature: jax.typing.ArrayLike) -> jax.Array:
        """Returns relaxed draws of one-hot vectors, of the shape of the logits (stream "noise")."""
        noise = jax.random.gumbel(self.noise_key(train=True), logits.shape)
        return jax.nn.softmax((logits + noise) / temperature)

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction and the KL, [batch] each."""
        logits = self.preactivate(batch.image, train=train)
        latent = self.draw(logits, self.heat(batch)) if train else self.quantize(logits)
        return {
            "reconstruction": self.reconstruction(flatten(latent), batch, train=train),
            "kl": jnp.sum(uniform_kl(logits), axis=1),
        }
