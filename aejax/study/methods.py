"""What a study compares: the autoencoder and its baselines, each trained, represented and evaluated the same way."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.zoo import make_autoencoder
from aejax.config import load, to_tree
from aejax.data.resident import ResidentData
from aejax.evaluation.baselines import Classifier, represent_model, represent_pca, represent_pixels
from aejax.evaluation.suite import Representation
from aejax.experiment import Config
from aejax.training.step import Stage, Task, TrainingConfig


@dataclasses.dataclass(frozen=True)
class Method:
    """A way to turn images into features.

    `reads` names the parts of the config that the method depends on: members that differ elsewhere only are the same
    to it, and it runs once for all of them. `trains` is whether it is trained, and has parameters at all.
    """

    name: str
    reads: tuple[str, ...]
    has_parameters: bool = True
    trains: bool = True

    def depends_on(self, path: str) -> bool:
        """Returns whether the field at a dotted path makes a difference to this method."""
        return any(path == part or path.startswith(part + ".") for part in self.reads)

    def inputs(self, config: Config) -> tuple[Any, ...]:
        """Returns the parts of a config that the method reads: configs that agree in them are one to it."""
        return tuple(functools.reduce(getattr, path.split("."), config) for path in self.reads)

    def reduce(self, config: Config) -> Config:
        """Returns the config with everything that the method does not read at its default."""
        source, tree = to_tree(config), to_tree(Config())
        for path in self.reads:
            *parents, name = path.split(".")
            source_part, part = source, tree
            for parent in parents:
                source_part, part = source_part[parent], part[parent]
            part[name] = source_part[name]
        return load(Config, tree)


EVERYTHING = ("seed", "data", "autoencoder", "optimizer", "training", "evaluation")
METHODS = {
    method.name: method
    for method in (
        Method("autoencoder", EVERYTHING),
        Method("untrained", ("seed", "data", "autoencoder", "evaluation"), trains=False),
        Method("supervised", EVERYTHING),
        Method("fine_tuned", EVERYTHING),
        Method("pixels", ("data", "evaluation"), has_parameters=False, trains=False),
        Method("pca", ("data", "evaluation", "autoencoder.latent_size"), has_parameters=False, trains=False),
    )
}


CLASSIFIERS = ("supervised", "fine_tuned")  # They have a classifier in the place of a decoder.

MakeTask = Callable[[Config], Task]


def make_task(method: str, image_shape: tuple[int, ...], num_classes: int | None) -> MakeTask:
    """Returns the function that says what a member of a method trains."""

    def task(config: Config) -> Task:
        autoencoder = make_autoencoder(config.autoencoder, image_shape)
        model: nn.Module = autoencoder
        training = config.training
        if method in CLASSIFIERS:
            assert num_classes is not None, "data without labels have no classifier"
            model = Classifier(autoencoder, num_classes)
            # An error to be reached is one of reconstruction.
            training = dataclasses.replace(training, target_error=None)
        stages = _stages(method, autoencoder, training)
        return Task(model, config.optimizer, training, config.seed, stages)

    return task


def _stages(method: str, model: Autoencoder, training: TrainingConfig) -> tuple[Stage, ...]:
    """Returns what a method trains, one after another."""
    if method == "supervised":
        return (Stage(training.epochs),)
    layers = range(model.num_layers) if training.pretraining_epochs else ()
    stages = [Stage(training.pretraining_epochs, "layer_terms", (("layer", layer),)) for layer in layers]
    if training.epochs or not stages:
        stages.append(Stage(training.epochs))
    if method != "fine_tuned":
        return tuple(stages)
    # The autoencoder inside the classifier goes through the same, and then serves it.
    inner = [Stage(epochs, "pretraining_terms", (("method", name), *rest)) for epochs, name, rest in stages]
    return (*inner, Stage(training.fine_tuning_epochs))


def represent(method: str, task: Task, variables: Any, config: Config, data: ResidentData) -> Representation:
    """Returns what a method offers for evaluation; `variables` are the Flax variables of methods that have any."""
    if method == "pixels":
        return represent_pixels(data)
    if method == "pca":
        return represent_pca(data, config.autoencoder.latent_size)

    def apply(image: jax.Array, name: str) -> Any:
        return task.model.apply(variables, image, method=name)

    return represent_model(apply, data, decoder=method not in CLASSIFIERS)
