"""What do the units of five families stand for, and can what is said of them be trusted?

    aejax train explain:mnist
    aejax explain runs/explain-mnist    # then: units, attributions with their checks, pictures
    aejax report runs/explain-mnist     # the page to explore
    aejax train explain:small && aejax explain runs/explain-small

Dense autoencoders with 64 units, and the supervised network with the same encoder. `small` are the digits of 8 x 8
pixels, with 16 units.

Cost: `mnist`: training 37 minutes and explaining 30 on 2 cores, both beside other work (25 and 35 of CPU time; a member
takes about 50 s alone, of which the dictionary 40). The page has 5.4 MB.
Expected: dictionaries of 1,024 units have no dead unit, with AuxK or without, leave 4.1 to 8.8 % of the variance
unexplained, and their units' impurity is 0.29 to 0.36 times that of the code's, but 0.53 of k-sparse codes, which are
sparse already. The probe reads 94.7 to 96.0 % from them, 90.5 to 92.5 % from the codes. Integrated gradients miss the
change that they explain by at most 0.24 % in a family's mean, and their correlation with those of random networks is
within 0.015 of 0 for units and the probe; of k-sparse codes, which jump, they miss it by 12 to 60 %, so that check
fails. `edges` fails in all 25 members.
"""

from typing import Any

from aejax import sweep as sweeps
from aejax.autoencoders.plain import PlainConfig
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig

VARIANTS = ("mnist", "small")


def get_config(variant: str) -> Config:
    """Returns the config of one seed; `sweep` adds the families."""
    mnist = variant == "mnist"
    return Config(
        data=DataConfig(name="mnist", validation_size=5000) if mnist else DataConfig(),
        autoencoder=PlainConfig(encoder=Dense(widths=_widths(variant)), latent_size=_size(variant)),
        optimizer=Adam(learning_rate=1e-3, schedule=Cosine()),
        training=TrainingConfig(epochs=15 if mnist else 60, batch_size=128 if mnist else 32),
        evaluation=EvaluationConfig(measures=("reconstruction", "probe"), baselines=("pixels", "supervised")),
    )


def _widths(variant: str) -> tuple[int, ...]:
    return (256,) if variant == "mnist" else (64,)


def _size(variant: str) -> int:
    return 64 if variant == "mnist" else 16


def sweep(variant: str) -> sweeps.Sweep:
    """Returns the families."""
    shared = {"encoder": "dense", "encoder.widths": list(_widths(variant)), "latent_size": _size(variant)}

    def family(kind: str, **fields: Any) -> sweeps.Sweep:
        return [sweeps.part("autoencoder", kind, shared | fields)]

    return sweeps.chain(
        family("plain"),
        family("denoising"),
        family("contractive"),
        family("k_sparse", k=_size(variant) // 4),
        family("vae"),
    )
