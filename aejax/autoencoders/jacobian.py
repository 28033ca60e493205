"""What families share whose code is to change little with the image: a penalty on the encoder's Jacobian."""

import dataclasses
from collections.abc import Callable
from typing import ClassVar, Literal

import jax

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.config import NonNegativeFloat, PositiveInt, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.networks.dense import Dense
from aejax.networks.layers import ACTIVATIONS, Activation
from aejax.networks.zoo import Encoder
from aejax.objectives.penalties import JacobianNorm, dense_layer_norm, exact_norm, hutchinson_norm


@dataclasses.dataclass(frozen=True, kw_only=True)
class JacobianFamily(Family):
    """Loss: −log p(x | decode(h)) + weight · ‖J(x)‖²_F with h = encode(x), J = ∂h/∂x, and what a family adds to it."""

    TERMS: ClassVar[tuple[str, ...]] = ("reconstruction", "contraction")

    encoder: Encoder = Dense(widths=())
    latent_size: PositiveInt = 256
    latent_activation: Activation = "sigmoid"
    weight: NonNegativeFloat = traced(0.1)  # Of the squared norm of the Jacobian.
    # closed_form: of one dense layer; exact: latent_size backward passes; hutchinson: an unbiased estimate.
    jacobian: Literal["closed_form", "exact", "hutchinson"] = "hutchinson"
    num_probes: PositiveInt = 1  # Backward passes of the hutchinson estimate.

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns why the Jacobian has no closed form, or is none of a single image, or None."""
        if getattr(self.encoder, "norm", None) == "batch":
            return (
                "encoder.norm=batch makes a code depend on the other images of its batch, and its derivatives with it; "
                "use encoder.norm=group"
            )
        if self.jacobian == "closed_form" and (not isinstance(self.encoder, Dense) or self.encoder.widths):
            return (
                "jacobian=closed_form is that of a single dense layer, and this encoder has others before the latent; "
                "use jacobian=hutchinson, or encoder=dense with encoder.widths=[]"
            )
        return super().conflict(preprocessing)


class JacobianAutoencoder(Autoencoder):
    """The networks of a `JacobianFamily`. A family with further penalties overrides `penalties`.

    Outside training nothing is random: the hutchinson estimate's probes are fixed.
    """

    config: JacobianFamily

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction and the weighted penalties, each [batch]."""
        # Makes the parameters, and takes note of the batch's statistics, neither of which a pure function can.
        self.encode(batch.image, train=train)
        probes_key, noise_key = jax.random.split(self.noise_key(train=train))
        norm = self._norm(probes_key, train=train)
        latent, sketch = norm.sketch(batch.image)
        reconstruction = self.reconstruction(latent, batch, train=train)
        return {"reconstruction": reconstruction} | self.penalties(norm, batch.image, sketch, noise_key)

    def penalties(
        self, norm: JacobianNorm, image: jax.Array, sketch: jax.Array, key: jax.Array
    ) -> dict[str, jax.Array]:
        """Returns the weighted penalties on the encoder's Jacobian by the names of their terms, each [batch].

        Args:
          norm: how Jacobians are measured.
          image: [batch, height, width, channels].
          sketch: of the Jacobian at the image.
          key: of whatever is random in a penalty.
        """
        del image, key
        return {"contraction": self.config.weight * norm.squared(sketch)}

    def _norm(self, key: jax.Array, *, train: bool) -> JacobianNorm:
        """Returns how the config wants the Jacobian's norm computed."""
        config = self.config
        if config.jacobian == "closed_form":
            kernel = self.variables["params"]["latent"]["kernel"]
            return dense_layer_norm(
                ACTIVATIONS[config.latent_activation], self._function("preactivate", train=train), kernel
            )
        encode = self._function("encode", train=train)
        return exact_norm(encode) if config.jacobian == "exact" else hutchinson_norm(encode, key, config.num_probes)

    def _function(self, method: str, *, train: bool) -> Callable[[jax.Array], jax.Array]:
        """Returns a method as a pure function of the image, once its parameters are there.

        Flax forbids that JAX differentiates the methods of a module that is being applied.
        """
        model, variables = self.unbind()
        statistics = [name for name in variables if name != "params"]

        def call(image: jax.Array) -> jax.Array:
            return model.apply(variables, image, train=train, method=method, mutable=statistics)[0]

        return call
