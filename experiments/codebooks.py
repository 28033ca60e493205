"""How much of its codebook does an autoencoder with discrete codes use as the codebook grows, and what is that worth?

    python scripts/train.py --config=experiments/codebooks.py
    python scripts/train.py --config=experiments/codebooks.py:small      # the digits

Codebooks that learn by gradient descent (van den Oord et al., 2017), that follow moving averages with dead vectors
revived, and grids that need no codebook (FSQ), of 64, 256 and 1,024 codes. MNIST, a convolutional encoder with a code
for each of 7 × 7 places; usage is the share of the codes that occur among those of the test images.
"""

from typing import Any

from aejax import sweep as sweeps
from aejax.autoencoders.vq_vae import VqVae
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.convolutional import Convolutional
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig

VARIANTS = ("mnist", "small")
SIZES = {"mnist": (64, 256, 1024), "small": (16, 64)}


def get_config(variant: str) -> Config:
    """Returns the config of one seed; `sweep` adds the families and sizes."""
    mnist = variant == "mnist"
    return Config(
        data=DataConfig(name="mnist", validation_size=5000) if mnist else DataConfig(),
        autoencoder=VqVae(encoder=_ENCODER[variant]),
        optimizer=Adam(learning_rate=2e-3, schedule=Cosine()),
        training=TrainingConfig(epochs=5 if mnist else 60, batch_size=128 if mnist else 32),
        evaluation=EvaluationConfig(measures=("reconstruction", "codebook"), baselines=()),
    )


_ENCODER = {"mnist": Convolutional(widths=(16, 32)), "small": Convolutional(widths=(16,))}


def sweep(variant: str) -> sweeps.Sweep:
    """Returns every way to have codes at every size."""
    encoder = _ENCODER[variant]
    of_encoder = {"encoder.kind": "conv", "encoder.widths": list(encoder.widths)}

    def family(kind: str, fields: dict[str, Any]) -> sweeps.Sweep:
        return [sweeps.part("autoencoder", kind, of_encoder | fields)]

    points = []
    for size in SIZES[variant]:
        for update in ("gradient", "ema"):
            points.append(family("vq_vae", {"update": update, "codebook_size": size}))
        levels = [4] * (size.bit_length() // 2)
        points.append(family("fsq", {"latent_size": len(levels), "levels": levels}))
    return sweeps.chain(*points)
