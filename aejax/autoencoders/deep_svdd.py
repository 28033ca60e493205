"""Deep support vector data description: an encoder whose codes of normal images lie close to one point."""

import dataclasses
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import optax

from aejax.autoencoders.base import Autoencoder, of_training_images
from aejax.autoencoders.family import Family
from aejax.config import NonNegativeFloat, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch, ResidentData
from aejax.networks.dense import Dense
from aejax.networks.layers import BOUNDED
from aejax.networks.zoo import Encoder, has_biases

LEAST = 0.1  # The smallest size of a number of the center: a weight of 0 would give one of 0 at once.


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeepSvddConfig(Family):
    """Loss: ‖encode(x) − c‖² + ½ weight_decay · ‖W‖², where c is the center and W are the encoder's parameters.

    The center is the mean of the codes of all training images before the first step of this loss, and stays as it is;
    numbers of it that are closer to 0 than 0.1 are set to 0.1 or −0.1. With `training.pretraining_epochs` the network
    is first trained as a plain autoencoder. How strange an image is is its squared distance from the center. Nothing is
    reconstructed: the loss does not train the decoder. If a layer had biases, or an activation had bounds on both
    sides, weights of 0 could bring all images to the center, whatever they show (propositions 2 and 3 of the paper);
    such networks are refused.

    Source: Ruff, Vandermeulen, Goernitz, Deecke, Siddiqui, Binder, Müller and Kloft, "Deep one-class classification",
    2018: one-class Deep SVDD, equation 4.

    Departures: the soft boundary of equation 3, which lets some training images lie outside, is left out.
    """

    TERMS: ClassVar[tuple[str, ...]] = ("distance", "decay")
    LAYERWISE: ClassVar[bool] = False
    PRETRAINED: ClassVar[bool] = True
    CONDITIONAL: ClassVar[bool] = False
    RECONSTRUCTS: ClassVar[bool] = False
    SCORES_STRANGENESS: ClassVar[bool] = True

    kind: Literal["deep_svdd"] = "deep_svdd"
    encoder: Encoder = Dense(widths=(256,), activation="leaky_relu", bias=False)
    weight_decay: NonNegativeFloat = traced(1e-6)  # Of the encoder's parameters, half their squared norm.

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns by what all images could be brought to the center, or None."""
        if has_biases(self.encoder):
            able = "use encoder.bias=false" if hasattr(self.encoder, "bias") else "use dense, conv or lenet"
            return f"encoder={self.encoder.kind} has biases, by which all images could be put on the center; {able}"
        for name, value in (
            ("encoder.activation", getattr(self.encoder, "activation", None)),
            ("latent_activation", self.latent_activation),
        ):
            if value in BOUNDED:
                return (
                    f"{name}={value} has bounds, at which a unit is the same for all images, as a bias would be; use "
                    "leaky_relu, or of the latent identity"
                )
        return super().conflict(preprocessing)


class DeepSvdd(Autoencoder):
    """The networks of `DeepSvddConfig`, and the center, which is no parameter."""

    config: DeepSvddConfig

    def setup(self) -> None:
        """Makes the networks and the center."""
        super().setup()
        self.center = self.variable("one_class", "center", jnp.zeros, (self.config.latent_size,))

    def begin(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables with the center of the training images' codes; the model is not bound to any."""
        mean = jnp.mean(of_training_images(self, variables, data), axis=0)
        center = jnp.where(mean < 0, jnp.minimum(mean, -LEAST), jnp.maximum(mean, LEAST))
        return {**variables, "one_class": {"center": center}}

    def strangeness(self, image: jax.Array) -> jax.Array:
        """The squared distance of each image's code from the center, [batch]."""
        return self._distance(self.encode(image))

    def _distance(self, code: jax.Array) -> jax.Array:
        return jnp.sum(jnp.square(code.astype(jnp.float32) - self.center.value[None]), axis=1)

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the distance from the center and the size of the parameters, the same for all images, [batch]."""
        code = self.encode(batch.image, train=train)
        if self.is_initializing():
            self.decode(code, train=train)  # Makes its parameters, whether it is pre-trained or not.
        weights = [module.variables.get("params", {}) for module in (self.encoder, self.latent)]
        square = optax.tree.norm(optax.tree.cast(weights, jnp.float32), squared=True)
        decay = jnp.broadcast_to(0.5 * self.config.weight_decay * square, code.shape[:1])
        return {"distance": self._distance(code), "decay": decay}
