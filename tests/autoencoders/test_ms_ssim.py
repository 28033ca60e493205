"""Families whose reconstructions are compared with their images by structural similarity, and what refuses that."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.autoencoders.masked import MaskedConfig
from aejax.autoencoders.plain import PlainConfig
from aejax.autoencoders.simmim import SimMimConfig
from aejax.autoencoders.vae import BetaVaeConfig
from aejax.data.load import DataConfig, Split
from aejax.data.resident import Batch
from aejax.errors import ConfigError, DataError
from aejax.experiment import Config, check, check_data
from aejax.networks.patches import PatchesConfig
from aejax.objectives.likelihoods import MsSsim
from aejax.objectives.similarity import multiscale_similarity
from tests.autoencoders.families import IMAGE, SMALL, initialize


def test_a_vae_weighs_what_is_missing_from_equal_images_against_its_kl():
    model, variables = initialize(BetaVaeConfig(**SMALL | {"likelihood": MsSsim(weight=30.0)}, beta=2.0), IMAGE)

    @jax.jit
    def compute(variables):
        mean, log_variance, _ = model.apply(variables, IMAGE, method="posterior")
        latent = mean + jnp.exp(log_variance / 2) * jax.random.normal(jax.random.key(0), (1, 6, 3))[0]
        logit = model.apply(variables, latent, method="decode")
        terms = model.apply(variables, Batch(IMAGE, None), train=False, method="terms")
        return terms, mean, log_variance, multiscale_similarity(IMAGE, jax.nn.sigmoid(logit))

    terms, mean, log_variance, similarity = compute(variables)
    np.testing.assert_allclose(terms["reconstruction"], 30 * (1 - np.asarray(similarity)), rtol=1e-5)
    kl = 0.5 * np.sum(np.asarray(mean) ** 2 + np.exp(log_variance) - 1 - log_variance, axis=1)
    np.testing.assert_allclose(terms["kl"], 2 * kl, rtol=1e-4)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            Config(autoencoder=MaskedConfig(likelihood=MsSsim(), normalize=False)),
            "compares whole images, .* hidden squares",
        ),
        (Config(autoencoder=SimMimConfig(likelihood=MsSsim())), "compares whole images, .* hidden squares"),
        (
            Config(autoencoder=PlainConfig(likelihood=MsSsim(), patches=PatchesConfig())),
            "patches gives targets outside",
        ),
        (
            Config(autoencoder=PlainConfig(likelihood=MsSsim()), data=DataConfig(preprocessing="standardize")),
            "standardize gives targets outside",
        ),
    ],
)
def test_parts_of_images_and_other_ranges_are_refused(config, message):
    with pytest.raises(ConfigError, match=message):
        check(config)


def test_images_that_are_smaller_than_a_window_are_refused(dataset):
    config = Config(autoencoder=PlainConfig(likelihood=MsSsim()))
    check_data(config, dataset)
    dots = dataclasses.replace(dataset, name="dots", train=Split(dataset.train.image[:, :3], dataset.train.label))
    with pytest.raises(
        DataError, match=r"ms_ssim compares windows of at least 4 x 4 pixels, and images of dots are 3 x 8"
    ):
        check_data(config, dots)
