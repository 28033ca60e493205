"""The ladder network: every layer is denoised, and labels are learned on the noisy path (Rasmus et al., 2015)."""

import dataclasses
from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.config import NonNegativeFloat, PositiveInt, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.networks.dense import Dense
from aejax.networks.ladder import LadderDecoder, LadderEncoder, Noise, Rung
from aejax.networks.zoo import Encoder
from aejax.objectives.likelihoods import HalfSquaredError, Likelihood


@dataclasses.dataclass(frozen=True, kw_only=True)
class LadderConfig(Family):
    """Loss: −log p(x | ẑ₀) · 2 λ₀ / m₀ + Σ λₗ ‖zₗ − (ẑₗ − μₗ) / σₗ‖² / mₗ over the layers l of the encoder.

    With the half squared error the first term is λ₀ ‖x − ẑ₀‖² / m₀. zₗ is a layer's product with its input,
    standardized by the batch's mean μₗ and deviation σₗ, mₗ its number of units. ẑₗ estimates zₗ from the same layer of
    a path with Gaussian noise on image and layers, and from the estimate above it. λ₀ is `image_weight`, λ₁
    `first_weight`, that of the latent `latent_weight`, that of layers between `weight`. The Γ-model has
    `latent_weight` alone. The latent is a score of each class: with labels (`semi_supervised`) set `latent_size` to
    their number. Labels are learned on the noisy path, and images are classified on the one without noise. Outside
    training there is no noise, and statistics are running ones.

    Source: Rasmus, Valpola, Honkala, Berglund and Raiko, "Semi-supervised learning with ladder networks", 2015.

    Departures: running statistics are those of all training batches, in the authors' code of the labelled ones. The
    likelihood may be another than that of squares. A latent alone is decoded with μ(u) of the combinator for each
    estimate, as nothing is known of the layers' z.
    """

    CONDITIONAL: ClassVar[bool] = False
    LAYERWISE: ClassVar[bool] = False
    CLASSIFIES: ClassVar[bool] = True
    NEEDS_BIASES: ClassVar[bool] = True

    kind: Literal["ladder"] = "ladder"
    encoder: Encoder = Dense(widths=(1000, 500, 250, 250, 250), initializer="lecun_normal")
    latent_size: PositiveInt = 10  # The number of classes, if there are labels.
    likelihood: Likelihood = HalfSquaredError(output="identity")  # Of the pixels, given the estimate of the image.
    image_noise: NonNegativeFloat = traced(0.3)  # Standard deviation of the noise on the image.
    noise: NonNegativeFloat = traced(0.3)  # On each layer, where every unit has a standard deviation of 1.
    image_weight: NonNegativeFloat = traced(1000.0)  # Of the image's reconstruction.
    first_weight: NonNegativeFloat = traced(10.0)  # Of denoising the first hidden layer.
    weight: NonNegativeFloat = traced(0.1)  # Of the hidden layers above it, each.
    latent_weight: NonNegativeFloat = traced(0.1)  # Of the latent.

    def term_names(self) -> tuple[str, ...]:
        """Returns the names of the loss's terms: one for each layer, the latent's is the last."""
        return (*self.TERMS, *(f"denoising_{layer}" for layer in range(1, len(self.encoder.widths) + 2)))

    def layer_weights(self) -> list[Any]:
        """Returns the weights of the layers, from the first hidden one to the latent."""
        num_hidden = len(self.encoder.widths)
        return [*[self.first_weight, *[self.weight] * (num_hidden - 1)][:num_hidden], self.latent_weight]

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns which network has no rungs, or what the latent or the image cannot be; None if all go together."""
        if self.encoder.kind != "dense":
            return f"encoder={self.encoder.kind} has no steps that are denoised; use dense"
        if self.decoder.kind != "mirror":
            return f"decoder={self.decoder.kind} has no steps to those of the encoder; use mirror"
        if self.latent_activation != "identity":
            return f"latent_activation={self.latent_activation}: the latent holds scores of classes; use identity"
        if self.likelihood.outputs(1) > 1:
            return f"likelihood={self.likelihood.kind} needs several outputs a pixel, and a step has one"
        return super().conflict(preprocessing)


class Ladder(Autoencoder):
    """The networks of `LadderConfig`. Outside training nothing is corrupted."""

    config: LadderConfig

    def setup(self) -> None:
        """Makes the networks."""
        config = self.config
        self.encoder = LadderEncoder(config.encoder, config.latent_size)
        self.decoder = self.build_decoder()
        self.make_scale()

    def build_decoder(self) -> nn.Module:
        """Returns the network from the latent, and what is known of the layers below it, to the image."""
        return LadderDecoder(self.config.encoder, self.config.latent_size, self.image_shape)

    def preactivate(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent on the clean path, [batch, latent_size]."""
        latent: jax.Array = self.encoder(image, train=train)
        return latent

    def scores(self, image: jax.Array, *, train: bool) -> jax.Array:
        """Returns the score of each class, [batch, latent_size]: in training on the noisy path."""
        if not train:
            return self.encode(image)
        self.encoder(jax.lax.stop_gradient(image), train=True)  # For its running statistics.
        return self.climb_with_noise(image)[-1].h

    def climb_with_noise(self, image: jax.Array) -> list[Rung]:
        """Returns the noisy path, in training."""
        noise = Noise(self.noise_key(train=True), self.config.image_noise, self.config.noise)
        rungs: list[Rung] = self.encoder.climb(image, noise, train=True)
        return rungs

    def reconstruct(self, image: jax.Array, label: jax.Array | None = None) -> jax.Array:
        """Returns the estimate of the image from the path without noise, of the image's shape."""
        del label
        path = self.encoder.climb(image, None, train=False)
        return self.config.likelihood.mean(self._estimates(path, train=False)[0])

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns how well the image and each layer are denoised, weighted, [batch] each."""
        image, config = batch.image, self.config
        clean = self.encoder.climb(image, None, train=train)
        output, *estimates = self._estimates(self.climb_with_noise(image) if train else clean, train=train)
        scale = 2 * config.image_weight / image[0].size
        terms = {"reconstruction": scale * self.compare(output, image, train=train)}
        for name, weight, rung, estimate in zip(
            config.term_names()[1:], config.layer_weights(), clean[1:], estimates, strict=True
        ):
            error = (estimate - rung.mean[None]) / rung.deviation[None] - rung.z
            terms[name] = weight * jnp.mean(jnp.square(error), axis=1)
        return terms

    def _estimates(self, path: list[Rung], *, train: bool) -> list[jax.Array]:
        """The estimates of each layer's z, [batch, size]; the first is the decoder's output for the image."""
        image, *layers = self.decoder.descend(path[-1].h, [rung.z for rung in path], train=train)
        return [self.complete(image.reshape(-1, *self.output_shape)), *layers]
