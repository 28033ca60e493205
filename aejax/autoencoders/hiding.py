"""What families have in common that hide squares of an image and predict them from the others."""

import dataclasses
import math
from typing import ClassVar

import jax
import jax.numpy as jnp

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.config import OpenRate
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.networks.convolutional import indivisible
from aejax.networks.masks import Masks, Pattern, draw_masks, num_hidden, put_squares, take_squares

_EPSILON = 1e-6  # Added to the variance of a square before it is divided by its root.


@dataclasses.dataclass(frozen=True, kw_only=True)
class HidingConfig(Family):
    """The fields of families whose loss is of the squares that they do not see."""

    CONDITIONAL: ClassVar[bool] = False
    LAYERWISE: ClassVar[bool] = False

    ratio: OpenRate = 0.75  # Share of the squares that are hidden.
    mask: Pattern = "random"  # Which squares are hidden together: any, rectangles, or all but an even grid.
    normalize: bool = False  # Whether a square's pixels are predicted less its own mean, over its own deviation.

    @property
    def side(self) -> int:
        """The side of the squares, in pixels."""
        raise NotImplementedError

    def rescaled_by(self, preprocessing: Kind) -> str | None:
        """Returns the field that gives the targets another range than [0, 1], as a message names it, or None."""
        return super().rescaled_by(preprocessing) or ("autoencoder.normalize=true" if self.normalize else None)

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that the likelihood is none of parts of an image, or None."""
        if self.likelihood.WHOLE:
            return (
                f"likelihood={self.likelihood.kind} compares whole images, and the loss is of hidden squares alone; "
                "use half_squared_error"
            )
        return super().conflict(preprocessing)

    def grid(self, image_shape: tuple[int, ...]) -> tuple[int, int]:
        """Returns the rows and columns of squares."""
        return image_shape[0] // self.side, image_shape[1] // self.side

    def misfit(self, image_shape: tuple[int, ...]) -> str | None:
        """Returns that squares do not fill images of a shape, or that all of them are hidden, or none; None else."""
        misfit = indivisible(image_shape, self.side, f"hidden squares are {self.side} pixels high and wide")
        if misfit:
            return misfit
        total = math.prod(self.grid(image_shape))
        hidden = num_hidden(self.ratio, total)
        if total == 1:
            return f"a square of {self.side} pixels is the whole image, so none is left to predict it from; use less"
        if hidden == total:
            return f"ratio={self.ratio:g} hides all {total} squares of an image; use at most {(total - 1) / total:.3g}"
        if hidden == 0:
            return f"ratio={self.ratio:g} hides none of the {total} squares of an image; use at least {1 / total:.3g}"
        return None


class Hiding(Autoencoder):
    """An autoencoder whose loss is of hidden squares; `predict` of a family predicts them from the visible ones.

    Squares are handled as strips: several squares of an image, one below the other (`aejax.networks.masks`).
    """

    config: HidingConfig

    def draw(self, num_images: int, *, train: bool) -> Masks:
        """Returns masks of images: in training drawn anew, outside always the same."""
        config = self.config
        grid = config.grid(self.image_shape)
        hidden = num_hidden(config.ratio, math.prod(grid))
        return draw_masks(self.noise_key(train=train), num_images, grid, hidden, config.mask)

    def predict(self, image: jax.Array, masks: Masks, *, train: bool) -> jax.Array:
        """Returns the likelihood's parameters for the hidden squares, [batch, hidden · side, side, outputs].

        They depend on the visible squares alone.
        """
        raise NotImplementedError

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns −log p(hidden squares given the visible ones) as `reconstruction`, [batch]; a sum over pixels."""
        masks = self.draw(batch.image.shape[0], train=train)
        output = self.predict(batch.image, masks, train=train)
        return {"reconstruction": self.compare(output, self.target(batch.image, masks), train=train)}

    def target(self, image: jax.Array, masks: Masks) -> jax.Array:
        """Returns the hidden squares as they are to be predicted, [batch, hidden · side, side, channels]."""
        strip = take_squares(image, masks.hidden, self.config.side)
        if not self.config.normalize:
            return strip
        mean, deviation = self._moments(strip)
        return (strip - mean) / deviation

    def reconstruct(self, image: jax.Array, label: jax.Array | None = None) -> jax.Array:
        """Returns reconstructions of the images' shape; each square is predicted while it is hidden.

        Several masks, each with as many hidden squares as in training, hide each square at least once. Pixels that are
        predicted relative to a square's own mean and deviation are given these back.
        """
        del label
        order, result = self.draw(image.shape[0], train=False).order, image
        total = order.shape[1]
        hidden = num_hidden(self.config.ratio, total)
        for last in range(total, 0, -hidden):
            first = max(last - hidden, 0)
            rest = jnp.concatenate([order[:, :first], order[:, first + hidden :]], axis=1)
            masks = Masks(rest, order[:, first : first + hidden])
            strip = self.config.likelihood.mean(self.predict(image, masks, train=False))
            if self.config.normalize:
                mean, deviation = self._moments(take_squares(image, masks.hidden, self.config.side))
                strip = strip * deviation + mean
            result = put_squares(result, masks.hidden, strip)
        return result

    def _moments(self, strip: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns mean and standard deviation of each square of strips, at each of its pixels, of the strips' shape."""
        side = self.config.side
        squares = strip.reshape(strip.shape[0], -1, side, side, strip.shape[-1])
        axes = (2, 3, 4)
        mean = jnp.mean(squares, axis=axes, keepdims=True)
        deviation = jnp.sqrt(jnp.var(squares, axis=axes, keepdims=True) + _EPSILON)
        spread = [jnp.broadcast_to(value, squares.shape).reshape(strip.shape) for value in (mean, deviation)]
        return spread[0], spread[1]
