"""The samplers by name. A new sampler is a file beside this one, with a config and a module, and its line here."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from aejax.autoencoders.zoo import make_autoencoder
from aejax.config import NonNegativeInt, PositiveInt
from aejax.data.load import Dataset
from aejax.data.preprocessing import OF_EACH_IMAGE
from aejax.data.vectors import images_only
from aejax.registry import Registry
from aejax.samplers.autoregressive import AutoregressiveSampler
from aejax.samplers.base import CodeSpace, Sampler, SamplerConfig, code_space
from aejax.samplers.flow import FlowSampler
from aejax.samplers.flow_matching import FlowMatchingSampler
from aejax.samplers.gaussian import GaussianSampler
from aejax.samplers.kernel_density import KernelDensitySampler
from aejax.samplers.mixture import MixtureSampler
from aejax.samplers.prior import PriorSampler
from aejax.samplers.two_stage import TwoStageSampler
from aejax.training.optimizers import Adam, Cosine, Optimizer

CLASSIFIER = "classifier"
MOST_NUMBERS = 2048  # Of a code whose distribution is learned: covariances grow with their square.


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoSampler(SamplerConfig):
    """None: the study generates no images."""

    OF_TRAINING_CODES: ClassVar[bool] = False

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

    def num_compared(self, dataset: Dataset) -> dict[str, int]:
        """The number of images that are compared by split ("validation", "test"), without splits that are empty.

        Training images stand beside them as the floor, so no more images are compared than there are of these.
        """
        most = min(self.num_samples, len(dataset.train.image))
        counts = {name: min(most, len(dataset.splits[name].image)) for name in ("validation", "test")}
        return {name: count for name, count in counts.items() if count}

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yields why fields of the whole config do not go together with this generation."""
        sampler, family = self.sampler, config.autoencoder
        if isinstance(sampler, NoSampler):
            if self != GenerationConfig():
                yield (
                    "generation.sampler is none, so nothing is generated, and other fields of generation say how; "
                    "choose a sampler, such as mixture, or leave them out"
                )
            return
        if family.patches is not None:
            yield (
                f"generation.sampler={sampler.kind} draws codes of images, and autoencoder.patches has none that an "
                "image could be made of; leave one of them out"
            )
            return
        if not (sampler.DISCRETE if family.DISCRETE else sampler.CONTINUOUS):
            fits = "DISCRETE" if family.DISCRETE else "CONTINUOUS"
            kinds = [kind for kind in SAMPLERS if getattr(SAMPLERS.config(kind), fits)]
            codes = "indices" if family.DISCRETE else "numbers"
            yield (
                f"generation.sampler={sampler.kind} does not go with the codes of autoencoder={family.kind}, which are "
                f"{codes}; use {', '.join(kinds)}"
            )
        if not family.RECONSTRUCTS:
            yield (
                f"generation.sampler={sampler.kind}: the loss of autoencoder={family.kind} trains no decoder, so "
                "nothing makes images of codes; leave it out, or use another family"
            )
        conflict = sampler.conflict()
        if conflict is not None:
            yield f"generation.sampler={sampler.kind}: {conflict}"
        if config.data.validation_size == 0:
            yield (
                f"generation.sampler={sampler.kind}: what is generated is ranked beside validation images, and "
                "data.validation_size is 0; keep some"
            )
        if config.data.preprocessing in OF_EACH_IMAGE:
            yield (
                f"generation.sampler: data.preprocessing={config.data.preprocessing} takes from each image what a "
                "generated one does not have, its mean and contrast; use another preprocessing"
            )

    def warnings(self, config: Any) -> Iterator[str]:
        """Yields what goes together with the whole config, but is hardly meant."""
        del config
        if self.sampler.LEARNED:
            yield from self.optimizer.unreached("generation.optimizer", "generation.epochs", self.epochs)

    def misfits(self, config: Any, dataset: Dataset, others: Mapping[str, Dataset]) -> Iterator[str]:
        """Yields why images of a data set cannot be drawn and judged."""
        del others
        sampler, family = self.sampler, config.autoencoder
        if isinstance(sampler, NoSampler):
            return
        yield from images_only("generation.sampler", dataset)
        misfit = sampler.misfit(len(dataset.train.image))
        if misfit is not None:
            yield f"generation.sampler={sampler.kind} does not fit {dataset.name}: {misfit}"
        for name, count in self.num_compared(dataset).items():
            if count <= self.num_neighbors:
                yield (
                    f"generation.num_neighbors={self.num_neighbors} needs more images than that, and {count} of the "
                    f"{name} images of {dataset.name} are compared; make it smaller, or generation.num_samples or the "
                    "splits larger"
                )
        if self.features == CLASSIFIER and dataset.num_classes is None:
            yield (
                f"{dataset.name} {dataset.unlabelled}, and generation.features=classifier is a network that labels "
                "train; name features of your own: --set generation.features=file.py:function "
                "--features=file.py:function"
            )
        if sampler.OF_TRAINING_CODES and not family.DISCRETE:
            size = code_space(make_autoencoder(family, dataset.train.image.shape[1:])).size
            if size > MOST_NUMBERS:
                yield (
                    f"generation.sampler={sampler.kind} is of codes of at most {MOST_NUMBERS} numbers, and those of "
                    f"autoencoder={family.kind} have {size}; use a family with fewer, or sampler=prior"
                )


def make_sampler(config: Any, space: CodeSpace) -> Sampler:
    """Returns the sampler that a config describes, for codes of a space; unbound."""
    return SAMPLERS[config.kind](config, space)
