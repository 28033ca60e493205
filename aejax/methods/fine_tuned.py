"""The trained autoencoder's encoder, trained further by labels."""

import functools
from typing import Any

import jax.numpy as jnp

from aejax.autoencoders.zoo import make_autoencoder
from aejax.data.resident import ResidentData, map_examples
from aejax.evaluation.classifier import AUTOENCODER, Classifier
from aejax.evaluation.few_labels import LabelledFeatures, fit_few_labels
from aejax.evaluation.probe import standardize, to_affine
from aejax.experiment import Config
from aejax.methods.base import EVERYTHING
from aejax.methods.classifier import ClassifierMethod
from aejax.methods.zoo import SUBJECT
from aejax.networks.named import blocks, layer_shapes
from aejax.networks.zoo import examples_at_once
from aejax.training.fine_tuning import make_rates
from aejax.training.step import Task

_FIELDS = ("epochs", "layers", "layer_decay", "learning_rate", "head", "labels_per_class", "augmentation", "mixup")


class FineTuned(ClassifierMethod):
    """A classifier that begins with the autoencoder's encoder."""

    reads = (*EVERYTHING, *(f"fine_tuning.{name}" for name in _FIELDS))
    warm_start_from = SUBJECT

    def wanted(self, config: Config, *, labelled: bool) -> bool:
        """Whether it has epochs, and labels."""
        return labelled and config.fine_tuning.epochs > 0

    def learning_rate(self, config: Config) -> Any:
        """That of the classifier and the last layer."""
        return config.fine_tuning.learning_rate

    def epochs(self, config: Config) -> int:
        """Those of fine-tuning alone."""
        return config.fine_tuning.epochs

    def task(self, config: Config, image_shape: tuple[int, ...], num_classes: int | None) -> Task:
        """Makes the task of training some layers, perhaps from the probe of the autoencoder's features."""
        task, fine_tuning = super().task(config, image_shape, num_classes), config.fine_tuning
        model: Any = task.model.clone(frozen=fine_tuning.layers == ())
        names = blocks(
            list(layer_shapes(make_autoencoder(config.autoencoder, image_shape, num_classes), image_shape, "features"))
        )
        rates = make_rates(names, fine_tuning.layers, fine_tuning.layer_decay)
        return task._replace(
            model=model,
            rates=tuple((f"{AUTOENCODER}/{name}", rate) for name, rate in rates),
            prepare=functools.partial(init_head_from_probe, model) if fine_tuning.head == "probe" else None,
        )


def init_head_from_probe(classifier: Classifier, variables: Any, data: ResidentData) -> Any:
    """Returns the classifier's variables with the probe of its encoder's features for the linear layer.

    The probe is fitted to the training images, its strength chosen by the validation images; both standardize it.
    """
    splits: dict[str, LabelledFeatures] = {}
    for split in ("train", "validation"):
        encode = lambda indices: classifier.apply(variables, data.batch(split, indices).image, method="encode")  # noqa: E731, B023
        size = data.size(split)
        at_once = examples_at_once(classifier.autoencoder.config.encoder, classifier.autoencoder.image_shape)
        features = map_examples(encode, size, at_once) if size else splits["train"].features[:0]
        splits[split] = LabelledFeatures(features, jnp.asarray(data.label[split]))
    mean, scale = standardize(jnp.concatenate([part.features for part in splits.values()]))
    fit, _ = fit_few_labels(
        splits["train"], splits["validation"], num_classes=classifier.num_classes, standardization=(mean, scale)
    )
    kernel, bias = to_affine(fit)
    head = {"kernel": kernel, "bias": bias}
    return dict(variables) | {"params": dict(variables["params"]) | {"head": head}}
