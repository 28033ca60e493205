"""What all likelihoods have, and what a family and a measure may ask of them."""

import abc
import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import jax

Scale = Literal["none", "parameter", "batch"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaseLikelihood(abc.ABC):
    """What all have. DISCRETE is whether `loss` is of a probability, and not of a density, of images as stored.

    WHOLE is whether `loss` compares images as wholes, so that it is not a sum over their pixels, and there is none of a
    part of an image.
    """

    SCALE: ClassVar[Scale] = "none"
    DISCRETE: ClassVar[bool] = False
    WHOLE: ClassVar[bool] = False
    if TYPE_CHECKING:
        kind: str

    def outputs(self, channels: int) -> int:
        """Returns how many numbers the decoder emits for each pixel of an image with so many channels."""
        return channels

    def no_likelihood(self, config: Any) -> str | None:
        """Returns why `loss` is no −log p of the images of a whole config, and what to use instead; None if it is."""
        del config
        return None

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yields why fields of the whole config do not go together with this likelihood."""
        if getattr(self, "output", "sigmoid") != "sigmoid":
            return
        source = config.autoencoder.rescaled_by(config.data.preprocessing)
        if source is not None:
            first = "" if hasattr(self, "output") else "autoencoder.likelihood=gaussian and "
            yield (
                f"{source} gives targets outside [0, 1], which this likelihood "
                f"cannot reach; set {first}autoencoder.likelihood.output=identity"
            )

    def misfits(self, dataset: Any) -> Iterator[str]:
        """Yields why images of a data set have no such likelihood."""
        del dataset
        yield from ()

    @abc.abstractmethod
    def mean(self, output: jax.Array) -> jax.Array:
        """Returns the expected image, of the decoder's output [batch, height, width, outputs]."""

    @abc.abstractmethod
    def loss(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Returns -log p(target | output) of each example, [batch], or what stands for it."""
