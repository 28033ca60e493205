"""The samplers by name. A new sampler is a file beside this one, with a config and a module, and its line here."""

import dataclasses
from typing import Annotated, Any, Literal

from aejax.config import NonNegativeInt, PositiveInt
from aejax.registry import Registry
from aejax.samplers.autoregressive import AutoregressiveSampler
from aejax.samplers.base import CodeSpace, Sampler, SamplerConfig
from aejax.samplers.flow import FlowSampler
from aejax.samplers.flow_matching import FlowMatchingSampler
from aejax.samplers.gaussian import GaussianSampler
from aejax.samplers.kernel_density import KernelDensitySampler
from aejax.samplers.mixture import MixtureSampler
from aejax.samplers.prior import PriorSampler
from aejax.samplers.two_stage import TwoStageSampler
from aejax.training.optimizers import Adam, Cosine, Optimizer

CLASSIFIER = "classifier"


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoSampler(SamplerConfig):
    """None: the study generates no images."""

    kind: Literal["none"] = "none"


SAMPLERS: Registry[type[Sampler]] = Registry(
    "sampler",
    (
        PriorSampler,
        GaussianSampler,
        MixtureSampler,
        KernelDensitySampler,
        FlowSampler,
        TwoStageSampler,
        FlowMatchingSampler,
        AutoregressiveSampler,
    ),
)
AnySampler = Annotated[SamplerConfig, SAMPLERS.beside(NoSampler)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenerationConfig:
    """By which distribution of codes a trained autoencoder generates, how that is learned, and how it is judged."""

    sampler: AnySampler = NoSampler()
    # Of samplers that are trained; all others are fitted at once.
    epochs: NonNegativeInt = 20
    batch_size: PositiveInt = 256
    optimizer: Optimizer = Adam(learning_rate=1e-3, schedule=Cosine())
    # Generated images that are compared with as many real ones; at most as many as a split, or training, has.
    num_samples: PositiveInt = 10_000
    num_neighbors: PositiveInt = 5  # Of precision, recall, density and coverage.
    # What images are compared by: a "classifier" that is trained for it, or what --features names.
    features: str = CLASSIFIER


def make_sampler(config: Any, space: CodeSpace) -> Sampler:
    """Returns the sampler that a config describes, for codes of a space; unbound."""
    return SAMPLERS[config.kind](config, space)
