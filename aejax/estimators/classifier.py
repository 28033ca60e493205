"""A classifier on an autoencoder's features, as an estimator of scikit-learn."""

import functools
from typing import Any

import jax
import numpy as np
import scipy.special
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.multiclass import check_classification_targets

from aejax.config import override
from aejax.estimators.base import AutoencoderEstimator, TrainingRows, features, plain
from aejax.estimators.fine_tuning import fine_tune
from aejax.evaluation.probe import fit_probe, to_affine
from aejax.evaluation.suite import Representation
from aejax.experiment import Config
from aejax.trained.model import Trained

_EPOCHS = "fine_tuning.epochs"
_HELD_OUT = 5  # One in so many labelled rows of each class is there to choose the probe's strength by.


class AutoencoderClassifier(ClassifierMixin, AutoencoderEstimator):
    """An autoencoder trained without labels, and then a classifier of them: a linear probe, or the encoder fine-tuned.

        AutoencoderClassifier(unlabelled=-1).fit(rows, labels).predict(rows)

    The probe is a logistic regression on the features. Of each class a fifth of the labelled rows chooses its strength;
    then it is fitted to all of them. With `fine_tuning_epochs` the encoder is trained further, by labels.

    Args:
      config: see `AutoencoderFeatures`, also the following ones.
      latent_size: how many features the classifier is given.
      epochs: of the autoencoder.
      batch_size: rows in a step, at most all.
      learning_rate: of the optimizer.
      image_shape: of rows that are pixels.
      fields: other fields of the config by their path; those of `fine_tuning` say how the encoder is trained further.
      random_state: of the initialisation, the batches and the noise. It also decides which rows the probe's strength is
        chosen by.
      fine_tuning_epochs: how often labels train the encoder and a linear layer on it. 0: not at all, so a probe is
        fitted. None: as `config` says, by default 0.
      unlabelled: the value in y, such as -1, of rows without a label: the autoencoder is trained on them, and the
        classifier is not. None: every value is a class.

    Attributes:
      classes_: the labels there are, sorted.
      coef_, intercept_: of the probe, [classes, size] and [classes]: its logits are features · coef_ᵀ + intercept_.
        None with fine-tuning.
      classifier_: the fine-tuned encoder with its linear layer, an `aejax.Trained`; None with a probe.
      model_, curves_, data_min_, data_max_, n_features_in_, feature_names_in_, input_shape_: see `AutoencoderFeatures`.
    """

    _READS_LABELS = True

    def __init__(
        self,
        config: Any = None,
        *,
        latent_size: int | None = None,
        epochs: int | None = None,
        batch_size: int | str | None = None,
        learning_rate: float | None = None,
        image_shape: tuple[int, ...] | None = None,
        fields: Any = None,
        random_state: Any = None,
        fine_tuning_epochs: int | None = None,
        unlabelled: Any = None,
    ):
        super().__init__(
            config,
            latent_size=latent_size,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            image_shape=image_shape,
            fields=fields,
            random_state=random_state,
        )
        self.fine_tuning_epochs = fine_tuning_epochs
        self.unlabelled = unlabelled

    def fit(self, X: Any, y: Any) -> "AutoencoderClassifier":
        """Trains the autoencoder on all rows or images, and the classifier on those that have a label.

        Raises:
          ValueError: if the labels are no classes, or of one class only.
        """
        self._train(self._prepare(X, y))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Returns the most probable class of each row or image, [n]."""
        best = self._logits(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Returns the probabilities of the classes, in the order of `classes_`, float64 [n, classes]."""
        return scipy.special.softmax(self._logits(X), axis=1)

    def decision_function(self, X: Any) -> np.ndarray:
        """Returns the logits, float64 [n, classes]; of two classes that of the second less that of the first, [n]."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def _prepare(self, X: Any, y: Any = None) -> TrainingRows:
        prepared = super()._prepare(X, y)
        target = prepared.target
        check_classification_targets(target)
        known = np.ones(len(target), bool) if self.unlabelled is None else target != self.unlabelled
        self.classes_, labels = np.unique(target[known], return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"there should be labels of two classes at least; y has {len(self.classes_)} class")
        label = np.full(len(target), -1, np.int32)
        label[known] = labels
        return prepared._replace(target=label)

    def _make_config(self, image_shape: tuple[int, ...], *, are_images: bool) -> Config:
        config = super()._make_config(image_shape, are_images=are_images)
        return override(config, {} if self.fine_tuning_epochs is None else {_EPOCHS: plain(self.fine_tuning_epochs)})

    def _adopt(self, trained: Trained, prepared: TrainingRows) -> None:
        super()._adopt(trained, prepared)
        (labelled,) = np.nonzero(prepared.target >= 0)
        splits = {
            name: labelled[rows]
            for name, rows in _split(prepared.target[labelled], check_random_state(prepared.config.seed)).items()
        }
        image, label = (
            {name: array[rows] for name, rows in splits.items()} for array in (prepared.image, prepared.target)
        )
        self.coef_, self.intercept_, self.classifier_ = None, None, None
        if prepared.config.fine_tuning.epochs:
            self.classifier_ = fine_tune(trained, prepared.config, image, label, len(self.classes_))
            return
        given = {name: self._map(features, part) for name, part in image.items()}
        kernel, bias = _fit_probe(given, label, len(self.classes_))
        self.coef_, self.intercept_ = np.asarray(kernel).T, np.asarray(bias)

    def _logits(self, X: Any) -> np.ndarray:
        image = self._images(X)
        if self.coef_ is None:
            assert self.classifier_ is not None, "there is a probe, or a network that labels trained"
            return self.classifier_.map(_classify, image, check=False).astype(np.float64)
        return self._map(features, image).astype(np.float64) @ self.coef_.T + self.intercept_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _classify(representation: Representation, stored: jax.Array) -> jax.Array:
    assert representation.classify is not None, "a classifier classifies"
    return representation.classify(stored)


def _split(label: np.ndarray, random: np.random.RandomState) -> dict[str, np.ndarray]:
    """Returns which labelled rows are fitted to, and by which the strength is chosen: of each class one in five.

    Of a class with fewer than five rows, but more than one, it is one row. Where no class has two, all serve for both.
    """
    order = random.permutation(len(label))
    rank = np.empty(len(label), int)
    for value in np.unique(label):
        own = order[label[order] == value]
        rank[own] = np.arange(len(own))
    held_out = rank % _HELD_OUT == 1
    whole = np.arange(len(label))
    return {"train": whole[~held_out], "validation": whole[held_out] if held_out.any() else whole}


@functools.partial(jax.jit, static_argnums=2)
def _fit_probe(features: Any, label: Any, num_classes: int) -> tuple[jax.Array, jax.Array]:
    return to_affine(fit_probe(features, label, num_classes=num_classes, by_loss=True).chosen)
