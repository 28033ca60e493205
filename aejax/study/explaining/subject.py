"""A member that is explained, with what several parts of its explanation want to know of it."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from aejax.errors import UserError
from aejax.evaluation.probe import Probe, fit_probe
from aejax.evaluation.suite import Representation, pooled
from aejax.explain.traversals import rank_units
from aejax.study.members import Member


@dataclasses.dataclass(frozen=True)
class Subject:
    """A member, with what several parts want to know of it, each made once."""

    member: Member
    pictured: bool  # Whether pictures are kept of it; numbers always are.
    layer: str | None = None  # Whose features the dictionary is made of; None: the code.

    @property
    def label(self) -> np.ndarray | None:
        """The labels of the test images, or None."""
        return self.member.work.dataset.test.label

    @property
    def image(self) -> np.ndarray:
        """The test images as they are stored."""
        return self.member.work.dataset.test.image

    @functools.cached_property
    def code(self) -> dict[str, np.ndarray]:
        """The latents of every split, float32 [n, d].

        Raises:
          UserError: if they are no rows of numbers.
        """
        dataset = self.member.work.dataset
        splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
        code = {name: np.asarray(self.member.encode(split.image), np.float32) for name, split in splits.items()}
        if code["test"].ndim != 2:
            raise UserError(
                f"the latents of autoencoder={self.member.config.autoencoder.kind} are maps, {code['test'].shape[1:]}; "
                "explanations are of codes that are rows of numbers, so explain a study of another family"
            )
        return code

    @functools.cached_property
    def probe(self) -> Probe | None:
        """The linear probe of the code; None without labels or validation images to choose its strength by."""
        dataset = self.member.work.dataset
        if dataset.num_classes is None or not len(dataset.validation.image):
            return None
        code = {split: jnp.asarray(values) for split, values in self.code.items()}
        return jax.jit(functools.partial(fit_probe, num_classes=dataset.num_classes))(code, self.member.data.label)

    @functools.cached_property
    def log_variance(self) -> np.ndarray | None:
        """The log variances of the posteriors of the test images, [n, d]; None where there are no posteriors."""
        if not self.member.config.autoencoder.POSTERIOR:
            return None

        def log_variance(known: Representation, stored: jax.Array) -> jax.Array:
            assert known.density is not None, "the family has a posterior"
            return known.density.posterior(stored)[1]

        return np.asarray(self.member.map(log_variance, self.image))

    @functools.cached_property
    def ranked_units(self) -> tuple[np.ndarray, np.ndarray]:
        """The units by what they say of an image, and the score of each."""
        return rank_units(self.code["test"], self.log_variance)

    @functools.cached_property
    def base(self) -> np.ndarray:
        """The code at which the others rest while one unit moves: that of the test image nearest to the mean code."""
        code = self.code["test"]
        return code[np.argmin(np.sum((code - code.mean(axis=0)) ** 2, axis=1))]

    def features(self, stored: np.ndarray) -> np.ndarray:
        """Returns the features of stored images that the dictionary is made of, [n, d].

        Raises:
          UserError: if there is no such layer.
        """
        layer = self.layer
        if layer is None:
            return np.asarray(self.member.encode(stored), np.float32)

        def of_layer(known: Representation, stored: jax.Array) -> jax.Array:
            assert known.layers is not None, "every network has layers"
            outputs = known.layers(stored)
            if layer not in outputs:
                raise UserError(f"the encoder has no layer '{layer}'; there are {', '.join(outputs)}")
            return pooled(outputs[layer])

        return np.asarray(self.member.map(of_layer, stored), np.float32)

    def decode(self, latent: jax.typing.ArrayLike) -> np.ndarray:
        """Returns images of codes [n, d] as they are shown, uint8."""
        return shown(self.member.decode(jnp.asarray(latent)))


def shown(image: np.ndarray) -> np.ndarray:
    """Returns stored images, uint8 or floats in [0, 1], as uint8."""
    return image if image.dtype == np.uint8 else np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
