"""Which pixels a number comes from that a network computes of an image; images are [n, height, width, channels].

Maps are signed, [n, height, width]: what a pixel adds to the number, summed over its channels. `aejax.explain.checks`
says whether a map deserves belief. All can be traced by `jax.jit`. In memory are as many images at once as a block of
steps or squares, or the draws.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from aejax import rng

# From images [batch, height, width, channels], and what is asked about each, int32 [batch], such as a class or a unit,
# to numbers [batch]. An image's number does not depend on the others of the batch.
Function = Callable[[jax.Array, jax.Array], jax.Array]

STEPS_AT_ONCE = 128


def integrated_gradients(
    function: Function, image: jax.Array, target: jax.Array, baseline: jax.Array, steps: int = 1024
) -> jax.Array:
    """Returns the integrated gradients, [n, height, width].

    They add up to how much larger the function is than at the baseline, up to the error of the midpoint rule. In
    networks of ReLUs the gradient jumps on the way: rules of higher order are no better, and that error falls as
    1 / steps.

    Source: Sundararajan, Taly and Yan, "Axiomatic attribution for deep networks", 2017, equation 1.

    Args:
      function: differentiable.
      image: float [n, height, width, channels].
      target: what is asked about each, int32 [n].
      baseline: an image without content, [height, width, channels].
      steps: gradients on the way from the baseline to the image; a few more, where blocks do not hold as many.
    """
    blocks = -(-steps // STEPS_AT_ONCE)
    steps = -(-steps // blocks) * blocks
    share = ((jnp.arange(steps) + 0.5) / steps).reshape(blocks, -1, 1, 1, 1)

    def one(row: tuple[jax.Array, jax.Array]) -> jax.Array:
        image, target = row
        change = image - baseline

        def block(share: jax.Array) -> jax.Array:
            return jnp.mean(_gradient(function, baseline[None] + share * change[None], target), axis=0)

        return jnp.sum(change * jnp.mean(jax.lax.map(block, share), axis=0), axis=-1)

    return jax.lax.map(one, (image, target))


def smooth_grad(
    function: Function,
    image: jax.Array,
    target: jax.Array,
    baseline: jax.Array,
    noise: float = 0.15,
    draws: int = 100,
) -> jax.Array:
    """Returns the gradient, averaged over noisy copies of the image, times image − baseline: [n, height, width].

    Without that factor it would be how much the number changes with a pixel, and not what the pixel has added to it.
    The noise is the same for every image and at every call.

    Source: Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017, section 2; of the factor section 3.2.

    Args:
      function: differentiable.
      image: float [n, height, width, channels].
      target: what is asked about each, int32 [n].
      baseline: an image without content, [height, width, channels].
      noise: its standard deviation, relative to the range of the image's values.
      draws: noisy copies of each image.
    """
    normal = jax.random.normal(rng.stream(rng.root(0), "smooth grad"), (draws, *image.shape[1:]))

    def one(row: tuple[jax.Array, jax.Array]) -> jax.Array:
        image, target = row
        deviation = noise * (jnp.max(image) - jnp.min(image))
        gradient = _gradient(function, image[None] + deviation * normal, target)
        return jnp.sum((image - baseline) * jnp.mean(gradient, axis=0), axis=-1)

    return jax.lax.map(one, (image, target))


def occlusion(
    function: Function, image: jax.Array, target: jax.Array, baseline: jax.Array, side: int = 5, stride: int = 2
) -> jax.Array:
    """Returns by how much the number falls where a square of the image becomes the baseline, [n, height, width].

    A pixel has the mean over the squares that hold it. Squares reach beyond the image's edges, so that pixels there are
    in as many as others.

    Source: Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2014, section 4.2.

    Args:
      function: any; it is not differentiated.
      image: float [n, height, width, channels].
      target: what is asked about each, int32 [n].
      baseline: an image without content, [height, width, channels].
      side: of the squares, in pixels.
      stride: pixels from a square to the next one, at most `side`.
    """
    height, width = image.shape[1:3]
    rows, columns = (_intervals(size, side, stride) for size in (height, width))
    inside = (rows[:, None, :, None] & columns[None, :, None, :]).reshape(-1, height, width)
    share = inside / jnp.sum(inside, axis=0, keepdims=True)

    def one(row: tuple[jax.Array, jax.Array]) -> jax.Array:
        image, target = row

        def without(square: jax.Array) -> jax.Array:
            occluded = jnp.where(square[..., None], baseline, image)
            return function(occluded[None], target[None])[0]

        left = jax.lax.map(without, inside, batch_size=STEPS_AT_ONCE)
        fall = function(image[None], target[None]) - left
        return jnp.sum(share * fall[:, None, None], axis=0)

    return jax.lax.map(one, (image, target))


def edges(image: jax.Array) -> jax.Array:
    """Returns the magnitude of an image's own gradient, [n, height, width]: no network is in it, so it explains none.

    It looks like an attribution, and stands beside these to show that the checks tell it from one.
    """
    return jnp.sum(jnp.hypot(_slope(image, 1), _slope(image, 2)), axis=-1)


def _slope(image: jax.Array, axis: int) -> jax.Array:
    """Returns an image's gradient along an axis; 0 where that has a single pixel."""
    return jnp.asarray(jnp.gradient(image, axis=axis)) if image.shape[axis] > 1 else jnp.zeros_like(image)


def _gradient(function: Function, image: jax.Array, target: jax.Array) -> jax.Array:
    """Returns the gradient of the number of each image by that image, of the images' shape; `target` is of all."""
    return jax.grad(lambda image: jnp.sum(function(image, jnp.repeat(target, len(image)))))(image)


def _intervals(size: int, side: int, stride: int) -> jax.Array:
    """Returns which places each interval of `side` holds, of intervals a stride apart, bool [intervals, size]."""
    first = jnp.arange(1 - side, size, stride)[:, None]
    coordinate = jnp.arange(size)[None]
    return (first <= coordinate) & (coordinate < first + side)
