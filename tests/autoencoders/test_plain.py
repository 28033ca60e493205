"""What a plain autoencoder must do exactly, and what every family in the zoo must do at all."""

import dataclasses
import typing

import jax
import numpy as np
import pytest

from aejax.autoencoders.plain import Plain
from aejax.autoencoders.zoo import FAMILIES, make_autoencoder
from aejax.data.load import Dataset, Split
from aejax.data.resident import Batch, make_resident
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import Bernoulli, HalfSquaredError, MeanSquaredError
from aejax.study.methods import make_task
from aejax.training.loop import train_chunk
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig, init_state


def fit(config, image):
    """Returns (resident data, model, parameters, metrics) after training one member on images alone."""
    split = Split(image=image, label=None)
    dataset = Dataset(name="x", train=split, validation=split, test=split, num_classes=None, fingerprint="")
    data = jax.device_put(make_resident(dataset, "none"))
    task = make_task("autoencoder", image.shape[1:], None)(config)
    run = jax.jit(lambda: train_chunk(task, init_state(task, data), data, config.training.epochs))
    state, metrics = run()
    return data, task.model, state.params, metrics


def test_a_linear_autoencoder_reaches_the_error_of_pca():
    """Baldi and Hornik (1989): the optimum of a linear autoencoder spans the leading principal axes."""
    generator = np.random.default_rng(0)
    factors = generator.normal(size=(200, 12)) * np.linspace(1.0, 0.1, 12)
    image = (factors @ generator.normal(size=(12, 16)) * 0.05 + 0.5).reshape(200, 4, 4, 1).astype(np.float32)
    family = Plain(encoder=Dense(widths=()), latent_size=3, likelihood=HalfSquaredError(output="identity"))
    config = Config(
        autoencoder=family,
        optimizer=Adam(learning_rate=0.02, schedule=Cosine()),
        training=TrainingConfig(epochs=5000, batch_size="all"),
    )
    data, model, params, _ = fit(config, np.clip(image, 0, 1))
    x = np.asarray(data.image["train"]).reshape(200, 16)
    centered = x - x.mean(axis=0)
    _, singular, axes = np.linalg.svd(centered, full_matrices=False)
    optimum = np.sum(singular[3:] ** 2) / 200
    reconstruction = model.apply({"params": params}, data.image["train"], method="reconstruct").reshape(200, 16)
    error = np.sum((x - reconstruction) ** 2) / 200
    assert optimum * 0.999 <= error <= optimum * 1.01
    # The decoder spans the same subspace: projecting its columns on the leading axes loses nothing.
    decoder = np.asarray(params["decoder"]["Dense_0"]["kernel"])
    outside = decoder - decoder @ axes[:3].T @ axes[:3]
    assert np.linalg.norm(outside) < 0.03 * np.linalg.norm(decoder)


def test_constant_images_are_reconstructed():
    config = Config(
        autoencoder=Plain(latent_size=4),
        optimizer=Adam(learning_rate=0.01),
        training=TrainingConfig(epochs=300, batch_size="all"),
    )
    data, model, params, _ = fit(config, np.full((20, 4, 4, 1), 51, np.uint8))
    image = data.batch("train", np.arange(20)).image
    np.testing.assert_allclose(model.apply({"params": params}, image, method="reconstruct"), 0.2, atol=1e-3)


def families():
    """Yields every family with every likelihood that it takes."""
    for name, model in FAMILIES.items():
        family = typing.get_type_hints(model)["config"]()
        for likelihood in (HalfSquaredError(), MeanSquaredError(), Bernoulli()):
            if likelihood.kind != "mean_squared_error" or len(family.TERMS) == 1:
                yield pytest.param(
                    dataclasses.replace(family, likelihood=likelihood, latent_size=5), id=f"{name}-{likelihood.kind}"
                )


@pytest.mark.parametrize("family", list(families()))
def test_every_family_trains_encodes_decodes_and_stays_finite(family, dataset):
    config = Config(autoencoder=family, training=TrainingConfig(epochs=8, batch_size=20))
    _, model, params, metrics = fit(config, dataset.train.image)
    assert metrics["train_loss"][-1] < metrics["train_loss"][0]
    assert {f"train_{term}" for term in family.TERMS} <= set(metrics)

    extreme = np.stack([np.zeros((8, 8, 1)), np.ones((8, 8, 1)), np.full((8, 8, 1), 1e4)]).astype(np.float32)
    apply = lambda x, method: model.apply({"params": params}, x, method=method)  # noqa: E731
    latent = apply(extreme, "encode")
    assert latent.shape == (3, 5)
    assert apply(latent, "decode").shape == apply(extreme, "reconstruct").shape == extreme.shape
    terms = model.apply({"params": params}, Batch(extreme, None), train=False, method="terms")
    for term in (latent, *terms.values()):
        assert term.shape[0] == 3
        assert np.isfinite(term).all()


def test_models_come_from_the_zoo_by_kind():
    assert type(make_autoencoder(Plain(), (8, 8, 1))) is FAMILIES["plain"]
