"""What every family of autoencoders has: an encoder, a latent, a decoder, a likelihood, and the terms of a loss."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.autoencoders import conditions
from aejax.config import PositiveInt, optional_part
from aejax.data.load import Dataset
from aejax.data.preprocessing import WITHIN_UNIT, Kind
from aejax.data.resident import Batch, ResidentData
from aejax.errors import ConfigError
from aejax.networks.dense import Dense
from aejax.networks.layers import ACTIVATIONS, Activation, flatten, make_dense
from aejax.networks.patches import LayerAbove, PatchesConfig, layers_above
from aejax.networks.zoo import Decoder, Encoder, Mirror, has_biases, make_decoder, make_encoder
from aejax.objectives.likelihoods import HalfSquaredError, Likelihood

SCALE_DECAY = 0.99  # Of the average of a scale that each batch has its own of.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """The fields that every family's config has.

    TERMS are the names of the loss's terms. LAYERWISE is whether dense layers can be trained one by one, each with its
    mirror in the decoder. PRETRAINED is whether it is rather trained as a whole, as a plain autoencoder, before its own
    loss, which is of images and not of patches. OPPONENTS are networks with a loss of their own: the name of each among
    the parameters (it may be the decoder, or a single parameter), and of the terms that it learns by, which are no part
    of the family's loss. Nothing else learns by these, and they learn by nothing else. POSTERIOR is whether the encoder
    gives a distribution, and the loss bounds a likelihood. NEEDS_OTHERS is whether the loss compares the codes of a
    batch with each other. DISCRETE is whether the code is a row of indices. CLASSIFIES is whether it has scores of the
    classes itself, so that a classifier has no layer of its own. CONDITIONAL is whether its decoder can take labels.
    NEEDS_BIASES is whether the layers of its encoder must have biases. RECONSTRUCTS is whether its loss trains a
    decoder. SCORES_STRANGENESS is whether it says by something else than a reconstruction how strange an image is.
    """

    TERMS: ClassVar[tuple[str, ...]] = ("reconstruction",)
    LAYERWISE: ClassVar[bool] = True
    PRETRAINED: ClassVar[bool] = False
    OPPONENTS: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]] = ()
    POSTERIOR: ClassVar[bool] = False
    NEEDS_OTHERS: ClassVar[bool] = False
    DISCRETE: ClassVar[bool] = False
    CLASSIFIES: ClassVar[bool] = False
    CONDITIONAL: ClassVar[bool] = True
    NEEDS_BIASES: ClassVar[bool] = False
    RECONSTRUCTS: ClassVar[bool] = True
    SCORES_STRANGENESS: ClassVar[bool] = False
    if TYPE_CHECKING:
        kind: str

    encoder: Encoder = Dense()  # The network from the image to the latent.
    decoder: Decoder = Mirror()  # The network back; mirror: the encoder read backwards.
    latent_size: PositiveInt = 32  # Units of the latent.
    latent_activation: Activation = "identity"  # Applied to each unit of the latent.
    likelihood: Likelihood = HalfSquaredError()  # Of the pixels, given the decoder's output.
    patches: PatchesConfig | None = optional_part()  # Of which it is an autoencoder; null: of whole images.
    condition: Literal["label"] | None = None  # What the decoder is given beside the latent; null: nothing.

    def num_draws(self) -> int:
        """Returns from how many codes each image is reconstructed in a step."""
        return 1

    @property
    def title(self) -> str:
        """Its kind, and whether it is of patches, as messages name it."""
        return self.kind if self.patches is None else f"{self.kind} (of patches)"

    @property
    def has_posterior(self) -> bool:
        """Whether there is a distribution of the code of an image."""
        return self.POSTERIOR and self.patches is None

    @property
    def has_prior(self) -> bool:
        """Whether the loss draws codes to a distribution that images can be drawn by."""
        return self.has_posterior

    @property
    def has_gaussian_posterior(self) -> bool:
        """Whether that distribution is a Gaussian with a diagonal covariance."""
        return self.has_posterior

    @property
    def has_indices(self) -> bool:
        """Whether the code of an image is a row of indices."""
        return self.DISCRETE and self.patches is None

    @property
    def num_own_clusters(self) -> int | None:
        """To how many clusters it assigns images itself; None: it has none."""
        return None

    @property
    def classifies(self) -> bool:
        """Whether labels train its own `scores`, and no further layer."""
        return self.CLASSIFIES and self.patches is None

    @property
    def num_scores(self) -> int | None:
        """Of how many classes it has scores, if a field says so; None: of as many as the data have, or none."""
        return self.latent_size if self.classifies else None

    @property
    def needs_label(self) -> bool:
        """Whether an image is reconstructed by its label."""
        return self.condition is not None

    @property
    def refresh_epochs(self) -> int | None:
        """Every how many epochs of its own loss the model's `refresh` is asked for other variables; None: never."""
        return None

    @property
    def num_above(self) -> int:
        """How many layers are trained after the first, each on the maps of the layer below it."""
        return 0 if self.patches is None else len(self.patches.above)

    def of_layer(self, layer: LayerAbove) -> "Family":
        """The family by which a group of a layer above is trained."""
        changes: dict[str, Any] = {"patches": layer, "latent_size": layer.units // layer.groups}
        return dataclasses.replace(self, **changes)

    @property
    def has_own_prior(self) -> bool:
        """Whether codes are drawn to another distribution than N(0, I)."""
        return False

    def networks(self) -> dict[str, Encoder | Decoder]:
        """Returns the descriptions of its networks by the names of their fields."""
        return {"encoder": self.encoder, "decoder": self.decoder}

    def term_names(self) -> tuple[str, ...]:
        """Returns the names of the loss's terms: TERMS, unless they depend on the fields."""
        return self.TERMS

    def opponents(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Returns the networks with a loss of their own: OPPONENTS, unless they depend on the fields."""
        return self.OPPONENTS

    def rescaled_by(self, preprocessing: Kind) -> str | None:
        """Returns the field that gives the targets another range than [0, 1], as a message names it, or None."""
        if preprocessing not in WITHIN_UNIT:
            return f"data.preprocessing={preprocessing}"
        return None if self.patches is None else "autoencoder.patches"

    def misfit(self, image_shape: tuple[int, ...]) -> str | None:
        """Returns which field does not go with images (or patches) of a shape, [height, width, channels], or None."""
        del image_shape
        return None

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns which fields of the family do not go together, or with the data's preprocessing; None if all do."""
        del preprocessing
        return None

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yields why fields of the whole config do not go together with this family."""
        if self.NEEDS_OTHERS and config.training.batch_size == 1:
            kind = config.autoencoder.kind
            yield f"training.batch_size=1: '{kind}' compares the codes of a batch with each other; make it larger"
        conflict = self.conflict(config.data.preprocessing)
        if conflict is not None:
            yield f"autoencoder={config.autoencoder.kind}: {conflict}"
        if self.NEEDS_BIASES and not has_biases(self.encoder):
            yield f"autoencoder.encoder.bias=false: layers of '{self.kind}' need biases; use true"
        if self.condition is not None:
            yield from conditions.conflicts(self, config)
        if self.PRETRAINED and self.patches is not None:
            yield f"autoencoder.patches: the loss of '{self.kind}' is of whole images; use patches=null"
        if self.patches is not None:
            yield from self._conflicts_above(self.patches, config.data.preprocessing)
        yield from self.likelihood.conflicts(config)

    def _conflicts_above(self, patches: PatchesConfig, preprocessing: Kind) -> Iterator[str]:
        """Yields why it cannot be trained in the layers that patches have above."""
        if patches.third is not None and patches.second is None:
            yield "autoencoder.patches: there is a third layer, and no second one; set second, or third=null"
        if patches.above and (self.opponents() or self.DISCRETE):
            yield f"autoencoder.patches: '{self.kind}' can only be trained in one layer; use second=null, third=null"
        for name, layer in layers_above(patches).items():
            conflict = self.of_layer(layer).conflict(preprocessing)
            if conflict is not None:
                size = layer.units // layer.groups
                yield f"autoencoder.patches.{name}, groups of {size} units, with autoencoder={self.kind}: {conflict}"

    def warnings(self, config: Any) -> Iterator[str]:
        """Yields what goes together with the whole config, but is hardly meant."""
        del config
        yield from ()

    def misfits(self, config: Any, dataset: Dataset, others: Mapping[str, Dataset]) -> Iterator[str]:
        """Yields why the family cannot be trained on a data set."""
        del config, others
        if self.condition is not None:
            yield from conditions.misfits(self, dataset)
        shape = dataset.train.image.shape[1:]
        if self.patches is not None:
            misfit = self.patches.misfit_of_layers(shape, self.latent_size)
            if misfit:
                yield f"autoencoder.patches does not fit {dataset.name}: {misfit}"
                return
            shapes = self.patches.patch_shapes(shape, self.latent_size)
        else:
            shapes = [shape]
        for (name, network), of_input in itertools.product(self.networks().items(), shapes):
            misfit = network.misfit(of_input)
            if misfit:
                yield f"autoencoder.{name}={network.kind} does not fit {dataset.name}: {misfit}"
        for of_input in shapes:
            misfit = self.misfit(of_input)
            if misfit:
                yield f"autoencoder={self.kind} does not fit {dataset.name}: {misfit}"
        yield from self.likelihood.misfits(dataset)


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


def _append(output: jax.Array, scale: jax.Array) -> jax.Array:
    """Returns an output in float32 with a scalar as a last channel."""
    output = output.astype(jnp.float32)
    channel = jnp.broadcast_to(scale.astype(jnp.float32), (*output.shape[:-1], 1))
    return jnp.concatenate([output, channel], axis=-1)
