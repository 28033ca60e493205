"""What every method has: what it reads of a config, what it trains, what it offers for evaluation, and its role."""

import dataclasses
import functools
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax

from aejax.config import load
from aejax.data import preprocessing
from aejax.data.demand import Demand
from aejax.data.resident import ResidentData
from aejax.errors import UserError
from aejax.evaluation.classifier import AUTOENCODER
from aejax.evaluation.suite import EvaluationConfig, Representation
from aejax.experiment import Config
from aejax.methods.roles import Entry, Role
from aejax.methods.zoo import METHODS
from aejax.networks.named import with_layers
from aejax.networks.zoo import examples_at_once
from aejax.training.step import Task

EVERYTHING: tuple[str, ...] = ("seed", "data", "autoencoder", "optimizer", "training", "evaluation")

# Codes of training images [members, examples, size], and a seed for each member -> variables, arrays [members, ...].
FitOnHost = Callable[[Any, list[int]], dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Method:
    """A way to turn images into features, or to make images: by default a baseline without parameters.

    `reads` names the parts of the config that the method depends on: members that differ elsewhere only are the same
    to it, and it runs once for all of them. `trains` is whether it is trained, and `has_parameters` whether it has any
    at all. `warm_start_from` names the method whose trained variables are its first. By the metric `chosen_by`, the
    lower the better, one of its members is chosen where somebody asks for the best. `absent` says why a study has none.
    """

    name: str
    entry: Entry

    reads: ClassVar[tuple[str, ...]] = ("data", "evaluation")
    has_parameters: ClassVar[bool] = False
    trains: ClassVar[bool] = False
    warm_start_from: ClassVar[str | None] = None
    chosen_by: ClassVar[str] = "validation_mse"
    absent: ClassVar[str] = "none of its configs asks for it"

    @property
    def role(self) -> Role:
        """What it is beside the others."""
        return self.entry.role

    @property
    def makes_images(self) -> bool:
        """Whether it makes images, and turns none into features."""
        return bool(self.role & Role.MAKES_IMAGES)

    def depends_on(self, path: str) -> bool:
        """Whether the field at a dotted path makes a difference to this method."""
        return any(path == part or path.startswith(part + ".") for part in self.reads)

    def inputs(self, config: Config) -> tuple[Any, ...]:
        """The parts of a config that the method reads: configs that agree in them are one to it."""
        return tuple(functools.reduce(getattr, path.split("."), config) for path in self.reads)

    def reduce(self, config: Config) -> Config:
        """Sets everything that the method does not read to its default."""
        reduced: Config = _replace_fields(_default(), dict(zip(self.reads, self.inputs(config), strict=True)))
        return reduced

    def wanted(self, config: Config, *, labelled: bool) -> bool:
        """Whether a config asks for this method, on data with or without labels."""
        baselines, entry = config.evaluation.baselines, self.entry
        has_what_it_needs = (labelled or not entry.lacks_labels(config.evaluation)) and (
            config.autoencoder.patches is not None or not entry.needs_patches
        )
        return has_what_it_needs and (baselines is None or self.name in baselines)

    def task(self, config: Config, image_shape: tuple[int, ...], num_classes: int | None) -> Task | None:
        """Makes what a member trains, or what it is where it is not trained; None: it has no parameters."""
        del config, image_shape, num_classes
        return None

    def epochs(self, config: Config) -> int:
        """For how many epochs a member trains at most."""
        del config
        return 0

    def warm_start(self, learnt: Mapping[str, Any]) -> dict[str, Any]:
        """The first variables, from those that the members of `warm_start_from` have learnt."""
        return {collection: {AUTOENCODER: part} for collection, part in learnt.items()}

    def fit_on_host(self, task: Task) -> FitOnHost | None:
        """What fits, in host memory, a part that members begin with to codes; None: there is no such part."""
        del task
        return None

    def demand(self, num: int, num_pixels: int, size: int) -> Demand:
        """What fitting it to `num` training images takes before it represents any by `size` features."""
        del num, num_pixels, size
        return Demand()

    def evaluation(self, config: Config) -> EvaluationConfig:
        """What is measured of a member."""
        return config.evaluation.of_member(config)

    def represent(self, task: Task | None, variables: Any, config: Config, data: ResidentData) -> Representation:
        """What a member offers for evaluation, of methods that turn images into features; others make images.

        Args:
          task: of `self.task`.
          variables: the member's Flax variables; of methods without parameters, anything.
          config: the member's.
          data: its own data.

        Raises:
          UserError: if the method makes images.
        """
        raise UserError(f"{self.name} makes images, and turns none into features")


@functools.cache
def find_method(name: str) -> Method:
    """Finds a method by its name, and imports its file."""
    method: Method = pkgutil.resolve_name(METHODS[name].class_path)(name, METHODS[name])
    return method


@functools.cache
def _default() -> Config:
    return load(Config, {})


def _replace_fields(config: Any, changes: Mapping[str, Any]) -> Any:
    """Returns a config with other values at some dotted paths; what fits there was checked before."""
    own: dict[str, Any] = {}
    for path, value in changes.items():
        name, _, rest = path.partition(".")
        own[name] = _replace_fields(own.get(name, getattr(config, name)), {rest: value}) if rest else value
    return dataclasses.replace(config, **own)


def features_unmeasured(evaluation: EvaluationConfig) -> EvaluationConfig:
    """Leaves of an evaluation only what a member says by itself."""
    return dataclasses.replace(evaluation, measures=(), where_possible=(), transfer=None, outliers=None)


def at_once(config: Config, image_shape: tuple[int, ...]) -> int:
    """How many images a member's autoencoder is given at once outside training."""
    return max(1, examples_at_once(config.autoencoder.encoder, image_shape) // config.autoencoder.num_draws())


def features_at_once(config: Config, data: ResidentData) -> int:
    """How many images a member's encoder is given at once to make features of them."""
    family, image_shape = config.autoencoder, data.image["train"].shape[1:]
    most = at_once(config, image_shape)
    if family.patches is None:
        return most
    return min(most, family.patches.images_at_once(image_shape, family.latent_size))


def of_stored(task: Task, variables: Any, data: ResidentData, method: str) -> Callable[[jax.Array], Any]:
    """A method of a task's model, as a function of images as they are stored."""

    def call(stored: jax.Array) -> Any:
        return task.model.apply(variables, preprocessing.apply(data.preprocessing, stored), method=method)

    return call


def layers_of(features: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], dict[str, jax.Array]]:
    """What the layers of an encoder give, by their names in the autoencoder, as a function of its input."""

    def layers(stored: jax.Array) -> dict[str, jax.Array]:
        outputs = with_layers(lambda: features(stored))[1]
        return {name.removeprefix(f"{AUTOENCODER}/"): output for name, output in outputs.items()}

    return layers
