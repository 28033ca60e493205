"""What generated images are judged beside: real ones, and a Gaussian of pixels."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from aejax.data import preprocessing
from aejax.data.resident import ResidentData
from aejax.data.streamed import indexable
from aejax.evaluation.generation import gaussian_like
from aejax.evaluation.pca import MOST_DECOMPOSED
from aejax.methods.images import ImageMethod
from aejax.samplers.base import FITTED, CodeSpace
from aejax.samplers.drawing import Draw, draw_splits, to_stored
from aejax.samplers.gaussian import FullGaussian, GaussianSampler
from aejax.training.step import Task

MOST_IMAGES = 20_000  # Training images to which the Gaussian of pixels is fitted, at most.
_READS = ("data", "evaluation", *(f"generation.{name}" for name in ("num_samples", "num_neighbors", "features")))


class RealImages(ImageMethod):
    """Training images, as if they had been drawn."""

    reads = _READS
    draws = False

    def images(self, task: Task | None, variables: Any, data: ResidentData, num: Mapping[str, int]) -> dict[str, Any]:
        """The first training images."""
        del task, variables
        return {split: indexable(data.image["train"])[:count] for split, count in num.items()}


class PixelGaussian(ImageMethod):
    """Draws from a Gaussian with the mean and the covariance of the training images' pixels."""

    reads = _READS

    def images(self, task: Task | None, variables: Any, data: ResidentData, num: Mapping[str, int]) -> dict[str, Any]:
        """Draws pixels."""
        del task, variables
        return draw_splits(_gaussian_of_pixels(data), num)


def _gaussian_of_pixels(data: ResidentData) -> Draw:
    stored = jnp.asarray(data.image["train"][:MOST_IMAGES])
    num_pixels = stored[0].size
    if num_pixels > min(len(stored), MOST_DECOMPOSED):
        return lambda num, key: to_stored(data, gaussian_like(stored, num, key))
    pixels = preprocessing.to_unit(stored)
    sampler = GaussianSampler(FullGaussian(), CodeSpace(num_pixels))
    fitted = {FITTED: dict(sampler.fit(pixels.reshape(len(pixels), -1), 0))}

    def draw(num: int, key: jax.Array) -> jax.Array:
        drawn: Any = sampler.apply(fitted, num, key, method="sample")
        return to_stored(data, drawn.reshape(num, *pixels.shape[1:]))

    return draw
