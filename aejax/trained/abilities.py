"""What a trained model can do: not all decode, reconstruct, have a posterior, or take labels."""

from typing import Any

import jax

from aejax.data import preprocessing
from aejax.data.description import DataDescription
from aejax.data.preprocessing import Preprocessing
from aejax.errors import UserError
from aejax.evaluation.suite import Representation
from aejax.experiment import Config
from aejax.methods.base import Method, find_method
from aejax.methods.roles import Role
from aejax.trained.images import check_labels


class Abilities:
    """The checks that a `Trained` makes before it does something; each raises an error that says what is missing."""

    method: str
    config: Config
    trained_on: DataDescription
    preprocessing: Preprocessing
    variables: Any

    def represent(self, variables: Any) -> Representation:
        """What the model offers for evaluation, by some variables."""
        raise NotImplementedError

    @property
    def _method(self) -> Method:
        return find_method(self.method)

    def check_reconstructs(self) -> None:
        """Checks that it makes images of images.

        Raises:
          UserError: if it does not.
        """
        self._require(not self._has(Role.CLASSIFIER), "has a classifier in the place of a decoder")
        self._require(self.reconstructs, "is trained by a loss that no decoder learns by, so it makes no images")

    @property
    def reconstructs(self) -> bool:
        """Whether it makes images of images."""
        return self.config.autoencoder.RECONSTRUCTS and not self._has(Role.CLASSIFIER)

    def check_scores(self) -> None:
        """Checks that it says by something else than a reconstruction in pixels how strange an image is.

        Raises:
          UserError: if it does not.
        """
        scores = self.represent(self.variables).strangeness is not None
        self._require(scores, "has no other score of its own than the error of reconstructions; use by=error")

    def check_posterior(self) -> None:
        """Checks that it has a distribution of the codes of an image.

        Raises:
          UserError: if it has none.
        """
        has_one = self.config.autoencoder.has_posterior and not self._has(Role.CLASSIFIER)
        self._require(has_one, "has no posterior; a variational family has one, such as vae")

    def check_clusters(self) -> None:
        """Checks that it has clusters of its own.

        Raises:
          UserError: if it has none.
        """
        has_some = self.config.autoencoder.num_own_clusters is not None and not self._has(Role.CLASSIFIER)
        self._require(has_some, "has no clusters of its own; idec and vade have some, for instance")

    def check_decoder(self) -> None:
        """Checks that it makes images of latents.

        Raises:
          UserError: if it does not.
        """
        self.check_reconstructs()
        self._require(self.config.autoencoder.patches is None, "makes no images of features; it reconstructs images")
        if (kind := self.preprocessing.kind) in preprocessing.OF_EACH_IMAGE:
            raise UserError(
                f"data.preprocessing={kind} takes from each image what made ones do not have, its mean and contrast; "
                "train with another"
            )

    def check_decodes_alone(self) -> None:
        """Checks that it makes images of latents alone, without labels.

        Raises:
          UserError: if it does not.
        """
        self.check_decoder()
        self._require(self.config.autoencoder.condition is None, "makes images of latents and labels, not of latents")

    def check_unlabelled(self) -> None:
        """Checks that it reconstructs images without their labels.

        Raises:
          UserError: if it does not.
        """
        self._require(
            not self.config.autoencoder.needs_label, "needs labels to reconstruct images, and scores have none"
        )

    def _labels(self, labels: Any, num: int, *, needed: bool) -> tuple[jax.Array, ...]:
        """Returns labels that were given as an array, in a tuple that is empty if there are none."""
        if labels is None:
            self._require(not needed, "decodes with labels: give integers of classes, or -1 where one is not known")
            return ()
        self._require(self.config.autoencoder.condition is not None, "takes no labels; leave them out")
        return (check_labels(labels, num, self.trained_on),)

    def _has(self, role: Role) -> bool:
        return bool(self._method.role & role)

    def _require(self, condition: bool, otherwise: str) -> None:
        if not condition:
            raise UserError(f"the {self.method} of autoencoder={self.config.autoencoder.title} {otherwise}")
