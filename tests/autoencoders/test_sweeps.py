"""A sweep over a family's strength is one population, compiled once, however its members run."""

import dataclasses

import numpy as np
import pytest

from aejax.autoencoders.zoo import FAMILIES
from aejax.data.load import Split
from aejax.data.resident import make_resident
from aejax.experiment import Config, check
from aejax.sweep import expand, grid, group, part, product
from aejax.training.loop import train
from aejax.training.population import Members, share
from aejax.training.step import TrainingConfig
from tests.methods import make_task

# What is swept of each family, and what else makes it small.
SWEPT = {
    "plain": ("optimizer.learning_rate", [1e-4, 3e-4, 1e-3, 3e-3, 1e-2], {}),
    "tied": ("optimizer.learning_rate", [1e-4, 3e-4, 1e-3, 3e-3, 1e-2], {}),
    "denoising": ("autoencoder.corruption.rate", [0.0, 0.1, 0.2, 0.5, 0.9], {}),
    "masked": (
        "optimizer.learning_rate",
        [1e-4, 3e-4, 1e-3, 3e-3, 1e-2],
        {"encoder.width": 8, "encoder.depth": 1, "latent_size": 8, "decoder_width": 4, "decoder_depth": 1},
    ),
    "simmim": ("optimizer.learning_rate", [1e-4, 3e-4, 1e-3, 3e-3, 1e-2], {"encoder": "dense", "encoder.widths": []}),
    "ladder": ("autoencoder.noise", [0.0, 0.1, 0.3, 1.0, 3.0], {}),
    "latent_noise": ("autoencoder.scale", [0.0, 0.1, 0.2, 0.4, 0.8], {}),
    "dropout": ("autoencoder.rate", [0.0, 0.1, 0.2, 0.5, 0.9], {}),
    "sparse_l1": ("autoencoder.weight", [0.0, 0.01, 0.1, 1.0, 10.0], {}),
    "sparse_kl": ("autoencoder.weight", [0.0, 0.01, 0.1, 1.0, 10.0], {}),
    "contractive": ("autoencoder.weight", [0.0, 0.01, 0.1, 1.0, 10.0], {}),
    "higher_order_contractive": ("autoencoder.hessian_weight", [0.0, 0.01, 0.1, 1.0, 10.0], {}),
    "k_sparse": ("autoencoder.k", [1, 2, 3, 5, 8], {}),
    "batch_top_k": ("autoencoder.k", [1, 2, 3, 5, 8], {}),
    "matryoshka": ("autoencoder.prefix_weight", [0.0, 0.1, 0.5, 1.0, 2.0], {"k": 3, "encoder.widths": []}),
    "jump_relu": ("autoencoder.weight", [0.0, 0.01, 0.1, 1.0, 10.0], {}),
    "gated": ("autoencoder.auxiliary_weight", [0.0, 0.1, 0.5, 1.0, 2.0], {}),
    "winner_take_all": ("autoencoder.rate", [0.05, 0.1, 0.2, 0.5, 1.0], {}),
    "conv_winner_take_all": (
        "autoencoder.rate",
        [0.05, 0.1, 0.2, 0.5, 1.0],
        {"encoder.widths": [2], "encoder.kernel_size": 3, "decoder_kernel_size": 3},
    ),
    "dec": ("optimizer.learning_rate", [1e-4, 3e-4, 1e-3, 3e-3, 1e-2], {"encoder.widths": [], "num_clusters": 3}),
    "idec": ("autoencoder.weight", [0.0, 0.1, 1.0, 10.0, 100.0], {"encoder.widths": [], "num_clusters": 3}),
    "dcn": ("autoencoder.weight", [0.0, 0.1, 1.0, 10.0, 100.0], {"encoder.widths": [], "num_clusters": 3}),
    "rae_l2": ("autoencoder.decoder_weight", [0.0, 0.01, 0.1, 1.0, 10.0], {}),
    "rae_gp": ("autoencoder.decoder_weight", [0.0, 0.01, 0.1, 1.0, 10.0], {}),
    "rae_sn": ("autoencoder.embedding_weight", [0.0, 0.01, 0.1, 1.0, 10.0], {}),
    "vae": ("autoencoder.warmup_epochs", [0.0, 1.0, 2.0, 4.0, 8.0], {}),
    "beta_vae": ("autoencoder.beta", [0.0, 0.1, 1.0, 10.0, 100.0], {}),
    "annealed_vae": ("autoencoder.capacity", [0.0, 1.0, 2.0, 4.0, 8.0], {}),
    "factor_vae": ("autoencoder.gamma", [0.0, 1.0, 2.0, 4.0, 8.0], {"encoder.widths": [], "discriminator_widths": [5]}),
    "beta_tcvae": ("autoencoder.beta", [0.0, 0.1, 1.0, 10.0, 100.0], {}),
    "dip_vae": ("autoencoder.diagonal", [0.0, 0.1, 1.0, 10.0, 100.0], {}),
    "info_vae": ("autoencoder.scale", [0.5, 0.6, 1.0, 10.0, 100.0], {}),
    "wae": ("autoencoder.kernel.bandwidth", [0.1, 0.5, 1.0, 2.0, 4.0], {}),
    "swae": ("autoencoder.weight", [0.0, 0.1, 1.0, 10.0, 100.0], {}),
    "adversarial": (
        "autoencoder.weight",
        [0.0, 0.1, 1.0, 10.0, 100.0],
        {"encoder.widths": [], "discriminator_widths": [5]},
    ),
    "vae_gan": (
        "autoencoder.scale",
        [0.1, 0.2, 0.5, 1.0, 2.0],
        {"encoder.widths": [], "discriminator.widths": [5]},
    ),
    "iwae": ("optimizer.learning_rate", [1e-4, 3e-4, 1e-3, 3e-3, 1e-2], {"encoder.widths": [], "gradient": "dreg"}),
    "hyperspherical_vae": ("autoencoder.warmup_epochs", [0.0, 1.0, 2.0, 4.0, 8.0], {"encoder.widths": []}),
    "poincare_vae": ("autoencoder.curvature", [0.0, 0.1, 1.0, 4.0, 10.0], {"encoder.widths": []}),
    "hamiltonian_vae": ("autoencoder.step_size", [0.01, 0.02, 0.05, 0.1, 0.2], {"encoder.widths": [], "num_steps": 1}),
    "riemannian_hamiltonian_vae": (
        "autoencoder.temperature",
        [2.0, 3.0, 4.0, 6.0, 8.0],
        {"encoder.widths": [], "num_steps": 1, "num_centroids": 3, "width": 4},
    ),
    "ladder_vae": ("autoencoder.warmup_epochs", [0.0, 1.0, 2.0, 4.0, 8.0], {"encoder.widths": [], "upper_sizes": [4]}),
    "m2": (
        "autoencoder.classification_weight",
        [0.0, 0.01, 0.1, 1.0, 10.0],
        {"encoder.widths": [], "classifier.widths": [], "width": 4},
    ),
    "vade": ("autoencoder.warmup_epochs", [0.0, 1.0, 2.0, 4.0, 8.0], {"encoder.widths": []}),
    "miwae": ("optimizer.learning_rate", [1e-4, 3e-4, 1e-3, 3e-3, 1e-2], {"encoder.widths": [], "num_bounds": 2}),
    "piwae": ("optimizer.learning_rate", [1e-4, 3e-4, 1e-3, 3e-3, 1e-2], {"encoder.widths": [], "num_bounds": 2}),
    "ciwae": ("autoencoder.share", [0.0, 0.25, 0.5, 0.75, 1.0], {}),
    "vq_vae": ("autoencoder.commitment", [0.0, 0.1, 0.25, 1.0, 4.0], {"encoder.widths": [], "codebook_size": 8}),
    "residual_vq": (
        "autoencoder.decay",
        [0.0, 0.5, 0.9, 0.95, 0.99],
        {"encoder.widths": [], "codebook_size": 4, "depth": 2, "start": "uniform", "dropout": 0.5},
    ),
    "sim_vq": (
        "autoencoder.orthogonality",
        [0.0, 0.1, 1.0, 10.0, 100.0],
        {"encoder.widths": [], "codebook_size": 8, "similarity": "cosine"},
    ),
    "fsq": (
        "optimizer.learning_rate",
        [1e-4, 3e-4, 1e-3, 3e-3, 1e-2],
        {"encoder.widths": [], "latent_size": 2, "levels": [4, 3]},
    ),
    "lookup_free": ("autoencoder.temperature", [0.1, 0.5, 1.0, 2.0, 4.0], {"encoder.widths": [], "latent_size": 4}),
    "gumbel_softmax": ("autoencoder.final_temperature", [0.1, 0.5, 1.0, 2.0, 4.0], {}),
    "deep_svdd": ("autoencoder.weight_decay", [0.0, 0.01, 0.1, 1.0, 10.0], {"encoder.bias": False}),
}
# Vmapped are those that no other is like, in the kind of state and of loss; of the others the tests of families train
# some, and slow tests all. One with an opponent runs one at a time, as alone: so do k-sparse and spectral ones in the
# tests of their families, and plain ones both ways in tests/training/test_population.py.
VMAPPED = ("conv_winner_take_all", "vae", "vq_vae")
WAYS = [pytest.param(kind, 13, marks=() if kind in VMAPPED else pytest.mark.slow) for kind in FAMILIES] + [
    pytest.param(kind, 1, marks=() if kind == "factor_vae" else pytest.mark.slow)
    for kind in ("plain", "k_sparse", "rae_sn", "factor_vae")
]


@pytest.fixture(scope="module")
def data(dataset):
    """Without validation images: a third less has to be compiled."""
    nothing = Split(dataset.validation.image[:0], dataset.validation.label[:0])
    return share(make_resident(dataclasses.replace(dataset, validation=nothing), "none"))


def test_every_family_is_swept():
    assert set(SWEPT) == set(FAMILIES)


@pytest.mark.parametrize(("kind", "members_at_once"), WAYS)
def test_five_strengths_and_five_seeds_compile_once(kind, members_at_once, data, compile_events):
    field, values, small = SWEPT[kind]
    base = Config(training=TrainingConfig(epochs=1, batch_size=120))
    sweep = product(
        [part("autoencoder", kind, {"latent_size": 20, **({} if small else {"encoder.widths": []}), **small})],
        grid(field, values),
        grid("seed", range(5)),
    )
    (population,) = group(expand(base, sweep))
    assert len(population.members) == 25
    for member in population.members:
        check(member)
    losses = []
    train(
        Members(population.members, members_at_once),
        make_task("autoencoder", data.image["train"].shape[1:], data.num_classes),
        data,
        write=lambda _, metrics: losses.append(metrics["train_loss"]),
        description="",
    )
    assert len(compile_events) == 2  # The initial state, and the chunk of training.
    assert np.isfinite(np.concatenate(losses)).all()
    # Every member has its own strength and seed: no two losses are the same.
    assert len(set(np.concatenate(losses)[:, 0].tolist())) == 25
