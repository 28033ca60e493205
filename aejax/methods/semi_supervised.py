"""The autoencoder and a classifier of its features, trained together: by all images, and by those that have a label."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from aejax.data.classes import UNKNOWN
from aejax.data.resident import Batch, ResidentData
from aejax.data.subsets import AmongAll
from aejax.evaluation.classifier import AUTOENCODER, Classifier
from aejax.experiment import Config
from aejax.methods.base import EVERYTHING
from aejax.methods.classifier import ClassifierMethod, labelled_images
from aejax.training.step import Labelled, Stage, Task

_CROSS_ENTROPY = "cross_entropy"


class SemiSupervisedClassifier(Classifier):
    """A classifier whose autoencoder learns by its family's loss too."""

    semi_supervised: Any = None  # A `SemiSupervisedConfig`.

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the terms of the family's loss and of the labels', weighted, each [its batch].

        An opponent of the family learns by its own terms, whatever the weights are.
        """
        config, family = self.semi_supervised, self.autoencoder.config
        labelled = super().terms(batch if batch.labelled is None else batch.labelled, train=train)
        opponents = [name for _, names in family.opponents() for name in names]
        own = self.autoencoder.terms(batch, train=train)
        terms = {name: term if name in opponents else config.family_weight * term for name, term in own.items()}
        terms[_CROSS_ENTROPY] = config.weight * labelled[_CROSS_ENTROPY]
        if config.pseudo_labels is not None and train:
            terms["pseudo_labels"] = self._of_pseudo_labels(batch)
        return terms

    def _of_pseudo_labels(self, batch: Batch) -> jax.Array:
        """The cross-entropy of the pseudo-labels of a training batch, weighted; 0 of images without one."""
        pseudo = self.semi_supervised.pseudo_labels
        logits = jax.lax.stop_gradient(self.classify(batch.image, train=False))
        label, chosen = pseudo.choose(logits, batch.label == UNKNOWN)
        loss = optax.softmax_cross_entropy_with_integer_labels(self.classify(batch.image, train=True), label)
        weight: jax.Array = pseudo.weight_at(batch.epoch)
        return weight * jnp.where(chosen, loss, 0.0)


class SemiSupervised(ClassifierMethod):
    """A classifier, and an autoencoder of images with labels and without."""

    reads = (
        *EVERYTHING,
        "semi_supervised",
        *(f"fine_tuning.{name}" for name in ("labels_per_class", "augmentation", "mixup")),
    )

    def wanted(self, config: Config, *, labelled: bool) -> bool:
        """Whether it has epochs, and labels."""
        return labelled and config.semi_supervised.epochs > 0

    def epochs(self, config: Config) -> int:
        """Its own."""
        return config.semi_supervised.epochs

    def task(self, config: Config, image_shape: tuple[int, ...], num_classes: int | None) -> Task:
        """Makes the task of one stage, on all images; choices are made by the cross-entropy of validation images."""
        task, family = super().task(config, image_shape, num_classes), config.autoencoder
        classifier: Any = task.model
        model = SemiSupervisedClassifier(
            classifier.autoencoder,
            classifier.num_classes,
            mixup=classifier.mixup,
            semi_supervised=config.semi_supervised,
        )
        opponents = tuple((f"{AUTOENCODER}/{network}", terms) for network, terms in family.opponents())
        return task._replace(
            model=model,
            training=dataclasses.replace(config.training, target_error=None),
            stages=(Stage(self.epochs(config), opponents=opponents, watched=_CROSS_ENTROPY),),
            subset=AmongAll(labelled_images(config, classifier.num_classes)),
            prepare=functools.partial(_init_autoencoder, model),
            labelled=Labelled(config.semi_supervised.batch_size, task.training.augmentation),
        )


def _init_autoencoder(classifier: Classifier, variables: Any, data: ResidentData) -> Any:
    """Returns the variables with the autoencoder's as its family prepares them, from all training images."""
    autoencoder: Any = classifier.autoencoder
    own = {collection: parts[AUTOENCODER] for collection, parts in variables.items() if AUTOENCODER in parts}
    prepared = autoencoder.init_from_data(own, data)
    return {
        **variables,
        **{name: {**variables.get(name, {}), AUTOENCODER: part} for name, part in prepared.items()},
    }
