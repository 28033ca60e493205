"""A causal transformer of categories: what each of a row of indices may be, given those before it."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.networks.layers import make_dense
from aejax.networks.vit import TransformerBlock, ViT


class CausalTransformer(nn.Module):
    """Blocks in which a place sees itself and those before it, and a logit for each category.

    Of `config` the width, depth, heads, expansion, activation and initializer count.
    """

    config: ViT
    length: int
    num_categories: int

    def setup(self) -> None:
        """Makes the embeddings and the blocks."""
        config = self.config
        self.embedding = nn.Embed(self.num_categories + 1, config.width)  # The last is what stands before the first.
        self.position = self.param("position", nn.initializers.normal(0.02), (self.length, config.width))
        self.blocks = [TransformerBlock(config) for _ in range(config.depth)]
        self.norm = nn.LayerNorm()
        self.head = make_dense(self.num_categories, config.initializer)

    def __call__(self, index: jax.Array) -> jax.Array:
        """Returns the logits of each place, [batch, length, num_categories], for int32 indices [batch, length]."""
        before = jnp.pad(index[:, :-1], ((0, 0), (1, 0)), constant_values=self.num_categories)
        tokens = self.embedding(before) + self.position[None]
        for block in self.blocks:
            tokens = block(tokens, attend=_causal)
        return self.head(self.norm(tokens))

    def sample(self, num: int, key: jax.Array) -> jax.Array:
        """Returns `num` rows of indices, int32 [num, length], each position drawn given those before it.

        The keys and values of positions that are done are kept, so a position costs what it costs in training.
        """
        config = self.config
        network, variables = self.unbind()
        shape = (config.depth, num, self.length, config.heads, config.width // config.heads)

        def draw(carry: Any, index: jax.Array) -> Any:
            last, keys, values = carry
            following: Any = network.apply(variables, last, keys, values, index, method="_next")
            logits, keys, values = following
            drawn = jax.random.categorical(jax.random.fold_in(key, index), logits).astype(jnp.int32)
            return (drawn, keys, values), drawn

        start = (jnp.full(num, self.num_categories, jnp.int32), jnp.zeros(shape), jnp.zeros(shape))
        return jax.lax.scan(draw, start, jnp.arange(self.length))[1].T

    def _next(
        self, last: jax.Array, keys: jax.Array, values: jax.Array, index: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Returns the logits at a position, and keys and values [depth, batch, length, heads, size] with its own."""
        tokens = (self.embedding(last) + self.position[index][None])[:, None]
        mask = (jnp.arange(self.length) <= index)[None, None, None, :]
        new_keys: list[jax.Array] = []
        new_values: list[jax.Array] = []

        def attend(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
            depth = len(new_keys)
            new_keys.append(jax.lax.dynamic_update_slice_in_dim(keys[depth], key, index, axis=1))
            new_values.append(jax.lax.dynamic_update_slice_in_dim(values[depth], value, index, axis=1))
            return jax.nn.dot_product_attention(query, new_keys[-1], new_values[-1], mask=mask)

        for block in self.blocks:
            tokens = block(tokens, attend=attend)
        return self.head(self.norm(tokens))[:, 0], jnp.stack(new_keys), jnp.stack(new_values)


def _causal(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    return jax.nn.dot_product_attention(query, key, value, is_causal=True)
