"""One of every sort of part: each is refused or found by its kind or name, and works as ours do."""

import dataclasses
import json
from typing import ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax import rng
from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.autoencoders.zoo import FAMILIES
from aejax.config import NonNegativeFloat, PositiveInt, traced
from aejax.data import preprocessing
from aejax.evaluation.suite import Representation
from aejax.measures import zoo as measures
from aejax.measures.base import Measure, Metric
from aejax.methods import zoo as methods
from aejax.methods.base import Method
from aejax.methods.roles import Role
from aejax.networks.layers import flatten, make_dense
from aejax.networks.zoo import NETWORKS
from aejax.objectives.likelihoods import LIKELIHOODS, HalfSquaredError
from aejax.trackers.base import Tracker
from aejax.trackers.zoo import TRACKERS


@LIKELIHOODS.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class FourthPowers(HalfSquaredError):
    kind: Literal["fourth_powers"] = "fourth_powers"

    def loss(self, output, target):
        return jnp.sum((self.mean(output) - target) ** 4, axis=(1, 2, 3))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wide:
    kind: Literal["wide"] = "wide"
    width: PositiveInt = 64
    initializer: Literal["glorot_uniform"] = "glorot_uniform"

    def misfit(self, image_shape):
        return None


class WideEncoder(nn.Module):
    config: Wide

    @nn.compact
    def __call__(self, image, *, train=False):
        return nn.relu(make_dense(self.config.width, self.config.initializer)(flatten(image)))


class WideDecoder(nn.Module):
    config: Wide
    image_shape: tuple[int, ...]

    @nn.compact
    def __call__(self, latent, *, train=False):
        size = self.image_shape[0] * self.image_shape[1] * self.image_shape[2]
        hidden = nn.relu(make_dense(self.config.width, self.config.initializer)(latent))
        return make_dense(size, self.config.initializer)(hidden).reshape(-1, *self.image_shape)


NETWORKS.register((WideEncoder, WideDecoder))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Small(Family):
    TERMS: ClassVar[tuple[str, ...]] = ("reconstruction", "size")
    kind: Literal["small"] = "small"
    weight: NonNegativeFloat = traced(0.1)


@FAMILIES.register
class SmallAutoencoder(Autoencoder):
    """Reconstruction and the squared size of the code."""

    config: Small

    def terms(self, batch, *, train):
        code = self.encode(batch.image, train=train)
        loss = self.config.likelihood.loss(self.decode(code, train=train), batch.image)
        return {"reconstruction": loss, "size": self.config.weight * jnp.sum(code**2, axis=1)}


class RandomProjection(Method):
    """Pixels times a random matrix."""

    reads = ("seed", "data", "evaluation", "autoencoder.latent_size")

    def represent(self, task, variables, config, data):
        shape = data.image["train"][0].size, config.autoencoder.latent_size
        matrix = jax.random.normal(rng.stream(rng.root(config.seed), "init"), shape)
        return Representation(lambda stored: preprocessing.to_unit(stored).reshape(len(stored), -1) @ matrix)


methods.register("random_projection", RandomProjection, Role.BASELINE)


def squared_norm(given):
    return {f"{split}_squared_norm": jnp.mean(jnp.sum(given.features[split] ** 2, axis=1)) for split in given.features}


measures.register(
    Measure(
        name="squared_norm",
        metrics=(Metric("squared_norm", "squared norm", "", False),),
        features=squared_norm,
        note="The squared norm is that of the features.",
    )
)


@TRACKERS.register
class Lines(Tracker):
    kind: Literal["lines"] = "lines"

    def begin(self, population):
        population.folder.mkdir(exist_ok=True)
        self.path = population.folder / "lines.jsonl"
        return [0] * len(population.members)

    def log(self, member, epochs):
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({"member": member, **metrics}) + "\n" for metrics in epochs)

    def finish(self, member, status, metrics):
        self.log(member, [{"status": status, **metrics}])

    def close(self):
        pass
