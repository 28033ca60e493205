"""Which convolutional and residual networks suit color images of 32 x 32 pixels, and at which learning rate?

    aejax train color_networks:conv --seeds=1
    aejax train color_networks:resnet --seeds=1

Plain autoencoders of 128 numbers for the 3,072 of an image, five epochs of 4,000 images of CIFAR-100, one seed;
networks are named by their kernels and widths, each resolution halves height and width. Settings are chosen on
validation images.

Cost: on 2 cores 6 minutes for `conv`, beside other work, 15 for `resnet`, and 4.6 GB of memory.
Expected: of `resnet` the network of three resolutions without normalisation has the lowest validation error, 0.0127 at
0.001 (with it 0.0188); of `conv` the default one (3 x 3, 32-64), 0.0136 at 0.003, then 4 x 4 kernels, 0.0143, 5 x 5,
0.0158 at 0.001, and a third resolution, 0.0162. As many principal components have 0.0054: so few steps say which
network to begin with.
"""

from typing import Any

from aejax import sweep as sweeps
from aejax.autoencoders.plain import PlainConfig
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.measures.config import ProbeConfig
from aejax.networks.convolutional import Convolutional
from aejax.networks.residual import Residual
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig

VARIANTS = ("conv", "resnet")
_DEEP = (32, 64, 128)
_NETWORKS = {
    "conv": {
        "3 x 3, 32-64": {},
        "4 x 4, 32-64": {"kernel_size": 4},
        "3 x 3, 32-64-128": {"widths": _DEEP},
        "4 x 4, 32-64-128": {"widths": _DEEP, "kernel_size": 4},
        "5 x 5, 32-64": {"kernel_size": 5},
    },
    "resnet": {
        "32-64": {},
        "16-32-64": {"widths": (16, 32, 64)},
        "32-64-128": {"widths": _DEEP},
        "32-64-128, no normalisation": {"widths": _DEEP, "norm": "none"},
    },
}


def get_config(variant: str) -> Config:
    """Returns the config of one seed, with the default network."""
    return Config(
        data=DataConfig(name="cifar100", train_size=4000, validation_size=2000),
        autoencoder=PlainConfig(encoder=Convolutional() if variant == "conv" else Residual(), latent_size=128),
        optimizer=Adam(learning_rate=1e-3, schedule=Cosine()),
        training=TrainingConfig(epochs=5, batch_size=50),
        evaluation=EvaluationConfig(
            measures=("reconstruction", "probe"),
            baselines=("pixels", "pca"),
            probe=ProbeConfig(strengths=(0.1, 0.01, 0.001)),
        ),
    )


def sweep(variant: str) -> sweeps.Sweep:
    """Returns each network at each learning rate."""
    rates = sweeps.grid("optimizer.learning_rate", [1e-3, 3e-3, 1e-2])
    return sweeps.product([_point(*network) for network in _NETWORKS[variant].items()], rates)


def _point(label: str, fields: dict[str, Any]) -> sweeps.Override:
    return sweeps.labelled(label, {f"autoencoder.encoder.{name}": value for name, value in fields.items()})
