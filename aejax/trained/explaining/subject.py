"""A member that is explained, with what several parts of its explanation want to know of it."""

import dataclasses
import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from aejax.errors import UserError
from aejax.evaluation.probe import Probe, fit_probe
from aejax.explain.traversals import rank_units
from aejax.objectives.priors import PriorDistribution, PriorOfGaussians
from aejax.study.job import Source
from aejax.trained.model import Trained

MAX_NUMBERS = 4096  # Of a code: every two of its units are compared.
MAX_DICTIONARY = 512  # Of features that a dictionary is made of, which has many times as many units.


@dataclasses.dataclass(frozen=True)
class Subject:
    """A member, with what several parts want to know of it, each made once."""

    member: Trained
    source: Source  # The data that it was trained on.
    pictured: bool  # Whether pictures are kept of it; numbers always are.
    layer: str | None = None  # Whose features the dictionary is made of; None: the code.

    @property
    def label(self) -> np.ndarray | None:
        """The labels of the test images, -1 where there is none, or None."""
        return self.source.dataset.test.label

    @property
    def image(self) -> np.ndarray:
        """The test images as they are stored."""
        return self.source.dataset.test.image

    @functools.cached_property
    def code(self) -> dict[str, np.ndarray]:
        """The latents of every split that has images, float32 [n, d].

        Raises:
          UserError: if they are of more numbers than can be explained.
        """
        size = self.member.latent_size
        if size > MAX_NUMBERS:
            raise UserError(
                f"codes of autoencoder={self.member.config.autoencoder.kind} have {size} numbers, and at most "
                f"{MAX_NUMBERS} can be explained; explain a study with fewer"
            )
        return {name: np.asarray(self.member.encode(image), np.float32) for name, image in self.splits.items()}

    @property
    def splits(self) -> dict[str, np.ndarray]:
        """The images of every split that has any, as they are stored."""
        splits = self.source.dataset.splits
        return {name: split.image for name, split in splits.items() if len(split.image)}

    @functools.cached_property
    def probe(self) -> Probe | None:
        """The linear probe of the code; None without labels or validation images to choose its strength by."""
        dataset = self.source.dataset
        if dataset.num_classes is None or "validation" not in self.splits:
            return None
        fit = jax.jit(functools.partial(fit_probe, num_classes=dataset.num_classes))
        return fit(*self.labelled(self.code))

    def labelled(self, features: Mapping[str, np.ndarray]) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
        """Returns features of the images that have a label, and these labels, by split; the first images may do."""
        own, labels = {}, {}
        for name, values in features.items():
            split = self.source.dataset.splits[name]
            kept = split.labelled < len(values)
            own[name], labels[name] = jnp.asarray(values[split.labelled[kept]]), jnp.asarray(split.known_label[kept])
        return own, labels

    @functools.cached_property
    def prior(self) -> PriorDistribution | None:
        """The prior of the posteriors; None where there are no posteriors."""
        density = self.member.represent(self.member.variables).density
        return None if density is None else density.prior()

    @functools.cached_property
    def unit_kl(self) -> np.ndarray | None:
        """The KL of each unit's posterior to the prior for each test image, [n, d]; None without Gaussians."""
        is_gaussian = self.member.config.autoencoder.has_gaussian_posterior
        if not (is_gaussian and isinstance(self.prior, PriorOfGaussians)):
            return None
        log_variance = self.member.posterior(self.image).log_variance
        return np.asarray(self.prior.unit_kl(jnp.asarray(self.code["test"]), jnp.asarray(log_variance)))

    @functools.cached_property
    def ranked_units(self) -> tuple[np.ndarray, np.ndarray]:
        """The units by what they say of an image, and the score of each."""
        return rank_units(self.code["test"], self.unit_kl)

    @functools.cached_property
    def base(self) -> np.ndarray:
        """The code at which the others rest while one unit moves: that of the test image nearest to the mean code."""
        code = self.code["test"]
        return code[np.argmin(np.sum((code - code.mean(axis=0)) ** 2, axis=1))]

    @functools.cached_property
    def features(self) -> dict[str, np.ndarray]:
        """The features of every split that the dictionary is made of, float32 [n, d]: the code's, or those of a layer.

        Raises:
          UserError: if there is no such layer, or if they are too many for a dictionary.
        """
        layer = self.layer
        if layer is None:
            features = self.code
        else:
            splits = self.splits.items()
            features = {name: np.asarray(self.member.features(image, layer), np.float32) for name, image in splits}
        size = features["test"].shape[1]
        if size > MAX_DICTIONARY:
            raise UserError(
                f"{layer or 'the code'} has {size} numbers, and a dictionary is made of at most {MAX_DICTIONARY}; "
                "choose another --layer"
            )
        return features

    def decode(self, latent: jax.typing.ArrayLike) -> np.ndarray:
        """Returns images of codes [n, d] as they are shown, uint8."""
        return shown(self.member.to_stored(self.member.decode(latent)))

    def decode_exactly(self, latent: jax.typing.ArrayLike) -> np.ndarray:
        """Returns images of codes [n, d] in pixel space, float32: differences of rounded ones would be of steps."""
        return self.member.decode(latent)


def shown(image: np.ndarray) -> np.ndarray:
    """Returns stored images, uint8 or floats in [0, 1], as uint8."""
    return image if image.dtype == np.uint8 else np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
