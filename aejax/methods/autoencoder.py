"""The autoencoder as its family's loss trains it: the subject of a study."""

import functools
from collections.abc import Callable
from typing import Any

import jax

from aejax.autoencoders.quantized import QuantizedConfig
from aejax.autoencoders.zoo import make_autoencoder
from aejax.data import preprocessing
from aejax.data.resident import Batch, ResidentData
from aejax.evaluation.assignment import Clusters
from aejax.evaluation.codebook import Codes
from aejax.evaluation.likelihood import Density
from aejax.evaluation.suite import Representation
from aejax.experiment import Config
from aejax.methods.base import EVERYTHING, Method, at_once, features_at_once, layers_of, of_stored
from aejax.training.config import TrainingConfig
from aejax.training.step import Stage, Task


class AutoencoderMethod(Method):
    """An autoencoder, trained: every config has one."""

    reads = EVERYTHING
    has_parameters = True
    trains = True

    def wanted(self, config: Config, *, labelled: bool) -> bool:
        """True: the study is about it."""
        del config, labelled
        return True

    def task(self, config: Config, image_shape: tuple[int, ...], num_classes: int | None) -> Task:
        """Makes the task of all the family's stages."""
        autoencoder = make_autoencoder(config.autoencoder, image_shape, num_classes)
        return Task(
            autoencoder,
            config.optimizer,
            config.training,
            config.seed,
            _stages(autoencoder, config.training),
            prepare=_first_variables(autoencoder, config.training),
            at_once=at_once(config, image_shape),
        )

    def epochs(self, config: Config) -> int:
        """Those of all stages, or until it pauses."""
        training = config.training
        own = training.epochs * (1 + config.autoencoder.num_above) + training.pretraining_epochs
        return min(own, config.training.until_epoch or own)

    def represent(self, task: Task | None, variables: Any, config: Config, data: ResidentData) -> Representation:
        """The features and reconstructions, and the posterior and the discrete codes of families that have these."""
        assert task is not None, "an autoencoder has parameters"
        model, family, call = task.model, config.autoencoder, functools.partial(of_stored, task, variables, data)
        features = call("features")

        def reconstruct(stored: jax.Array, label: jax.Array | None) -> jax.Array:
            image = preprocessing.apply(data.preprocessing, stored)
            output: Any = model.apply(variables, image, label, method="reconstruct")
            return preprocessing.invert(data.preprocessing, output, stored)

        def distortion(latent: jax.Array, stored: jax.Array, label: jax.Array | None = None) -> Any:
            batch = Batch(preprocessing.apply(data.preprocessing, stored), label)
            return model.apply(variables, latent, batch, method="reconstruction", train=False)

        def of_model(method: str) -> Any:
            return lambda *arguments: model.apply(variables, *arguments, method=method)

        density = Density(
            posterior=call("posterior"),
            center=of_model("center"),
            draw=of_model("draw"),
            rate=of_model("rate"),
            distortion=distortion,
            discrete=family.likelihood.DISCRETE,
            prior=of_model("prior"),
            is_gaussian=family.has_gaussian_posterior,
            is_told=family.condition is not None,
        )
        return Representation(
            features,
            reconstruct=reconstruct if family.RECONSTRUCTS else None,
            strangeness=call("strangeness") if _has_own_score(family, data) else None,
            layers=layers_of(features),
            at_once=features_at_once(config, data),
            density=density if family.has_posterior else None,
            codes=Codes(call("code"), family.num_categories, family.num_codebooks)
            if isinstance(family, QuantizedConfig) and family.has_indices
            else None,
            clusters=Clusters(call("clusters"), family.num_own_clusters) if family.num_own_clusters else None,
        )


def _has_own_score(family: Any, data: ResidentData) -> bool:
    """Whether how strange an image is is something else than the error of its reconstruction in pixels."""
    by_error = family.RECONSTRUCTS and data.preprocessing.kind != "none"
    return family.patches is None and not family.needs_label and (family.SCORES_STRANGENESS or by_error)


def _first_variables(model: Any, training: TrainingConfig) -> Callable[[Any, ResidentData], Any]:
    """Returns the function from the variables that were drawn to those that training begins with."""
    if training.pretraining_epochs or not model.config.PRETRAINED:
        prepare: Callable[[Any, ResidentData], Any] = model.init_from_data
        return prepare
    return lambda variables, data: model.begin(model.init_from_data(variables, data), data)


def _stages(model: Any, training: TrainingConfig) -> tuple[Stage, ...]:
    """The stages in which an autoencoder is trained."""
    stages: list[Stage] = []
    if training.pretraining_epochs and model.config.PRETRAINED:
        stages.append(Stage(training.pretraining_epochs, "pretraining_terms"))
    elif training.pretraining_epochs:
        layers = range(model.num_layers)
        stages += [Stage(training.pretraining_epochs, "layer_terms", (("layer", layer),)) for layer in layers]
    if training.epochs or not stages:
        stages.append(_own_stage(model, training.epochs))
    for layer in range(model.config.num_above):
        prepare = functools.partial(model.prepare_above, layer=layer)
        stages.append(Stage(training.epochs, "above_terms", (("layer", layer),), prepare=prepare))
    return tuple(stages)


def _own_stage(model: Any, epochs: int) -> Stage:
    """The stage of a family's own loss."""
    family = model.config
    stage = Stage(epochs, opponents=family.opponents())
    if family.PRETRAINED:
        stage = stage._replace(prepare=model.begin)
    if family.refresh_epochs is not None:
        stage = stage._replace(refresh=model.refresh, refresh_epochs=family.refresh_epochs)
    return stage
