"""How large may a codebook be before codes are left unused, and which cures keep all in use?

    aejax train codebook_size:fashion        # 64 to 65,536 codes, for a GPU
    aejax train codebook_size:two_cores      # 64, 1,024 and 16,384 codes, a smaller network

Fashion-MNIST, convolutional networks with a code for each of 7 x 7 places. Codebooks that learn by gradients, straight
through or by the rotation trick; codebooks that follow moving averages, of which unused vectors are replaced; those
with the other cures too: the rotation trick, codes of 8 numbers, compared by cosine; SimVQ, of 8 numbers too; and the
grids FSQ and LFQ. Usage is the share of the codes that occur among the 490,000 of the test images.

A codebook needs vectors to learn from: a batch of `fashion` has 6,272, so each of 65,536 codes is the nearest to about
ten in the hundred steps that its moving average remembers; of 16,384 codes and the 3,136 vectors of `two_cores`, it is
nineteen.

Cost: not measured yet.
Expected: not measured yet.
"""

from typing import Any

from aejax import sweep as sweeps
from aejax.autoencoders.vq_vae import VqVaeConfig
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.convolutional import Convolutional
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig

VARIANTS = ("fashion", "two_cores")


def get_config(variant: str) -> Config:
    """Returns the config of one seed; `sweep` adds the families and sizes."""
    whole = variant == "fashion"
    return Config(
        data=DataConfig(name="fashion_mnist", validation_size=5000),
        autoencoder=VqVaeConfig(encoder=Convolutional(widths=_widths(variant))),
        # Without these what is to be quantized may run so far off that a grid has no gradient there.
        optimizer=Adam(learning_rate=2e-3, schedule=Cosine(warmup_epochs=1.0), clip_norm=1.0),
        training=TrainingConfig(epochs=20 if whole else 4, batch_size=128 if whole else 64),
        evaluation=EvaluationConfig(measures=("reconstruction", "codebook"), baselines=()),
    )


def _widths(variant: str) -> tuple[int, ...]:
    return (32, 64) if variant == "fashion" else (16, 32)


def sweep(variant: str) -> sweeps.Sweep:
    """Returns every way to have codes at every size."""
    network: dict[str, Any] = {"encoder": "conv", "encoder.widths": list(_widths(variant))}

    def family(kind: str, **fields: Any) -> sweeps.Sweep:
        return [sweeps.part("autoencoder", kind, network | fields)]

    points = []
    for bits in (6, 8, 10, 12, 14, 16) if variant == "fashion" else (6, 10, 14):
        size = {"codebook_size": 2**bits}
        points += [
            *(family("vq_vae", **size, update="gradient", gradient=by) for by in ("straight_through", "rotation")),
            family("vq_vae", **size),
            family("vq_vae", **size, gradient="rotation", code_size=8, similarity="cosine"),
            family("sim_vq", **size, code_size=8),
            family("fsq", latent_size=bits // 2, levels=[4] * (bits // 2)),
            family("lookup_free", latent_size=bits),
        ]
    return sweeps.chain(*points)
