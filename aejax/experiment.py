"""The root config, composed of the config that each package keeps beside its own code, and what must hold across it."""

import dataclasses
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aejax.autoencoders.plain import PlainConfig
from aejax.autoencoders.zoo import FamilyConfig, unknown_layers
from aejax.config import Seed, flatten, load, traced, unflatten
from aejax.data.load import DataConfig, Dataset
from aejax.errors import ConfigError, DataError
from aejax.evaluation.suite import EvaluationConfig
from aejax.methods import checks as methods
from aejax.samplers.zoo import GenerationConfig
from aejax.sweep import Sweep, expand_with_labels, grid, product
from aejax.training.config import TrainingConfig
from aejax.training.fine_tuning import FineTuningConfig
from aejax.training.optimizers import Adam, Optimizer
from aejax.training.semi_supervised import SemiSupervisedConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """One member of a study. Its seed decides initialisation, batches and noise, never the splits."""

    seed: Seed = traced(0)
    data: DataConfig = DataConfig()
    autoencoder: FamilyConfig = PlainConfig()
    optimizer: Optimizer = Adam()
    training: TrainingConfig = TrainingConfig()
    fine_tuning: FineTuningConfig = FineTuningConfig()
    semi_supervised: SemiSupervisedConfig = SemiSupervisedConfig()
    generation: GenerationConfig = GenerationConfig()
    evaluation: EvaluationConfig = EvaluationConfig()


# Fields that an earlier version recorded under another path.
_MOVED = {"training.fine_tuning_epochs": "fine_tuning.epochs"}


def load_recorded(tree: Mapping[str, Any]) -> Config:
    """Returns the config that a study recorded, perhaps by an earlier version: new fields have their defaults.

    Raises:
      ConfigError: naming the first field that is wrong, in one line.
    """
    fields = dict(flatten(tree))
    moved = {_MOVED[path]: fields.pop(path) for path in _MOVED if path in fields}
    return load(Config, unflatten(fields | moved))


def make_members(config: Config, sweep: Sweep, seeds: Iterable[int] | None) -> dict[Config, str]:
    """Returns the members of a study, each with its label: the config of every point with every seed, checked.

    Args:
      config: of one member.
      sweep: the points.
      seeds: the seeds; None: the config's own, or those of the sweep.

    Raises:
      ConfigError: for a field that does not exist, or fields that do not go together.
    """
    members = expand_with_labels(config, sweep if seeds is None else product(sweep, grid("seed", seeds)))
    for member in members:
        check(member)
    return members


def check(config: Config) -> None:
    """Checks what a single field cannot know, before any data are read.

    Raises:
      ConfigError: naming the fields that do not go together.
    """
    for part in _parts(config):
        for conflict in part.conflicts(config):
            raise ConfigError(conflict)


def warnings(configs: Iterable[Config]) -> list[str]:
    """Returns lines on what goes together and is hardly meant, such as a warm-up that outlasts training, each once."""
    lines: dict[str, None] = {}
    for config in configs:
        parts = (config.autoencoder, config.optimizer, config.training, config.semi_supervised, config.generation)
        for part in parts:
            lines |= dict.fromkeys(part.warnings(config))
    return list(lines)


def check_data(config: Config, dataset: Dataset, others: Mapping[str, Dataset] = types.MappingProxyType({})) -> None:
    """Checks that the data allow what the config asks for, before any writing.

    `others` are those of `evaluation.other_data(data)`, by the same names.

    Raises:
      DataError: naming what does not fit.
    """
    for part in _parts(config):
        for misfit in part.misfits(config, dataset, others):
            raise DataError(misfit)


def _parts(config: Config) -> tuple[Any, ...]:
    """Returns the parts that know what they do not go together with, in the order in which they are asked."""
    return (
        config.autoencoder,
        config.data,
        config.training,
        config.fine_tuning,
        config.semi_supervised,
        config.generation,
        config.evaluation,
        methods,
    )


def check_layers(config: Config, layers: Sequence[str], image_shape: tuple[int, ...]) -> None:
    """Checks that an encoder has layers of these names.

    Raises:
      DataError: naming the first that it has not, and all that it has.
    """
    for unknown in unknown_layers(config.autoencoder, layers, image_shape):
        raise DataError(unknown)
