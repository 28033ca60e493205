"""What networks that labels train have in common: the autoencoder's encoder, and a classifier on its features."""

import dataclasses
import functools
from typing import Any

from aejax.autoencoders.zoo import make_autoencoder
from aejax.data.resident import ResidentData
from aejax.data.subsets import AllLabelled, LabelledSubset
from aejax.evaluation.classifier import AUTOENCODER, Classifier
from aejax.evaluation.suite import EvaluationConfig, Representation
from aejax.experiment import Config
from aejax.methods.base import Method, at_once, features_at_once, features_unmeasured, layers_of, of_stored
from aejax.training.step import Stage, Task


class ClassifierMethod(Method):
    """A classifier, trained by all labels or by few."""

    has_parameters = True
    trains = True

    def learning_rate(self, config: Config) -> Any:
        """Its learning rate; None: the optimizer's."""
        del config
        return None

    def task(self, config: Config, image_shape: tuple[int, ...], num_classes: int | None) -> Task:
        """Makes the task of one stage, on the images whose labels are known."""
        assert num_classes is not None, "data without labels have no classifier"
        fine_tuning, optimizer = config.fine_tuning, config.optimizer
        learning_rate = self.learning_rate(config)
        if learning_rate is not None:
            optimizer = dataclasses.replace(optimizer, learning_rate=learning_rate)
        # An error to be reached is one of reconstruction.
        augmentation = fine_tuning.augmentation or config.training.augmentation
        training = dataclasses.replace(config.training, target_error=None, augmentation=augmentation)
        model = Classifier(
            make_autoencoder(config.autoencoder, image_shape, num_classes), num_classes, mixup=fine_tuning.mixup
        )
        return Task(
            model,
            optimizer,
            training,
            config.seed,
            (Stage(self.epochs(config)),),
            labelled_images(config, num_classes),
            prepare=None if config.autoencoder.patches is None else functools.partial(_init_whitening, model),
            at_once=at_once(config, image_shape),
        )

    def evaluation(self, config: Config) -> EvaluationConfig:
        """Its features perhaps, but of few labels never; what it says itself always."""
        evaluation = super().evaluation(config)
        if evaluation.classifier_features and config.fine_tuning.labels_per_class is None:
            return evaluation
        return features_unmeasured(evaluation)

    def represent(self, task: Task | None, variables: Any, config: Config, data: ResidentData) -> Representation:
        """The encoder's features, and what the classifier says of them."""
        assert task is not None, "a classifier has parameters"
        call = functools.partial(of_stored, task, variables, data)
        features = call("encode")
        return Representation(
            features, classify=call("classify"), layers=layers_of(features), at_once=features_at_once(config, data)
        )


def labelled_images(config: Config, num_classes: int) -> AllLabelled | LabelledSubset:
    """Returns the images whose labels a member learns: all that have one, or a few of each class, drawn by its seed."""
    per_class = config.fine_tuning.labels_per_class
    return AllLabelled() if per_class is None else LabelledSubset(per_class, num_classes, draw=config.seed)


def _init_whitening(classifier: Classifier, variables: Any, data: ResidentData) -> Any:
    """Returns the variables with the whitening of patches of the images that the classifier is trained on."""
    autoencoder: Any = classifier.autoencoder
    whitened = autoencoder.init_whitening({}, data)
    return {**variables, **{collection: {AUTOENCODER: part} for collection, part in whitened.items()}}
