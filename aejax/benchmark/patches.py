"""Features of patches as a contender: extracting them from images, and classifying 60,000 images by them."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aejax.autoencoders.k_sparse import KSparseConfig
from aejax.autoencoders.zoo import make_autoencoder
from aejax.benchmark.ours import random_images
from aejax.data import preprocessing
from aejax.data.resident import ResidentData, map_examples
from aejax.evaluation.linear import RIDGE, accuracies_in_blocks
from aejax.evaluation.suite import Representation
from aejax.networks.patches import PatchesConfig
from aejax.training.flops import matmul_flops
from aejax.training.setup import set_up_jax

_SHAPE, _CLASSES = (32, 32, 3), 100
_SPLITS = {"train": 45_000, "validation": 5_000, "test": 10_000}
_STRENGTHS = (0.01, 0.003, 0.001, 0.0003)  # Those of the experiment natural_images.
_Variables = dict[str, Any]


def make_runner(what: str, units: int, num_images: int = 2000) -> Any:
    """Returns a runner of "features" of random images, or of "ridge": features, and ridge regression on them."""
    set_up_jax()
    model: Any = make_autoencoder(KSparseConfig(latent_size=units, k=5, patches=PatchesConfig()), _SHAPE)
    variables = model.init(jax.random.key(0), jnp.zeros((1, *_SHAPE)), method="features")
    at_once = model.config.patches.images_at_once(_SHAPE, units)
    return _Features(model, variables, at_once, num_images) if what == "features" else _Ridge(model, variables, at_once)


def _features(model: Any, variables: _Variables, stored: jax.Array) -> Any:
    return model.apply(variables, preprocessing.to_unit(stored), method="features")


class _Features:
    def __init__(self, model: Any, variables: _Variables, at_once: int, num_images: int):
        self._num, self._variables = num_images, variables
        self._image = jnp.asarray(random_images(_SHAPE, num_images))
        features = functools.partial(_features, model)
        self._flops = matmul_flops(features, variables, self._image[:at_once]) / at_once
        self._run = jax.jit(
            lambda variables, image: map_examples(lambda index: features(variables, image[index]), num_images, at_once)
        )

    def run(self) -> float:
        jax.block_until_ready(self._run(self._variables, self._image))
        return self._num

    def facts(self) -> dict[str, Any]:
        return {"flops_per_image": self._flops}


class _Ridge:
    def __init__(self, model: Any, variables: _Variables, at_once: int):
        labels = np.random.default_rng(1)
        data = ResidentData(
            image={split: random_images(_SHAPE, num) for split, num in _SPLITS.items()},
            label={split: labels.integers(0, _CLASSES, num).astype(np.int32) for split, num in _SPLITS.items()},
            preprocessing=preprocessing.fit("none", random_images(_SHAPE, 1)),
        )
        self._arguments = jax.device_put((variables, data))

        def work(variables: _Variables, data: ResidentData) -> dict[str, jax.Array]:
            representation = Representation(functools.partial(_features, model, variables), at_once=at_once)
            return accuracies_in_blocks(representation, data, {RIDGE: _STRENGTHS}, num_classes=_CLASSES)

        self._run = jax.jit(work)

    def run(self) -> float:
        jax.block_until_ready(self._run(*self._arguments))
        return 1

    def facts(self) -> dict[str, Any]:
        return {}
