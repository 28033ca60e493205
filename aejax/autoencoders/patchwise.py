"""Autoencoders of patches: any family trains on patches of images, and its encoder gives the images' features."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax import rng
from aejax.autoencoders.base import Autoencoder
from aejax.data.resident import Batch, ResidentData, map_examples, training_arrays
from aejax.networks import patches
from aejax.networks.layers import flatten
from aejax.networks.patches import PatchLayer
from aejax.networks.whitening import Whitening, fit_whitening, no_whitening

_DRAWN_AT_ONCE = 1000  # Images whose patches are drawn at once, to fit a whitening to them.


class Patchwise(Autoencoder):
    """A family's autoencoder of patches, as an autoencoder of images; its parameters have the names of the family's.

    Images are float32 [batch, height, width, channels], preprocessed. The collection "patches" holds the whitening.
    """

    config: Any  # A Family with `patches`.
    family: type[Autoencoder] = Autoencoder

    def setup(self) -> None:
        """Makes the family's networks, of patches."""
        self.autoencoder = self.family(self._config_of_patch, self.patch_shape)
        nn.share_scope(self, self.autoencoder)
        none = no_whitening(jnp.zeros(self.patch_shape).size)
        self.whitening = self.variable("patches", "whitening", none._asdict)

    @property
    def patches(self) -> PatchLayer:
        """The config of its patches."""
        config: PatchLayer = self.config.patches
        return config

    @property
    def patch_shape(self) -> tuple[int, ...]:
        """The shape of a patch, [size, size, channels]."""
        return self.patches.patch_shape(self.image_shape)

    @property
    def _config_of_patch(self) -> Any:
        return dataclasses.replace(self.config, patches=None)

    def init_from_data(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables with the whitening of training patches, and the family's begin with such patches."""
        return self.init_from_patches(variables, self._some_patches(data))

    def init_from_patches(self, variables: Any, patch: jax.Array) -> Any:
        """Returns the same of patches [n, *patch_shape]."""
        variables = self.whitened(variables, patch)
        drawn: Any = self.apply(variables, patch, method="normalize")
        family = self.family(self._config_of_patch, self.patch_shape, parent=None)
        return {**family.init_from_data(variables, training_arrays(image=drawn)), "patches": variables["patches"]}

    def init_whitening(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables with the whitening of training patches alone."""
        return variables if self.patches.whitening is None else self.whitened(variables, self._some_patches(data))

    def whitened(self, variables: Any, patch: jax.Array) -> Any:
        """Returns the variables with the whitening of patches [n, *patch_shape]."""
        if self.patches.whitening is None:
            return variables
        whitening = fit_whitening(_without_contrast(patch, self.patches), self.patches.whitening)._asdict()
        return {**variables, "patches": {**variables.get("patches", {}), "whitening": whitening}}

    def training_patches(self, variables: Any, data: ResidentData) -> jax.Array:
        """The patches of training images to which the whitening is fitted, as the family sees them."""
        patch: Any = self.apply(variables, self._some_patches(data), method="normalize")
        return jnp.asarray(patch)

    def _some_patches(self, data: ResidentData) -> jax.Array:
        return some_patches(data, self.patches.fitted_to, self.patches.size)

    def normalize(self, patch: jax.Array) -> jax.Array:
        """Returns patches [n, *patch_shape] as the family sees them."""
        rows = _without_contrast(patch, self.patches)
        return (rows if self.patches.whitening is None else self._whitening().apply(rows)).reshape(patch.shape)

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the terms of the family's loss, each [batch]: means over the patches drawn of an image."""
        return self.terms_of_patches(self._draw(batch, train=train), train=train)

    def terms_of_patches(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the same of patches that are drawn, `per_image` of each image."""
        return self._means(self.autoencoder.terms(self._seen(batch), train=train))

    def layer_terms(self, batch: Batch, *, train: bool, layer: int) -> dict[str, jax.Array]:
        """Returns how well one dense layer and its mirror reconstruct the layer's input, [batch]."""
        seen = self._seen(self._draw(batch, train=train))
        return self._means(self.autoencoder.layer_terms(seen, train=train, layer=layer))

    def _draw(self, batch: Batch, *, train: bool) -> Batch:
        num = self.patches.per_image
        drawn = patches.draw_patches(self.noise_key(train=train), batch.image, self.patches.size, num)
        return batch_of_patches(batch, drawn, num)

    def _seen(self, batch: Batch) -> Batch:
        return batch._replace(image=self.normalize(batch.image))

    def _means(self, terms: dict[str, jax.Array]) -> dict[str, jax.Array]:
        return {name: jnp.mean(term.reshape(-1, self.patches.per_image), axis=1) for name, term in terms.items()}

    def features(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """The features for classifiers, [batch, cells · responses]: responses at all places, rectified and pooled."""
        return patches.pooled(self.responses(image, train=train), self.patches)

    def responses(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """The family's linear responses at all places of images of any size, [batch, rows, columns, responses]."""
        at_places = patches.patches_at_all_places(image, self.patches)
        patch = self.normalize(at_places.reshape(-1, *self.patch_shape))
        return self.autoencoder.response(patch, train=train).reshape(*at_places.shape[:3], -1)

    def encode(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """The latent of an image: its features."""
        return self.features(image, train=train)

    def reconstruct(self, image: jax.Array, label: jax.Array | None = None) -> jax.Array:
        """Returns images made of reconstructed patches beside each other, of the images' shape.

        Each keeps the mean and the contrast of its patch. Where the last patches overlap others, they count.
        """
        del label
        size, result = self.patches.size, jnp.zeros(image.shape, jnp.float32)
        for row in patches.tiles(self.image_shape[0], size):
            for column in patches.tiles(self.image_shape[1], size):
                patch = image[:, row : row + size, column : column + size]
                result = result.at[:, row : row + size, column : column + size].set(self._reconstruct_patch(patch))
        return result

    def _reconstruct_patch(self, patch: jax.Array) -> jax.Array:
        rows = flatten(self.autoencoder.reconstruct(self.normalize(patch)))
        rows = rows if self.patches.whitening is None else self._whitening().invert(rows)
        if self.patches.contrast is not None:
            mean, deviation = patches.contrast(flatten(patch), self.patches.contrast)
            rows = rows * deviation + mean
        return rows.reshape(patch.shape)

    def _whitening(self) -> Whitening:
        return Whitening(**self.whitening.value)


def some_patches(data: ResidentData, num: int, size: int, step: int = 1) -> jax.Array:
    """About `num` patches of training images at even distances, [n, size, size, channels]; always the same.

    Places are `step` pixels apart.
    """
    num_images = min(data.size("train"), num)
    each = -(-num // num_images)
    chosen = data.evenly("train", num_images)

    def block(indices: jax.Array) -> jax.Array:
        image = data.batch("train", chosen[indices]).image
        key = rng.at(jax.random.key(0), indices[0])
        drawn = patches.draw_patches(key, image, size, each, step)
        return drawn.reshape(len(indices), each, *drawn.shape[1:])

    drawn = map_examples(block, num_images, _DRAWN_AT_ONCE)
    return drawn.reshape(-1, *drawn.shape[2:])


def batch_of_patches(batch: Batch, patch: jax.Array, num: int) -> Batch:
    """A batch of images as one of patches, `num` of each image."""
    label = None if batch.label is None else jnp.repeat(batch.label, num)
    size = None if batch.dataset_size is None else batch.dataset_size * num
    return batch._replace(image=patch, label=label, dataset_size=size)


def _without_contrast(patch: jax.Array, config: PatchLayer) -> jax.Array:
    """Flattens patches [n, ...] to rows of mean 0 and like contrast, if that is wanted."""
    rows = flatten(patch)
    if config.contrast is None:
        return rows
    mean, deviation = patches.contrast(rows, config.contrast)
    return (rows - mean) / deviation
