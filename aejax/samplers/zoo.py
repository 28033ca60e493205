"""The samplers by name. A new sampler is a file beside this one, with a config and a module, and its lines here."""

import dataclasses
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from aejax.config import NonNegativeInt, PositiveInt
from aejax.samplers.autoregressive import Autoregressive, AutoregressiveSampler
from aejax.samplers.base import CodeSpace, Sampler, SamplerConfig
from aejax.samplers.flow import FlowSampler, InverseFlow, MaskedFlow
from aejax.samplers.flow_matching import FlowMatching, FlowMatchingSampler
from aejax.samplers.gaussian import Gaussian, GaussianSampler
from aejax.samplers.kernel_density import KernelDensity, KernelDensitySampler
from aejax.samplers.mixture import Mixture, MixtureSampler
from aejax.samplers.prior import Prior, PriorSampler
from aejax.samplers.two_stage import TwoStage, TwoStageSampler
from aejax.training.optimizers import Adam, Cosine, Optimizer

CLASSIFIER = "classifier"


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoSampler(SamplerConfig):
    """None: the study generates no images."""

    kind: Literal["none"] = "none"


AnySampler = Annotated[
    NoSampler
    | Prior
    | Gaussian
    | Mixture
    | KernelDensity
    | MaskedFlow
    | InverseFlow
    | TwoStage
    | FlowMatching
    | Autoregressive,
    Field(discriminator="kind"),
]
SAMPLERS: dict[str, type[Sampler]] = {
    "prior": PriorSampler,
    "gaussian": GaussianSampler,
    "mixture": MixtureSampler,
    "kernel_density": KernelDensitySampler,
    "masked_flow": FlowSampler,
    "inverse_flow": FlowSampler,
    "two_stage": TwoStageSampler,
    "flow_matching": FlowMatchingSampler,
    "autoregressive": AutoregressiveSampler,
}


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


def sampler_config(kind: str) -> Any:
    """Returns the config class of a sampler by its name."""
    return next(cls for cls in get_args(get_args(AnySampler)[0]) if cls.kind == kind)


def make_sampler(config: Any, space: CodeSpace) -> Sampler:
    """Returns the sampler that a config describes, for codes of a space; unbound."""
    return SAMPLERS[config.kind](config, space)
