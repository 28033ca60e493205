"""What every family of autoencoders has: an encoder, a latent, a decoder, a likelihood, and the terms of a loss."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.autoencoders import conditions
from aejax.data.resident import Batch, ResidentData, map_examples
from aejax.errors import ConfigError
from aejax.networks.layers import ACTIVATIONS, flatten, make_dense
from aejax.networks.zoo import examples_at_once, has_biases, make_decoder, make_encoder

SCALE_DECAY = 0.99  # Of the average of a scale that each batch has its own of.


class Autoencoder(nn.Module):
    """The networks of a family; images are float32 [batch, height, width, channels], preprocessed.

    A family overrides what it changes: `corrupt` if its input is not the image itself, `activate` if it works on the
    code, `build_decoder` and `emit` if the decoder is special, `terms` if it has a loss of its own.
    """

    config: Any  # A Family.
    image_shape: tuple[int, ...]
    num_classes: int | None = None  # Of the data's labels; None: there are none, or nobody asks for them.

    def setup(self) -> None:
        """Makes the networks."""
        config = self.config
        self.encoder = make_encoder(config.encoder)
        self.latent = self.build_latent()
        self.decoder = self.build_decoder()
        self.make_scale()

    @property
    def output_shape(self) -> tuple[int, ...]:
        """What the decoder emits for an image: [height, width, numbers for each pixel]."""
        return (*self.image_shape[:-1], self.config.likelihood.outputs(self.image_shape[-1]))

    def build_latent(self) -> nn.Module:
        """Returns the layer from the encoder's features to the latent."""
        encoder = self.config.encoder
        return make_dense(self.config.latent_size, encoder.initializer, use_bias=has_biases(encoder))

    def build_decoder(self) -> nn.Module:
        """Returns the network from the latent to the image."""
        return make_decoder(self.config.decoder, self.config.encoder, self.output_shape)

    def make_scale(self) -> None:
        """Makes what the likelihood's shared scale is kept in, if it has one."""
        if self.config.likelihood.SCALE == "parameter":
            self.log_scale = self.param("log_scale", nn.initializers.zeros, ())
        if self.config.likelihood.SCALE == "batch":
            self.log_scale_average = self.variable("likelihood", "log_scale", jnp.zeros, ())
            self.num_averaged = self.variable("likelihood", "num_averaged", jnp.zeros, (), jnp.int32)

    def init_from_data(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables that training begins with, from those that were drawn; the model is not bound to any.

        Args:
          variables: `params`, and collections that are not parameters.
          data: what it is trained on.
        """
        del data
        return variables

    def begin(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables that a PRETRAINED family's own loss begins with; the model is not bound to any.

        Args:
          variables: as its pre-training left them, or, without that, as `init_from_data` did.
          data: what it is trained on.
        """
        del data
        return variables

    def refresh(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables that the next `refresh_epochs` of the family's own loss begin with; as of `begin`."""
        del data
        return variables

    @property
    def num_layers(self) -> int:
        """The layers of a dense encoder, that of the latent among them."""
        return len(self.config.encoder.widths) + 1

    def noise_key(self, *, train: bool) -> jax.Array:
        """Returns the key of what is drawn: in training of the stream "noise", outside always the same."""
        return self.make_rng("noise") if train else jax.random.key(0)

    def corrupt(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Corrupts the input x of an encoder, or of a layer that is trained by itself."""
        del train
        return x

    def preactivate(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent before its activation, [batch, latent_size]."""
        return self.latent(flatten(self.encoder(image, train=train)))

    def activate(self, preactivation: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent, [batch, latent_size]; in training it may be random (stream "noise")."""
        del train
        return ACTIVATIONS[self.config.latent_activation](preactivation)

    def response(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """The response to a patch, which `Patchwise` rectifies: the latent before its activation, [batch, size]."""
        return flatten(self.preactivate(image, train=train))

    def encode(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent, [batch, latent_size]; `train` is whether layers behave as in training."""
        return self.activate(self.preactivate(image, train=train), train=train)

    def features(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """The features for classifiers, [batch, size]: the latent, unless a family says otherwise."""
        return self.encode(image, train=train)

    def strangeness(self, image: jax.Array) -> jax.Array:
        """How unlike the training images each image is, [batch]: ‖image − its reconstruction‖², unless a family
        SCORES_STRANGENESS otherwise. Images are as the network sees them: after preprocessing.
        """
        return jnp.sum(jnp.square(flatten(image - self.reconstruct(image))), axis=1)

    def scores(self, image: jax.Array, *, train: bool) -> jax.Array:
        """The logits of the classes, [batch, classes], of a family that `classifies`: the latent, unless it has others,
        or in training another path.
        """
        return self.encode(image, train=train)

    def code(self, image: jax.Array) -> jax.Array:
        """The code to which samplers are fitted: the latent, [batch, size], or of a family that is DISCRETE
        indices, int32 [batch, size].
        """
        return self.encode(image)

    def decode_code(self, code: jax.Array, label: jax.Array | None = None) -> jax.Array:
        """Decodes codes as `code` gives them."""
        return self.decode(code, label)

    def decode(self, latent: jax.Array, label: jax.Array | None = None, *, train: bool = False) -> jax.Array:
        """Returns the likelihood's parameters, [batch, height, width, numbers for each pixel].

        Args:
          latent: [batch, latent_size].
          label: int32 [batch], -1 where it is not known; read by a conditional family alone, which needs it.
          train: whether layers behave as in training.
        """
        return self.complete(self.emit(latent, label, train=train))

    def emit(self, latent: jax.Array, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """The decoder's own output, [batch, *output_shape]."""
        return self.decoder(self.tell(latent, label), train=train)

    def tell(self, latent: jax.Array, label: jax.Array | None) -> jax.Array:
        """Returns the decoder's input: the latent, and after it the labels, if the family is conditional."""
        if self.config.condition is None:
            return latent
        if label is None or self.num_classes is None:
            raise ConfigError(
                f"autoencoder.condition={self.config.condition}: '{self.config.kind}' decodes without labels; call "
                "decode(latent, label) of a model that is made for a number of classes, or leave condition out"
            )
        return conditions.append_label(latent, label, self.num_classes)

    def complete(self, output: jax.Array) -> jax.Array:
        """Returns a decoder's output with the logarithm of the shared scale as a last channel, if there is such."""
        if self.config.likelihood.SCALE == "none":
            return output
        from_parameter = self.config.likelihood.SCALE == "parameter"
        scale = self.log_scale if from_parameter else self.log_scale_average.value
        return _append(output, scale)

    def _fit_scale(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Returns a complete output with the scale that suits the batch best, and lets the average follow."""
        output = output[..., :-1]
        scale = self.config.likelihood.fit_scale(_append(output, jnp.zeros(())), target)
        num = self.num_averaged.value
        share = jnp.maximum(1 - SCALE_DECAY, 1 / (1.0 + num))
        self.log_scale_average.value += share * (jax.lax.stop_gradient(scale) - self.log_scale_average.value)
        self.num_averaged.value = num + 1
        return _append(output, scale)

    def reconstruct(self, image: jax.Array, label: jax.Array | None = None) -> jax.Array:
        """Returns the expected image under the likelihood, of the image's shape; the label is as of `decode`."""
        return self.config.likelihood.mean(self.decode(self.encode(image), label))

    def reconstruction(self, latent: jax.Array, batch: Batch, *, train: bool) -> jax.Array:
        """Returns −log p(image | latent), [batch], in nats (with `mean_squared_error`: per pixel).

        Of a conditional family it is −log p(image | latent, label).
        """
        return self.compare(self.decode(latent, batch.label, train=train), batch.image, train=train)

    def compare(self, output: jax.Array, target: jax.Array, *, train: bool) -> jax.Array:
        """Returns −log p(target | output), [batch], for what `decode` gave; a scale of the batch is fitted to it."""
        if train and self.config.likelihood.SCALE == "batch":
            output = self._fit_scale(output, target)
        return self.config.likelihood.loss(output, target)

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the terms of the loss by the names in TERMS, weighted, each [batch]."""
        latent = self.encode(self.corrupt(batch.image, train=train), train=train)
        return {"reconstruction": self.reconstruction(latent, batch, train=train)}

    def pretraining_terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the terms of the loss by which a PRETRAINED family is trained first: those of a plain autoencoder."""
        return Autoencoder.terms(self, batch, train=train)

    def layer_terms(self, batch: Batch, *, train: bool, layer: int) -> dict[str, jax.Array]:
        """Returns how well one dense layer and its mirror reconstruct the layer's input, [batch].

        Greedy pre-training (Bengio et al., 2007; Vincent et al., 2010): the layers before it give that input, never
        corrupted, and stay as they are. Of the family, the corruption and what it does to the code take part.
        """
        last = self.num_layers - 1
        target = jax.lax.stop_gradient(self.encoder(batch.image, part=slice(layer)))
        x = self.corrupt(target, train=train)
        if layer == last:
            code = self.activate(self.latent(x), train=train)
        else:
            code = self.encoder(x, part=slice(layer, layer + 1))
        output = self.decoder(code, part=slice(last - layer, last - layer + 1))
        if layer == 0:
            return {"reconstruction": self.compare(self.complete(output), batch.image, train=train)}
        error = output.astype(jnp.float32) - target.astype(jnp.float32)
        return {"reconstruction": 0.5 * jnp.sum(jnp.square(error), axis=1)}

    def prepare_above(self, variables: Any, data: ResidentData, layer: int) -> Any:
        """Returns the variables that one of the layers above begins with, once those below it are trained."""
        del data, layer
        return variables


def of_training_images(model: Any, variables: Any, data: ResidentData, method: str = "encode") -> jax.Array:
    """Returns the codes of all training images, or what another method gives of them, float32 [images, ...]."""
    num = data.size("train")
    index = data.evenly("train", num)

    def block(chosen: jax.Array) -> jax.Array:
        values: Any = model.apply(variables, data.batch("train", index[chosen]).image, method=method)
        return values.astype(jnp.float32)

    every: jax.Array = map_examples(block, num, examples_at_once(model.config.encoder, model.image_shape))
    return every


def _append(output: jax.Array, scale: jax.Array) -> jax.Array:
    """Returns an output in float32 with a scalar as a last channel."""
    output = output.astype(jnp.float32)
    channel = jnp.broadcast_to(scale.astype(jnp.float32), (*output.shape[:-1], 1))
    return jnp.concatenate([output, channel], axis=-1)
