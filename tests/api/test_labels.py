"""A model whose decoder takes labels, from Python."""

import numpy as np
import pytest

import aejax
from aejax.autoencoders.vae import VaeConfig
from aejax.errors import DataError, UserError
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import Bernoulli

FAMILY = VaeConfig(encoder=Dense(widths=(8,)), latent_size=2, likelihood=Bernoulli(), condition="label")
LABELS = np.asarray([0, 3, -1, 2])


@pytest.fixture(scope="module")
def images(dataset):
    return dataset.train.image


@pytest.fixture(scope="module")
def trained(images, dataset):
    return aejax.fit(Config(autoencoder=FAMILY), images, dataset.train.label, epochs=0)


def test_images_are_made_of_codes_and_labels(trained, images):
    code = trained.encode(images[:4])
    decoded = trained.decode(code, LABELS)
    assert decoded.shape == (4, 8, 8, 1)
    np.testing.assert_array_equal(trained.reconstruct(images[:4], LABELS), decoded)
    others = trained.decode(code, [1, 3, 1, 2])
    assert [np.array_equal(*pair) for pair in zip(decoded, others, strict=True)] == [False, True, False, True]


def test_samples_are_of_a_class_or_of_all(trained):
    samples = [trained.sample(5, label=label) for label in (0, 1, None)]
    assert {sample.shape for sample in samples} == {(5, 8, 8, 1)}
    assert not np.array_equal(samples[0], samples[1])
    np.testing.assert_array_equal(trained.sample(3, label=1), samples[1][:3])
    by_class = np.stack([trained.sample(5, label=label) for label in range(4)])
    assert np.abs(by_class - samples[2][None]).max(axis=(2, 3, 4)).min(axis=0).max() == 0  # Each is of some class.


def test_what_is_not_told_is_one_line(trained, images):
    code = trained.encode(images[:4])
    for call in (lambda: trained.decode(code), lambda: trained.reconstruct(images[:4])):
        with pytest.raises(UserError, match="of autoencoder=vae decodes with labels: give integers of classes"):
            call()
    with pytest.raises(UserError, match="needs labels to reconstruct images, and scores have none"):
        trained.scores(images[:4])
    for labels in ([0, 1], [0, 1, 2, 4], [0.5, 1, 2, 3]):
        with pytest.raises(DataError, match="labels should be 4 integers, one for each image: classes from 0 to 3, or"):
            trained.decode(code, labels)
