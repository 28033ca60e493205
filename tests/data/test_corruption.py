"""Corruptions: how much is changed, into what, and for every image anew."""

import jax
import numpy as np
import pytest

from aejax.config import override
from aejax.data.augmentation import Augmentation, augment
from aejax.data.corruption import Deformation, GaussianNoise, Masking, SaltAndPepper
from aejax.errors import ConfigError
from aejax.experiment import Config, check

KEY = jax.random.key(0)
X = np.full((50, 20, 20, 1), 0.5, np.float32)
FOUR_SIGMA = 4 * 0.5 / np.sqrt(X.size)  # Of a share, at most.


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.6])
def test_masking_sets_a_share_of_the_components_to_zero(rate):
    corrupted = np.asarray(Masking(rate=rate).corrupt(KEY, X))
    assert set(np.unique(corrupted)) <= {0.0, 0.5}
    assert abs(np.mean(corrupted == 0) - rate) <= FOUR_SIGMA
    assert rate == 0 or np.any(corrupted[0] != corrupted[1])


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_salt_and_pepper_are_as_frequent(rate):
    corrupted = np.asarray(SaltAndPepper(rate=rate).corrupt(KEY, X))
    for value in (0.0, 1.0):
        assert abs(np.mean(corrupted == value) - rate / 2) <= FOUR_SIGMA


def test_gaussian_noise_has_its_scale():
    noise = np.asarray(GaussianNoise(scale=0.2).corrupt(KEY, X)) - X
    assert abs(noise.std() / 0.2 - 1) < 4 / np.sqrt(2 * X.size)
    assert abs(noise.mean()) < 4 * 0.2 / np.sqrt(X.size)
    np.testing.assert_array_equal(GaussianNoise(scale=0.0).corrupt(KEY, X), X)


def test_a_deformation_moves_every_image_as_augmentation_does():
    image = jax.random.uniform(KEY, (20, 9, 9, 1))
    corrupted = Deformation(rotation=20.0, shift=2).corrupt(KEY, image)
    np.testing.assert_array_equal(corrupted, augment(Augmentation(rotation=20.0, shift=2), KEY, image))
    assert np.all(np.any(np.asarray(corrupted) != image, axis=(1, 2, 3)))
    colors, jitter = jax.random.uniform(KEY, (5, 9, 9, 3)), {"brightness": 0.4, "hue": 0.2}
    np.testing.assert_array_equal(
        Deformation(rotation=None, shift=2, **jitter).corrupt(KEY, colors),
        augment(Augmentation(shift=2, **jitter), KEY, colors),
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"autoencoder.corruption.rate": 1.5}, "autoencoder.corruption.rate"),
        ({"autoencoder.corruption.rate": -0.1}, "autoencoder.corruption.rate"),
        ({"autoencoder.corruption": "gaussian", "autoencoder.corruption.scale": -1.0}, "corruption.scale"),
        ({"autoencoder.corruption": "blur"}, "choices: masking, gaussian, salt_and_pepper, deformation"),
        (
            {"autoencoder.corruption": "salt_and_pepper", "data.preprocessing": "standardize"},
            "use gaussian or masking",
        ),
        (
            {"autoencoder.corruption": "deformation", "data.preprocessing": "zca"},
            "brings in black .* use gaussian or masking",
        ),
    ],
)
def test_a_corruption_that_makes_no_sense_is_one_line(changes, message):
    with pytest.raises(ConfigError, match=message) as error:
        check(override(Config(), {"autoencoder": "denoising", **changes}))
    assert "\n" not in str(error.value)
