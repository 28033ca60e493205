"""Scores of images by a trained model: those of the measures, higher for what is strange, and their threshold."""

import dataclasses

import numpy as np
import pytest

from aejax.autoencoders.plain import PlainConfig
from aejax.autoencoders.vae import VaeConfig
from aejax.data.description import DataDescription
from aejax.data.resident import make_resident
from aejax.errors import ConfigError, DataError, UserError
from aejax.evaluation.anomaly import auroc, mahalanobis
from aejax.evaluation.image_metrics import mean_squared_error
from aejax.experiment import Config
from aejax.measures.config import LikelihoodConfig
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import Gaussian, HalfSquaredError
from aejax.trained.model import Trained
from aejax.training.config import TrainingConfig
from aejax.training.fit import fit
from aejax.training.optimizers import Adam
from tests.methods import make_task


@pytest.fixture(scope="module")
def vae(dataset):
    family = VaeConfig(encoder=Dense(widths=(16,)), latent_size=3, likelihood=Gaussian(output="identity"))
    training = TrainingConfig(epochs=40, batch_size=40)
    config = Config(autoencoder=family, optimizer=Adam(learning_rate=1e-2), training=training)
    data = make_resident(dataset, "none")
    fitted = fit(make_task("autoencoder", (8, 8, 1), 4)(config), data)
    described = DataDescription.of(dataset)
    return Trained("autoencoder", config, described, data.preprocessing, fitted.variables, fitted.curves)


def of(vae, num_samples):
    evaluation = dataclasses.replace(vae.config.evaluation, likelihood=LikelihoodConfig(num_samples=num_samples))
    return dataclasses.replace(vae, config=dataclasses.replace(vae.config, evaluation=evaluation))


def test_scores_are_those_by_which_outliers_are_measured(vae, dataset):
    test, train = dataset.test.image, dataset.train.image
    noise = np.random.default_rng(0).integers(0, 256, test.shape, np.uint8)
    errors = vae.scores(test)
    assert (errors.dtype, errors.shape) == (np.float32, (len(test),))
    np.testing.assert_allclose(errors, mean_squared_error(test / np.float32(255), vae.reconstruct(test)), rtol=1e-6)
    distances = vae.scores(test, "distance", known=train)
    np.testing.assert_allclose(distances, mahalanobis(vae.features(train))(vae.features(test)), rtol=1e-5)
    assert auroc(errors, vae.scores(noise)) > 0.95
    with pytest.raises(DataError, match="give them as `known`"):
        vae.scores(test, "distance")
    with pytest.raises(ConfigError, match="by=entropy: should be one of error, distance, nll, own"):
        vae.scores(test, "entropy")


def test_a_likelihood_bounds_each_image_alone_and_tighter_by_more_draws(vae, dataset):
    test = dataset.test.image[:7]
    few, many = (of(vae, num).scores(test, "nll") for num in (1, 200))
    assert np.mean(many) < np.mean(few)
    np.testing.assert_allclose(of(vae, 200).scores(test[3:4], "nll"), many[3:4], rtol=1e-5)
    squares = dataclasses.replace(vae.config, autoencoder=VaeConfig(likelihood=HalfSquaredError()))
    with pytest.raises(ConfigError, match=r"by=nll is −log p\(x\), and half_squared_error lacks the constant"):
        dataclasses.replace(vae, config=squares).scores(test, "nll")
    plain = dataclasses.replace(vae.config, autoencoder=PlainConfig())
    with pytest.raises(UserError, match="has no posterior"):
        dataclasses.replace(vae, config=plain).scores(test, "nll")


def test_a_threshold_has_the_stated_share_of_known_images_below(vae, dataset):
    known = dataset.validation.image
    scores = vae.scores(known)
    for quantile in (0.5, 0.95):
        assert np.mean(scores < vae.threshold(known, quantile)) == pytest.approx(quantile, abs=1 / len(known))
    assert vae.threshold(known) == pytest.approx(np.quantile(scores, 0.95))
    with pytest.raises(ConfigError, match=r"quantile=95: should be a share .*, from 0 to 1"):
        vae.threshold(known, 95)
