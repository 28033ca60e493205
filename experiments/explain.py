"""What do the units of five families stand for, and can what is said of them be trusted?

    python scripts/train.py --config=experiments/explain.py:mnist
    python scripts/explain.py runs/explain-mnist            # then: units, attributions with their checks, pictures
    python scripts/report.py runs/explain-mnist             # the page to explore
    python scripts/train.py --config=experiments/explain.py:small && python scripts/explain.py runs/explain-small

Dense autoencoders with 64 units, and the supervised network with the same encoder. `small` are the digits of 8 x 8
pixels, with 16 units.

Cost:
Expected:
"""

from typing import Any

from aejax import sweep as sweeps
from aejax.autoencoders.plain import Plain
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
        autoencoder=Plain(encoder=Dense(widths=_widths(variant)), latent_size=_size(variant)),
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
