"""Corruptions: how much is changed, into what, and for every image anew."""

import jax
import numpy as np
import pytest

from aejax.config import override
from aejax.data import augmentation
from aejax.data.augmentation import Augmentation
from aejax.data.corruption import Deformation, GaussianNoise, Masking, SaltAndPepper
from aejax.errors import ConfigError
from aejax.experiment import Config, check

augment = jax.jit(augmentation.augment, static_argnums=0)
KEY = jax.random.key(0)
X = np.full((50, 20, 20, 1), 0.5, np.float32)
FOUR_SIGMA = 4 * 0.5 / np.sqrt(X.size)  # Of a share, at most.


def corrupt(corruption, image):
    return np.asarray(jax.jit(corruption.corrupt)(KEY, image))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.6])
def test_masking_sets_a_share_of_the_components_to_zero(rate):
    corrupted = corrupt(Masking(rate=rate), X)
    assert set(np.unique(corrupted)) <= {0.0, 0.5}
    assert abs(np.mean(corrupted == 0) - rate) <= FOUR_SIGMA
    assert rate == 0 or np.any(corrupted[0] != corrupted[1])


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_salt_and_pepper_are_as_frequent(rate):
    corrupted = corrupt(SaltAndPepper(rate=rate), X)
    for value in (0.0, 1.0):
        assert abs(np.mean(corrupted == value) - rate / 2) <= FOUR_SIGMA


def test_gaussian_noise_has_its_scale():
    noise = corrupt(GaussianNoise(scale=0.2), X) - X
    assert abs(noise.std() / 0.2 - 1) < 4 / np.sqrt(2 * X.size)
    assert abs(noise.mean()) < 4 * 0.2 / np.sqrt(X.size)
    np.testing.assert_array_equal(corrupt(GaussianNoise(scale=0.0), X), X)


def test_a_deformation_moves_every_image_as_augmentation_does():
    image = np.asarray(jax.random.uniform(KEY, (20, 9, 9, 1)))
    corrupted = corrupt(Deformation(rotation=20.0, shift=2), image)
    np.testing.assert_array_equal(corrupted, augment(Augmentation(rotation=20.0, shift=2), KEY, image))
    assert np.all(np.any(corrupted != image, axis=(1, 2, 3)))
    colors, jitter = np.asarray(jax.random.uniform(KEY, (5, 9, 9, 3))), {"brightness": 0.4, "hue": 0.2}
    np.testing.assert_array_equal(
        corrupt(Deformation(rotation=None, shift=2, **jitter), colors),
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
