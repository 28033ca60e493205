"""Which objective should an autoencoder of 16 numbers be trained by, if the network is the same for all?

    aejax train objectives:cpu        # MNIST in small, for two cores
    aejax train objectives:mnist      # for a GPU, or for several nights
    aejax train objectives:fashion

Every family of autoencoders with one convolutional network (stride 2, 3 x 3 kernels, its mirror as decoder), codes of
16 numbers, and the weights that the families have by default. Of each: reconstruction error; rate and −log p(x) where
there is a posterior, by importance samples; a probe, 5-NN and clusters of the codes; the Fréchet distance of generated
images by two samplers, of which validation images tell the better; seconds. Five seeds.

Families with a posterior learn the deviation of their pixels, all others have half the squared error. Sparse families
keep a quarter of the 16 units. Families with discrete codes have 16 indices, and for features the vectors that these
stand for. Samplers: a mixture of ten Gaussians of the codes for all whose codes are numbers; beside it the prior, or
one Gaussian where a family has no prior; for indices a transformer, and all alike. `tied` has a dense network, because
its decoder is the encoder transposed. `ladder_vae` has 12 more numbers above the 16 that images are decoded from.
`simmim` reconstructs squares while they are hidden. LEFT_OUT says which families are not in the table.

`cpu` has half as many channels, 10,000 images, and fewer epochs, draws and importance samples. The full variants may
be stopped at any time: the same command goes on with what is not finished. With --seeds=1 the whole table comes first
with one seed, and --seeds=5 adds the others.

Cost: not measured yet. With five seeds `cpu` takes 64 TFLOP to train, 10 of them for the transformers of indices.
Expected: not measured yet.
"""

import dataclasses
from typing import Any

from aejax import sweep as sweeps
from aejax.autoencoders.plain import PlainConfig
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.measures.config import LikelihoodConfig, ProbeConfig
from aejax.networks.convolutional import Convolutional
from aejax.networks.dense import Dense
from aejax.samplers.zoo import GenerationConfig
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig

VARIANTS = ("mnist", "fashion", "cpu")
LEFT_OUT = {
    "masked": "its encoder is a vision transformer, which sees a part of the patches, and its code is a token",
    "ladder": "its latent is a score of each class, and its network dense: it is for classifying with few labels",
    "deep_svdd": "its loss trains no decoder, and wants all images to have the same code",
    "dec": "it is idec without a reconstruction: its decoder does not follow its codes",
    "m2": "its decoder is told a class, and its code is beside that: it is for classifying with few labels",
    "conv_winner_take_all": "its code is not 16 numbers but maps as large as the image",
}
_LATENT = 16
_KEPT = _LATENT // 4  # Units that an image keeps, of sparse families.
_SPARSE = {"k": _KEPT}
_UNLIKE_ACTIVATIONS = {"unit_norm": False, "centered": False, "likelihood.output": "sigmoid"}
_INDICES = {"num_positions": _LATENT}
_PRETRAINED = ("idec", "dcn", "vade")  # As plain autoencoders, for half of the epochs.
_AT_ODDS = ("adversarial", "vae_gan")  # With the usual momentum networks at odds with each other chase codes about.
_Fields = dict[str, Any]


def get_config(variant: str) -> Config:
    """Returns the config of one seed of the plain autoencoder; `sweep` adds the families and samplers."""
    small = variant == "cpu"
    return Config(
        data=DataConfig(
            name="fashion_mnist" if variant == "fashion" else "mnist",
            train_size=10_000 if small else None,
            validation_size=2000 if small else 5000,
        ),
        autoencoder=PlainConfig(encoder=_network(variant), latent_size=_LATENT),
        optimizer=Adam(learning_rate=1e-3, schedule=Cosine()),
        training=TrainingConfig(epochs=_epochs(variant), batch_size=100),
        generation=GenerationConfig(num_samples=2000 if small else 5000, epochs=3 if small else 10),
        evaluation=EvaluationConfig(
            measures=("reconstruction", "probe", "neighbors", "clustering"),
            where_possible=("posterior", "likelihood", "codebook"),
            baselines=("pixels", "pca"),
            probe=ProbeConfig(strengths=(0.03, 0.003, 0.0003)),
            likelihood=LikelihoodConfig(num_samples=50 if small else 500, num_images=500 if small else 1000),
        ),
    )


def _network(variant: str) -> Convolutional:
    return Convolutional(widths=(16, 32) if variant == "cpu" else (32, 64))


def _epochs(variant: str) -> int:
    return 5 if variant == "cpu" else 20


def _without_prior() -> dict[str, _Fields]:
    """Returns the families whose codes are numbers that no loss draws to a prior, each with its own fields."""
    return {
        "plain": {},
        "tied": {"encoder": dataclasses.asdict(Dense())},
        "denoising": {},
        "simmim": {},
        "latent_noise": {},
        "dropout": {},
        "sparse_l1": {},
        "sparse_kl": {"target": _KEPT / _LATENT},
        "contractive": {},
        "higher_order_contractive": {},
        "k_sparse": _SPARSE,
        "batch_top_k": _SPARSE,
        "matryoshka": _SPARSE | _UNLIKE_ACTIVATIONS,
        "jump_relu": _UNLIKE_ACTIVATIONS,
        "gated": _UNLIKE_ACTIVATIONS,
        "winner_take_all": {"rate": _KEPT / _LATENT},
        "idec": {},
        "dcn": {},
        "rae_l2": {},
        "rae_gp": {},
        "rae_sn": {},
    }


def _with_prior(variant: str) -> dict[str, _Fields]:
    """Returns the families whose codes, numbers too, are drawn to a prior."""
    small = variant == "cpu"
    draws = {"num_samples": 3} if small else {}
    several = draws | ({"num_bounds": 2} if small else {})
    return {
        "vae": {},
        "beta_vae": {},
        "annealed_vae": {"warmup_epochs": _epochs(variant) / 2},
        "factor_vae": {"discriminator_widths": [256, 256]} if small else {},
        "beta_tcvae": {},
        "dip_vae": {},
        "info_vae": {},
        "hyperspherical_vae": {},
        "poincare_vae": {},
        "hamiltonian_vae": {"num_steps": 1} if small else {},
        "riemannian_hamiltonian_vae": {"num_steps": 1} if small else {},
        "ladder_vae": {"upper_sizes": [8, 4]},
        "vade": {},
        "wae": {},
        "swae": {},
        "adversarial": {},
        "vae_gan": {},
        "iwae": draws,
        "miwae": several,
        "piwae": several,
        "ciwae": draws,
    }


def _discrete(variant: str) -> dict[str, _Fields]:
    """Returns the families whose codes are indices.

    Their decoder is the same network by name, where a mirror would be given a map with an index for each position.
    """
    shared = _INDICES | {"decoder": dataclasses.asdict(_network(variant))}
    return {
        "vq_vae": shared,
        "sim_vq": shared,
        "residual_vq": shared | {"depth": 4, "num_positions": _LATENT // 4},
        "fsq": shared,
        "lookup_free": shared,
        "gumbel_softmax": shared | {"latent_size": 16, "anneal_epochs": _epochs(variant) / 2},
    }


def sweep(variant: str) -> sweeps.Sweep:
    """Returns every family with two samplers of its codes."""
    common = {"encoder": dataclasses.asdict(_network(variant))}
    numbers = common | {"latent_size": _LATENT}
    points = []
    for families, shared, samplers in (
        (_without_prior(), numbers, ("gaussian", "mixture")),
        (_with_prior(variant), numbers, ("prior", "mixture")),
        (_discrete(variant), common, ("prior", "autoregressive")),
    ):
        for kind, own in families.items():
            point = sweeps.part("autoencoder", kind, shared | own)
            if kind in _AT_ODDS:
                point |= {"optimizer.beta1": 0.5}
            if kind in _PRETRAINED:
                half = _epochs(variant) // 2
                point |= {"training.pretraining_epochs": half, "training.epochs": _epochs(variant) - half}
            drawn = sweeps.grid("generation.sampler", samplers)
            points.append(sweeps.product([sweeps.labelled(kind, point)], drawn))
    return sweeps.chain(*points)
