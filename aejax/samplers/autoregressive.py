"""A causal transformer of discrete codes."""

import dataclasses
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import optax

from aejax.config import PositiveInt
from aejax.networks.causal import CausalTransformer
from aejax.networks.vit import ViT
from aejax.samplers.base import Sampler, SamplerConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Autoregressive(SamplerConfig):
    """Π_i p(index_i | those before it), places in the order of rows; it learns by −log p(code).

    Source: van den Oord, Vinyals and Kavukcuoglu, "Neural discrete representation learning", 2017, section 3.3, with a
    transformer (Vaswani et al., 2017) in the place of the PixelCNN.
    """

    LEARNED: ClassVar[bool] = True
    CONTINUOUS: ClassVar[bool] = False
    DISCRETE: ClassVar[bool] = True

    kind: Literal["autoregressive"] = "autoregressive"
    width: PositiveInt = 64
    depth: PositiveInt = 2
    heads: PositiveInt = 4

    def conflict(self) -> str | None:
        """Returns which fields do not go together, or None."""
        return f"heads={self.heads} does not divide width={self.width}" if self.width % self.heads else None


class AutoregressiveSampler(Sampler):
    """The sampler of an `Autoregressive` config."""

    config: Autoregressive

    def setup(self) -> None:
        """Makes the transformer."""
        super().setup()
        config = self.config
        assert self.space.num_categories is not None, "codes that are no indices"
        network = ViT(width=config.width, depth=config.depth, heads=config.heads)
        self.transformer = CausalTransformer(network, self.space.size, self.space.num_categories)

    def log_density(self, code: jax.Array) -> jax.Array:
        """Returns log p(code) in nats, [batch]."""
        losses = optax.softmax_cross_entropy_with_integer_labels(self.transformer(code), code)
        return -jnp.sum(losses, axis=-1)

    def sample(self, num: int, key: jax.Array) -> jax.Array:
        """Returns `num` codes, int32 [num, size]."""
        return self.transformer.sample(num, key)
