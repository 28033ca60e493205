"""What a study compares: the autoencoder and its baselines, each trained, represented and evaluated the same way."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.zoo import make_autoencoder
from aejax.config import load
from aejax.data.resident import ResidentData
from aejax.data.subsets import LabelledSubset
from aejax.evaluation.baselines import (
    AUTOENCODER,
    Classifier,
    begin_with_probe,
    represent_model,
    represent_pca,
    represent_pixels,
)
from aejax.evaluation.suite import EvaluationConfig, Representation
from aejax.experiment import Config
from aejax.networks.named import blocks, layer_shapes
from aejax.networks.zoo import examples_at_once
from aejax.samplers.generator import add_codes, fit_at_once, make_generator
from aejax.training.fine_tuning import make_rates
from aejax.training.step import Stage, Task, TrainingConfig


@dataclasses.dataclass(frozen=True)
class Method:
    """A way to turn images into features.

    `reads` names the parts of the config that the method depends on: members that differ elsewhere only are the same
    to it, and it runs once for all of them. `trains` is whether it is trained, and has parameters at all.
    `begins_with` names the method whose trained variables are its first.
    """

    name: str
    reads: tuple[str, ...]
    has_parameters: bool = True
    trains: bool = True
    begins_with: str | None = None

    def depends_on(self, path: str) -> bool:
        """Returns whether the field at a dotted path makes a difference to this method."""
        return any(path == part or path.startswith(part + ".") for part in self.reads)

    def inputs(self, config: Config) -> tuple[Any, ...]:
        """Returns the parts of a config that the method reads: configs that agree in them are one to it."""
        return tuple(functools.reduce(getattr, path.split("."), config) for path in self.reads)

    def reduce(self, config: Config) -> Config:
        """Returns the config with everything that the method does not read at its default."""
        return _replace_fields(_default(), dict(zip(self.reads, self.inputs(config), strict=True)))


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


EVERYTHING = ("seed", "data", "autoencoder", "optimizer", "training", "evaluation")
FINE_TUNING = ("epochs", "layers", "layer_decay", "learning_rate", "head", "labels_per_class", "augmentation")
REAL = ("data", "evaluation", *(f"generation.{name}" for name in ("num_samples", "num_neighbors", "features")))
FROM_SCRATCH = ("labels_per_class", "augmentation", "scratch_epochs", "scratch_learning_rate")
METHODS = {
    method.name: method
    for method in (
        Method("autoencoder", EVERYTHING),
        Method("untrained", ("seed", "data", "autoencoder", "evaluation"), trains=False),
        Method("supervised", (*EVERYTHING, *(f"fine_tuning.{name}" for name in FROM_SCRATCH))),
        Method(
            "fine_tuned",
            (*EVERYTHING, *(f"fine_tuning.{name}" for name in FINE_TUNING)),
            begins_with="autoencoder",
        ),
        Method("pixels", ("data", "evaluation"), has_parameters=False, trains=False),
        Method("pca", ("data", "evaluation", "autoencoder.latent_size"), has_parameters=False, trains=False),
        Method("generator", (*EVERYTHING, "generation"), begins_with="autoencoder"),
        Method("real_images", REAL, has_parameters=False, trains=False),
        Method("pixel_gaussian", REAL, has_parameters=False, trains=False),
    )
}


SUBJECT = "autoencoder"  # What the others are compared with.
CLASSIFIERS = ("supervised", "fine_tuned")  # They have a classifier in the place of a decoder.
# They make images: by a sampler of codes, and beside it the floor and the reference of what these are judged by.
GENERATORS = ("generator", "real_images", "pixel_gaussian")

MakeTask = Callable[[Config], Task]


def make_task(method: str, image_shape: tuple[int, ...], num_classes: int | None) -> MakeTask:
    """Returns the function that says what a member of a method trains."""

    def task(config: Config) -> Task:
        autoencoder = make_autoencoder(config.autoencoder, image_shape)
        at_once = max(1, examples_at_once(config.autoencoder.encoder, image_shape) // config.autoencoder.num_draws())
        if method == "generator":
            return _generator_task(autoencoder, config, at_once)
        if method not in CLASSIFIERS:
            stages = _autoencoder_stages(autoencoder, config.training)
            # The untrained one has seen no image.
            prepare = autoencoder.begin if method == SUBJECT else None
            return Task(
                autoencoder, config.optimizer, config.training, config.seed, stages, prepare=prepare, at_once=at_once
            )
        assert num_classes is not None, "data without labels have no classifier"
        fine_tuning, optimizer = config.fine_tuning, config.optimizer
        scratch = method == "supervised"
        rate = fine_tuning.scratch_learning_rate if scratch else fine_tuning.learning_rate
        if rate is not None:
            optimizer = dataclasses.replace(optimizer, learning_rate=rate)
        # An error to be reached is one of reconstruction.
        augmentation = fine_tuning.augmentation or config.training.augmentation
        training = dataclasses.replace(config.training, target_error=None, augmentation=augmentation)
        known = fine_tuning.labels_per_class
        labels = None if known is None else LabelledSubset(known, num_classes, draw=config.seed)
        if scratch:
            stages = (Stage(fine_tuning.scratch_epochs or training.epochs),)
            model = Classifier(autoencoder, num_classes)
            return Task(model, optimizer, training, config.seed, stages, labels, at_once=at_once)
        model = Classifier(autoencoder, num_classes, frozen=fine_tuning.layers == ())
        names = blocks(list(layer_shapes(autoencoder, image_shape, "features")))
        rates = make_rates(names, fine_tuning.layers, fine_tuning.layer_decay)
        rates = tuple((f"{AUTOENCODER}/{name}", rate) for name, rate in rates)
        prepare = functools.partial(begin_with_probe, model) if fine_tuning.head == "probe" else None
        stages = (Stage(fine_tuning.epochs),)
        return Task(model, optimizer, training, config.seed, stages, labels, rates, prepare, at_once)

    return task


def _generator_task(autoencoder: Autoencoder, config: Config, at_once: int) -> Task:
    """Returns what a generator trains: its sampler, on the codes of the autoencoder, which stays as it is."""
    generation = config.generation
    generator = make_generator(autoencoder, generation.sampler)
    epochs = generation.epochs if generator.sampler.config.LEARNED else 0
    return Task(
        generator,
        generation.optimizer,
        TrainingConfig(
            epochs=epochs,
            batch_size=generation.batch_size,
            members_at_once=config.training.members_at_once,
            devices_per_member=config.training.devices_per_member,
        ),
        config.seed,
        (Stage(epochs),),
        prepare_data=functools.partial(add_codes, generator, at_once),
        rates=((AUTOENCODER, None),),
        prepare=functools.partial(fit_at_once, generator, config.seed),
        at_once=at_once,
    )


def _autoencoder_stages(model: Autoencoder, training: TrainingConfig) -> tuple[Stage, ...]:
    """Returns what an autoencoder trains, one after another."""
    layers = range(model.num_layers) if training.pretraining_epochs else ()
    stages = [Stage(training.pretraining_epochs, "layer_terms", (("layer", layer),)) for layer in layers]
    if training.epochs or not stages:
        stages.append(Stage(training.epochs, opponents=model.config.OPPONENTS))
    return tuple(stages)


def evaluation_of(method: str, config: Config) -> EvaluationConfig:
    """Returns what is measured of a member: of a classifier perhaps, and of few labels always, what it says itself."""
    evaluation = config.evaluation
    if method in GENERATORS:
        return dataclasses.replace(evaluation, measures=(), transfer=None, outliers=None)
    if method not in CLASSIFIERS or (evaluation.classifier_features and config.fine_tuning.labels_per_class is None):
        return evaluation
    return dataclasses.replace(evaluation, measures=(), transfer=None, outliers=None)


def represent(method: str, task: Task, variables: Any, config: Config, data: ResidentData) -> Representation:
    """Returns what a method offers for evaluation; `variables` are the Flax variables of methods that have any."""
    if method == "pixels":
        return represent_pixels(data)
    if method == "pca":
        return represent_pca(data, config.autoencoder.latent_size)

    def apply(name: str, *arguments: Any, **keywords: Any) -> Any:
        return task.model.apply(variables, *arguments, method=name, **keywords)

    family = None if method in CLASSIFIERS else config.autoencoder
    return represent_model(apply, data, family=family, at_once=task.at_once)
