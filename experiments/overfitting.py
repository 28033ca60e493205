"""Which cure for overfitting narrows the gap between training and unseen images, and what do its features gain?

    aejax train overfitting          # every cure at five strengths
    aejax train overfitting:small    # six cures at two strengths

A 784-256-784 network that overfits 1,000 images of MNIST, and cures for it: corrupted inputs, sparse codes, penalties
of the code and of its derivatives, noise, dropout, tied weights; and the general ones: stopping early, augmentation,
weight decay, a smaller code, more data. Five seeds; `gap` is the validation error divided by the training error, and
`past_minimum` how far validation has risen past its lowest, in standard errors.

Cost: about 20 minutes for `full` (101 settings) and two and a half for `small` (13), on 2 cores.
Expected: the plain autoencoder's test error is 2.39 times its training error, though its validation error never rises:
there is nothing for early stopping to do, and weight decay does little. Of all that leaves the 1,000 images as they
are, rotating them by up to 30 degrees has the lowest validation error (0.00602 against 0.00743) and closes the gap
(test over train 1.09, that is 1.301 ± 0.052 less, n = 5). Better features are another matter: by the probe sparse codes
(`sparse_kl` 92.9 %), tied weights, strong noise, dropout of half the code and winner-take-all beat the plain 90.4 % and
the pixels' 89.6 %, at gaps from 1.1 to 2.2; by 5-NN only contraction does much (94.6 % against 94.1 and 94.0).
"""

from collections.abc import Sequence
from typing import Any

from aejax import sweep as sweeps
from aejax.autoencoders.plain import PlainConfig
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.measures.config import ProbeConfig
from aejax.networks.dense import Dense
from aejax.training.step import TrainingConfig

VARIANTS = ("full", "small")


def get_config(variant: str) -> Config:
    """Returns the config of one seed of the plain autoencoder, which nothing cures."""
    del variant
    return Config(
        data=DataConfig(name="mnist", train_size=1000, validation_size=2000),
        autoencoder=PlainConfig(encoder=Dense(widths=()), latent_size=256, latent_activation="relu"),
        training=TrainingConfig(epochs=100, batch_size=100),
        evaluation=EvaluationConfig(baselines=("pixels", "pca"), probe=ProbeConfig(strengths=(0.3, 0.1, 0.03, 0.01))),
    )


def sweep(variant: str) -> sweeps.Sweep:
    """Returns the plain autoencoder and every cure at each of its strengths."""
    cures = [
        *_family("denoising", "corruption.rate", [0.1, 0.2, 0.35, 0.5, 0.7]),
        *_family("sparse_l1", "weight", [0.003, 0.01, 0.03, 0.1, 0.3]),
        *_family("k_sparse", "k", [8, 16, 32, 64, 128]),
        *_family("contractive", "weight", [0.003, 0.01, 0.03, 0.1, 0.3]),
        *_family("dropout", "rate", [0.05, 0.1, 0.2, 0.35, 0.5]),
        *_general("training.augmentation.rotation", [2.0, 5.0, 10.0, 20.0, 30.0]),
    ]
    if variant == "small":
        return sweeps.chain([{}], [point for index, point in enumerate(cures) if index % 5 in (2, 3)])
    cures += [
        *_family("denoising", "corruption.scale", [0.1, 0.2, 0.3, 0.5, 0.8], {"corruption": "gaussian"}),
        *_family("sparse_kl", "weight", [0.01, 0.03, 0.1, 0.3, 1.0], activation="sigmoid"),
        *_family("batch_top_k", "k", [8, 16, 32, 64, 128]),
        *_family("winner_take_all", "rate", [0.05, 0.1, 0.2, 0.4, 0.7]),
        *_family("higher_order_contractive", "hessian_weight", [0.003, 0.01, 0.03, 0.1, 0.3]),
        *_family("rae_l2", "decoder_weight", [1e-4, 1e-3, 1e-2, 0.03, 0.1]),
        *_family("rae_gp", "decoder_weight", [1e-4, 1e-3, 1e-2, 0.03, 0.1]),
        *_family("rae_sn", "embedding_weight", [1e-4, 1e-3, 1e-2, 0.03, 0.1]),
        *_family("latent_noise", "scale", [0.05, 0.1, 0.2, 0.4, 0.8], activation="tanh"),
        *_family("tied", "latent_size", [16, 32, 64, 128, 256]),
        *_general("training.patience", [1, 2, 4, 8, 16]),
        *_general("optimizer.weight_decay", [0.01, 0.03, 0.1, 0.3, 1.0], {"optimizer": "adamw"}),
        *_general("autoencoder.latent_size", [16, 32, 64, 96, 128]),
        # More data at the same number of steps.
        *({"data.train_size": 1000 * n, "training.epochs": 100 // n} for n in (2, 4, 10, 20, 50)),
    ]
    return sweeps.chain([{}], cures)


def _family(
    kind: str, field: str, values: Sequence[Any], more: dict[str, Any] | None = None, activation: str = "relu"
) -> sweeps.Sweep:
    """Returns a family at each value of a field of its own, with the network that all have."""
    common = {"encoder.widths": [], "latent_size": 256, "latent_activation": activation, **(more or {})}
    return [sweeps.part("autoencoder", kind, common | {field: value}) for value in values]


def _general(field: str, values: Sequence[Any], more: dict[str, Any] | None = None) -> sweeps.Sweep:
    """Returns the plain autoencoder at each value of a field that every family has."""
    return [{**(more or {}), field: value} for value in values]
