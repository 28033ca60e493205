"""A generator: a trained autoencoder that stays as it is, and a sampler of its codes."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from aejax.autoencoders.base import Autoencoder
from aejax.data.resident import Batch, ResidentData, map_examples
from aejax.objectives.priors import PriorDistribution
from aejax.samplers.base import FITTED, Sampler, code_space
from aejax.samplers.zoo import make_sampler

SAMPLER = "sampler"  # What a generator calls its sampler.
IMAGES_AT_ONCE = 500  # Drawn and decoded in a block: part of what decides the bits of an image.


class Generator(nn.Module):
    """Images by p(code), the sampler, and the expected image of a code, the autoencoder's."""

    autoencoder: Autoencoder
    sampler: Sampler

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the terms of the sampler's loss of the codes of a batch, each [batch]."""
        if self.is_initializing():
            self.autoencoder.decode_code(self.autoencoder.code(batch.image), batch.label)
            self._own_prior()
        if batch.code is None:
            batch = batch._replace(code=jax.lax.stop_gradient(self.autoencoder.code(batch.image)))
        return self.sampler.terms(batch, train=train)

    def code(self, image: jax.Array) -> jax.Array:
        """Returns the autoencoder's codes of images as it sees them, [batch, size]."""
        return self.autoencoder.code(image)

    def generate(self, num: int, key: jax.Array, label: jax.Array | None = None) -> jax.Array:
        """Returns images of `num` sampled codes, as the autoencoder sees images: [num, height, width, channels].

        `label`, int32 [num], is the label of each for a conditional family; None: labels are drawn by the key, each
        class with the same probability.
        """
        return self.decode(self.sample(num, key), self.draw_labels(num, key) if label is None else label)

    def decode(self, code: jax.Array, label: jax.Array | None) -> jax.Array:
        """Returns the expected images of codes, of these labels, as the autoencoder sees images."""
        return self.autoencoder.config.likelihood.mean(self.autoencoder.decode_code(code, label))

    def draw_labels(self, num: int, key: jax.Array) -> jax.Array | None:
        """Returns labels, int32 [num], each class equally probable; None if the family takes no labels."""
        if self.autoencoder.config.condition is None:
            return None
        return jax.random.randint(jax.random.fold_in(key, 1), (num,), 0, self.autoencoder.num_classes or 1)

    def generate_classes(self, num: int, key: jax.Array, num_classes: int) -> jax.Array:
        """Returns images of `num` sampled codes with each of the first classes, [num, classes, height, width, ...]."""
        code, label = self.sample(num, key), jnp.arange(num_classes)
        images = self.decode(jnp.repeat(code, num_classes, axis=0), jnp.tile(label, num))
        return images.reshape(num, num_classes, *images.shape[1:])

    def sample(self, num: int, key: jax.Array) -> jax.Array:
        """Returns `num` codes, [num, size]: the sampler's, or if that is the prior and it was learned, the family's."""
        prior = self._own_prior()
        return self.sampler.sample(num, key) if prior is None else prior.sample(key, num)

    def _own_prior(self) -> PriorDistribution | None:
        """Returns the prior that the autoencoder learned, if that is what is sampled; None otherwise."""
        wanted = not self.sampler.config.OF_TRAINING_CODES and self.autoencoder.config.has_own_prior
        return self.autoencoder.prior() if wanted else None


def make_generator(autoencoder: Autoencoder, config: Any) -> Generator:
    """Returns the generator of an autoencoder and a sampler's config, unbound."""
    return Generator(autoencoder, make_sampler(config, code_space(autoencoder)))


def add_codes(generator: Generator, at_once: int, variables: Any, data: ResidentData) -> ResidentData:
    """Returns the data with the codes of training and validation images.

    Args:
      generator: whose autoencoder makes them.
      at_once: the most images in a block.
      variables: of the generator.
      data: with the images.
    """

    def codes(split: str) -> jax.Array:
        encode = lambda indices: generator.apply(variables, data.batch(split, indices).image, method="code")  # noqa: E731
        return map_examples(encode, data.size(split), at_once)

    return data.replace(code={split: codes(split) for split in ("train", "validation") if data.size(split)})


def fit_at_once(generator: Generator, seed: Any, variables: Any, data: ResidentData) -> Any:
    """Returns the generator's variables with what its sampler knows without training, from codes by `add_codes`."""
    if generator.sampler.config.ON_HOST or data.code is None:
        return variables
    return variables | in_place(generator.sampler.fit(data.code["train"], seed))


def fit_on_host(sampler: Sampler, code: np.ndarray, seeds: list[int]) -> dict[str, Any]:
    """Fits samplers in host memory; returns the variables to begin with, arrays [members, ...].

    `code` is [members, examples, size], and each member has a seed.
    """
    fitted = [sampler.fit(own, seed) for own, seed in zip(code, seeds, strict=True)]
    return in_place({name: np.stack([own[name] for own in fitted]) for name in fitted[0]})


def in_place(fitted: Any) -> dict[str, Any]:
    """Variables of a generator that hold what was fitted at once."""
    return {FITTED: {SAMPLER: dict(fitted)}} if fitted else {}
