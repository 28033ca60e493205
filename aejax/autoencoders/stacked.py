"""Autoencoders of patches in layers: each is trained on patches of the pooled maps of the layer below it."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.patchwise import Patchwise, batch_of_patches, some_patches
from aejax.data.resident import Batch, ResidentData, map_examples
from aejax.networks import patches
from aejax.networks.patches import NAMES_ABOVE, LayerAbove, PatchesConfig

_FITTED_AT_ONCE = 1000  # Crops of images whose maps are computed at once to fit what is fitted to them.


class Grouped(nn.Module):
    """A layer of maps: autoencoders of patches, one for each group of maps, all alike but in their parameters.

    Its variables have the groups as their first axis. The collection "patches" holds which maps are a group's.
    """

    config: Any  # A Family, with the `LayerAbove` as its `patches`, and the units of a group.
    maps_shape: tuple[int, ...]  # [rows, columns, maps]
    family: type[Autoencoder]

    def setup(self) -> None:
        """Makes the autoencoder of a group."""
        self.group = self.of_group()
        if self.layer.group_size is not None:
            shape = (self.layer.groups, self.layer.group_size)
            first = lambda: jnp.arange(shape[0] * shape[1], dtype=jnp.int32).reshape(shape) % self.maps_shape[-1]  # noqa: E731
            self.maps = self.variable("patches", "maps", first)

    @property
    def layer(self) -> LayerAbove:
        """Its config."""
        config: LayerAbove = self.config.patches
        return config

    def of_group(self, **given: Any) -> Patchwise:
        """Makes the autoencoder of a group, of patches of the maps that the group sees."""
        return Patchwise(self.config, self.layer.seen(self.maps_shape), family=self.family, **given)

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the terms of the family's loss, each [batch], of patches of maps; sums over groups."""
        of_group = lambda group, maps: group.terms_of_patches(batch._replace(image=maps), train=train)  # noqa: E731
        return {name: jnp.sum(term, axis=0) for name, term in self._map(of_group, batch.image).items()}

    def responses(self, maps: jax.Array, *, train: bool = False) -> jax.Array:
        """The linear responses at all places of maps, [batch, rows, columns, units]."""
        response = self._map(lambda group, maps: group.responses(maps, train=train), maps)
        response = jnp.moveaxis(response, 0, -2)
        return response.reshape(*response.shape[:-2], -1)

    def _map(self, function: Callable[[Patchwise, jax.Array], Any], maps: jax.Array) -> Any:
        over_groups = nn.vmap(function, variable_axes={True: 0}, split_rngs={"params": True, "noise": True})
        return over_groups(self.group, self.split(maps))

    def split(self, maps: jax.Array) -> jax.Array:
        """Returns the maps [..., maps] that each group sees, [groups, ..., group_size]."""
        if self.layer.group_size is None:
            return jnp.broadcast_to(maps[None], (self.layer.groups, *maps.shape))
        return jnp.moveaxis(maps[..., self.maps.value], -2, 0)

    def prepare(self, variables: Any, maps: jax.Array, *, begin: bool) -> Any:
        """Returns its variables with groups and whitening fitted to patches of maps, [n, size, size, maps].

        `begin` is whether the family's begin with such patches.
        """
        layer = self.layer
        if layer.group_size is not None:
            rows = maps.reshape(-1, maps.shape[-1])
            chosen = patches.similar_maps(rows, layer.groups, layer.group_size, layer.whitening)
            variables = {**variables, "patches": {**variables["patches"], "maps": chosen}}
        own: Any = self.apply(variables, maps, method="split")
        group = self.of_group(parent=None)
        fit = group.init_from_patches if begin else group.whitened
        given = {name: part["group"] for name, part in variables.items() if "group" in part}
        # One after another: XLA's eigenvalues of several matrices wait for threads that, where several devices of a CPU
        # ask for them, wait too, for ever.
        fitted = jax.lax.map(lambda of_group: fit(*of_group), (given, own))
        return {**variables, **{name: {**variables[name], "group": part} for name, part in fitted.items()}}


class Stacked(Patchwise):
    """A family's autoencoder of patches, and layers above it. Code and reconstruction are those of the first layer.

    Source: Coates and Ng, "Selecting receptive fields in deep networks", 2011.
    """

    def setup(self) -> None:
        """Makes the family's networks of all layers."""
        super().setup()
        for layer in range(self.config.num_above):
            setattr(self, NAMES_ABOVE[layer], self._above(layer))

    @property
    def stack(self) -> PatchesConfig:
        """The config of all layers."""
        config: PatchesConfig = self.config.patches
        return config

    def _above(self, layer: int, **given: Any) -> Grouped:
        above = self.stack.above[layer]
        maps_shape = self.stack.shapes(self.image_shape, self.config.latent_size)[layer + 1]
        return Grouped(self.config.of_layer(above), maps_shape, self.family, **given)

    def features(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """The features for classifiers, [batch, size]: of all layers beside each other, or of the last."""
        layers = zip(self.stack.layers, self._responses(image, self.config.num_above + 1, train=train), strict=True)
        features = [patches.pooled(response, layer) for layer, response in layers]
        return jnp.concatenate(features, axis=1) if self.stack.features_of == "all" else features[-1]

    def _responses(self, image: jax.Array, num: int, *, train: bool = False) -> list[jax.Array]:
        """The responses of the first layers, [batch, rows, columns, units] each, to images of any size."""
        responses = [self.responses(image, train=train)]
        for layer in range(num - 1):
            maps = self._maps(responses[layer], layer)
            responses.append(getattr(self, NAMES_ABOVE[layer]).responses(maps, train=train))
        return responses

    def _maps(self, response: jax.Array, layer: int) -> jax.Array:
        return patches.maps_of(response, self.stack.layers[layer], self.stack.above[layer])

    def maps(self, image: jax.Array, layer: int) -> jax.Array:
        """The maps that a layer above sees of images of any size, [batch, rows, columns, maps]."""
        return self._maps(self._responses(image, layer + 1)[-1], layer)

    def above_terms(self, batch: Batch, *, train: bool, layer: int) -> dict[str, jax.Array]:
        """Returns the terms of the family's loss of a layer above, each [batch]; nothing below learns by them.

        Of each image, crops are drawn that are as large as one patch of maps needs.
        """
        (side, step), num = self.stack.crop(layer + 1), self.stack.above[layer].per_image
        crop = patches.draw_patches(self.noise_key(train=train), batch.image, side, num, step)
        maps = jax.lax.stop_gradient(self.maps(crop, layer))
        terms: dict[str, jax.Array] = getattr(self, NAMES_ABOVE[layer]).terms(
            batch_of_patches(batch, maps, num), train=train
        )
        return terms

    def prepare_above(self, variables: Any, data: ResidentData, layer: int) -> Any:
        """Returns the variables with a layer's groups and whitening fitted to maps, and its begin with these."""
        return self._fit(variables, data, layer, begin=True)

    def init_whitening(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables with the whitening of patches alone, and the groups, of all layers."""
        variables = super().init_whitening(variables, data)
        for layer in range(self.config.num_above):
            variables = self._fit(variables, data, layer, begin=False)
        return variables

    def _fit(self, variables: Any, data: ResidentData, layer: int, *, begin: bool) -> Any:
        above, name = self.stack.above[layer], NAMES_ABOVE[layer]
        if above.whitening is None and above.group_size is None and not begin:
            return variables
        crop = some_patches(data, above.fitted_to, *self.stack.crop(layer + 1))
        maps = map_examples(
            lambda index: self.apply(variables, crop[index], layer, method="maps"), len(crop), _FITTED_AT_ONCE
        )
        own = {collection: part[name] for collection, part in variables.items() if name in part}
        fitted = self._above(layer, parent=None).prepare(own, maps, begin=begin)
        return variables | {collection: {**variables[collection], name: part} for collection, part in fitted.items()}
