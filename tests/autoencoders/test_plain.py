"""What a plain autoencoder must do exactly, and what every family in the zoo must do at all."""

import dataclasses

import jax
import numpy as np
import pytest

from aejax.autoencoders.plain import PlainConfig
from aejax.autoencoders.zoo import FAMILIES, make_autoencoder
from aejax.data.resident import Batch
from aejax.experiment import Config, check
from aejax.networks.convolutional import Convolutional
from aejax.networks.dense import Dense
from aejax.networks.vit import ViT
from aejax.objectives.likelihoods import (
    Bernoulli,
    HalfSquaredError,
    LearnedGaussian,
    LogisticMixture,
    MeanSquaredError,
    MsSsim,
)
from aejax.training.optimizers import Adam
from aejax.training.step import TrainingConfig
from tests.autoencoders.families import fit, fit_linear, share_outside


def test_a_linear_autoencoder_reaches_the_error_of_pca():
    """Baldi and Hornik (1989): the optimum of a linear autoencoder spans the leading principal axes."""
    error, params, axes = fit_linear(PlainConfig)
    assert 0.999 <= error <= 1.01
    # The decoder spans the same subspace: projecting its columns on the leading axes loses nothing.
    assert share_outside(params["decoder"]["Dense_0"]["kernel"], axes) < 0.03


def test_constant_images_are_reconstructed():
    config = Config(
        autoencoder=PlainConfig(latent_size=4),
        optimizer=Adam(learning_rate=0.01),
        training=TrainingConfig(epochs=300, batch_size="all"),
    )
    data, model, variables, _ = fit(config, np.full((20, 4, 4, 1), 51, np.uint8))
    image = data.batch("train", np.arange(20)).image
    np.testing.assert_allclose(model.apply(variables, image, method="reconstruct"), 0.2, atol=1e-3)


SMALL = {  # What a latent of five units, or of five maps, asks for.
    "k_sparse": {"k": 2},
    "batch_top_k": {"k": 2},
    "matryoshka": {"k": 2, "unit_norm": False},
    "jump_relu": {"unit_norm": False},
    "gated": {"unit_norm": False},
    "masked": {
        "encoder": ViT(width=8, depth=1, heads=2),
        "latent_size": 8,
        "decoder_width": 4,
        "decoder_depth": 1,
        "normalize": False,
    },
    "conv_winner_take_all": {"encoder": Convolutional(widths=(4,), strides=(1,)), "decoder_kernel_size": 3},
    "annealed_vae": {"warmup_epochs": 0.0, "capacity": 1.0},
    "factor_vae": {"discriminator_widths": (10,)},
    "info_vae": {"scale": 10.0},
    "hamiltonian_vae": {"num_steps": 1},
    "riemannian_hamiltonian_vae": {"num_steps": 1, "num_centroids": 3, "width": 4},
    "ladder_vae": {"upper_sizes": (3,), "width": 4},
    "vq_vae": {"codebook_size": 16, "num_positions": 3},
    "residual_vq": {"codebook_size": 8, "depth": 2, "num_positions": 3, "dropout": 0.5},
    "sim_vq": {"codebook_size": 16, "num_positions": 3, "gradient": "rotation"},
    "fsq": {"num_positions": 3},
    "lookup_free": {"num_positions": 3},
    "gumbel_softmax": {"num_positions": 3},
    "adversarial": {"discriminator_widths": (10,)},
    "deep_svdd": {"encoder": Dense(widths=(12,), activation="leaky_relu", bias=False)},
    "vae_gan": {"discriminator": Dense(widths=(10,))},
    "dec": {"target_epochs": 8},  # The loss rises with a new target.
    "idec": {"target_epochs": 8},
}
# Families whose state and loss are of a kind that another's are, and which tests of their own train or differentiate.
# Those with an opponent are among them: test_adversarial trains each by its own loss, and asks it for extremes.
LIKE_ANOTHER = {
    "tied", "latent_noise", "dropout", "sparse_l1", "sparse_kl", "contractive", "higher_order_contractive",
    "winner_take_all", "batch_top_k", "rae_l2", "rae_gp", "rae_sn", "beta_vae", "annealed_vae", "beta_tcvae", "dip_vae",
    "info_vae", "wae", "swae", "iwae", "miwae", "piwae", "ciwae", "factor_vae", "adversarial", "vae_gan", "residual_vq",
    "fsq", "lookup_free", "simmim", "ladder", "hyperspherical_vae", "poincare_vae", "hamiltonian_vae",
    "riemannian_hamiltonian_vae", "ladder_vae", "matryoshka", "jump_relu", "gated", "sim_vq",
    "dec", "idec", "dcn", "vade", "deep_svdd",
}  # fmt: skip
OF_LABELS = {"m2"}  # Decoded with labels, which its own tests do.
# Of the plain family all are tried; the first of all families.
LIKELIHOODS = (Bernoulli(), HalfSquaredError(), MeanSquaredError(), LearnedGaussian(), LogisticMixture(), MsSsim())
# The first is like the mean of squares, and with the second a linear VAE is trained to its closed form.
TRIED_ELSEWHERE = (HalfSquaredError, LearnedGaussian)


def members():
    """Yields a small member of every family, with logits that may be extreme, and of the plain one likelihoods."""
    for name in (kind for kind in FAMILIES if kind not in OF_LABELS):
        family = FAMILIES.config(name)(**{"latent_size": 5, "encoder": Dense(widths=(12,))} | SMALL.get(name, {}))
        for likelihood in LIKELIHOODS[: None if name == "plain" else 1]:
            config = Config(
                autoencoder=dataclasses.replace(family, likelihood=likelihood),
                training=TrainingConfig(epochs=8, batch_size=20),
            )
            like_another = name in LIKE_ANOTHER or isinstance(likelihood, TRIED_ELSEWHERE)
            marks = pytest.mark.slow if like_another else ()
            yield pytest.param(config, id=f"{name}-{likelihood.kind}", marks=marks)


@pytest.mark.parametrize("config", list(members()))
def test_every_family_trains_encodes_decodes_and_stays_finite(config, dataset):
    check(config)
    family = config.autoencoder
    _, model, variables, metrics = fit(config, dataset.train.image, validate=False)
    # A loss of what a discriminator has learned grows as it learns.
    falling = metrics["train_discriminator" if family.kind == "vae_gan" else "train_loss"]
    assert falling[-1] < falling[0]
    assert {f"train_{term}" for term in family.term_names()} <= set(metrics)

    extreme = np.stack([np.zeros((8, 8, 1)), np.ones((8, 8, 1)), np.full((8, 8, 1), 1e4)]).astype(np.float32)

    @jax.jit
    def use(variables, x):
        def apply(method, *arguments, **keywords):
            return model.apply(variables, *arguments, method=method, **keywords)

        latent = apply("encode", x)
        terms = apply("terms", Batch(x, None), train=False)
        return latent, apply("decode", latent), apply("reconstruct", x), terms

    latent, decoded, reconstruction, terms = use(variables, extreme)
    size = family.latent_size
    levels = sum(getattr(family, "sizes", (size,)))
    assert latent.shape in ((3, levels), (3, 8 * 8 * size), (3, 3 * size))  # Units, maps, or discrete codes.
    assert decoded.shape[:-1] == extreme.shape[:-1]
    assert reconstruction.shape == extreme.shape
    for term in (latent, *terms.values()):
        assert term.shape[0] == 3
        assert np.isfinite(term).all()


def test_models_come_from_the_zoo_by_kind():
    assert type(make_autoencoder(PlainConfig(), (8, 8, 1))) is FAMILIES["plain"]
