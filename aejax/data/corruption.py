"""Random corruptions of a network's input, from which a denoising autoencoder is to find back to the image.

Masking, noise, and salt and pepper are those of Vincent et al. (2010, section 3.3), drawn for each component of each
image by itself, where the paper masks or sets a fixed share of them; a deformation moves or recolors the image as a
whole.
Strengths are traced (but for a shift, whose pixels are counted): a sweep over them is one population.
"""

import dataclasses
from typing import Annotated, ClassVar, Literal

import jax
import jax.numpy as jnp
from pydantic import Field

from aejax.config import NonNegativeFloat, NonNegativeInt, PositiveFloat, Rate, traced
from aejax.data.augmentation import Augmentation, augment


@dataclasses.dataclass(frozen=True, kw_only=True)
class Masking:
    """Components are set to 0."""

    NEEDS_UNIT_INTERVAL: ClassVar[bool] = False

    kind: Literal["masking"] = "masking"
    rate: Rate = traced(0.25)  # Probability that a component is masked.

    def corrupt(self, key: jax.Array, x: jax.Array) -> jax.Array:
        """Returns x with components masked, of its shape."""
        return jnp.where(jax.random.bernoulli(key, self.rate, x.shape), 0.0, x)


@dataclasses.dataclass(frozen=True, kw_only=True)
class GaussianNoise:
    """Noise is added."""

    NEEDS_UNIT_INTERVAL: ClassVar[bool] = False

    kind: Literal["gaussian"] = "gaussian"
    scale: NonNegativeFloat = traced(0.3)  # Standard deviation; pixels lie in [0, 1].

    def corrupt(self, key: jax.Array, x: jax.Array) -> jax.Array:
        """Returns x with noise added, of its shape; it may leave [0, 1]."""
        return x + self.scale * jax.random.normal(key, x.shape)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SaltAndPepper:
    """Components are set to 0 or 1, each with half the probability."""

    NEEDS_UNIT_INTERVAL: ClassVar[bool] = True

    kind: Literal["salt_and_pepper"] = "salt_and_pepper"
    rate: Rate = traced(0.25)  # Probability that a component is set.

    def corrupt(self, key: jax.Array, x: jax.Array) -> jax.Array:
        """Returns x with components set to 0 or 1, of its shape."""
        draw = jax.random.uniform(key, x.shape)
        return jnp.where(draw < 0.5 * self.rate, 0.0, jnp.where(draw < self.rate, 1.0, x))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Deformation(Augmentation):
    """Images are moved (their colors may change as well), and seen in their old place by the loss alone.

    The reconstruction of least error is the mean of all images that may have been moved to this one. It differs little
    between the places that an image can be moved to, and so the code need not tell them apart, where an autoencoder of
    augmented images must.
    """

    NEEDS_UNIT_INTERVAL: ClassVar[bool] = True

    kind: Literal["deformation"] = "deformation"
    rotation: PositiveFloat | None = traced(20.0)
    shift: NonNegativeInt = 2

    def corrupt(self, key: jax.Array, x: jax.Array) -> jax.Array:
        """Returns images [batch, height, width, channels], each changed by itself."""
        return augment(self, key, x)


Corruption = Annotated[Masking | GaussianNoise | SaltAndPepper | Deformation, Field(discriminator="kind")]
