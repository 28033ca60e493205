"""Do preprocessing, optimizer and schedule decide how far an autoencoder overfits, and what its features are worth?

    aejax train strategies

Three kinds of preprocessing x three optimizers x two schedules x five seeds, on the 1,000 images and the 784-256-784
network of `overfitting.py`, with an unbounded output so that all preprocessing is served by one likelihood.

Cost: three and a half minutes on 2 cores.
Expected: with so few images preprocessing does harm: whitening fits the noise of 1,000 images (probe 51 %, where no
preprocessing has 89.6 and the pixels too); standardizing costs 5-NN 6 to 8 points and, with Adam, makes the test error
three to four times as large. Adam and AdamW hardly differ; without preprocessing a cosine schedule stops short of the
error that a constant rate reaches in 100 epochs, and momentum reconstructs worst but keeps 5-NN best (94.0 %).
"""

from aejax import sweep as sweeps
from aejax.autoencoders.plain import PlainConfig
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.measures.config import ProbeConfig
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import HalfSquaredError
from aejax.training.step import TrainingConfig


def get_config() -> Config:
    """Returns the config of one seed."""
    return Config(
        data=DataConfig(name="mnist", train_size=1000, validation_size=2000),
        autoencoder=PlainConfig(
            encoder=Dense(widths=()),
            latent_size=256,
            latent_activation="relu",
            likelihood=HalfSquaredError(output="identity"),
        ),
        training=TrainingConfig(epochs=100, batch_size=100),
        evaluation=EvaluationConfig(baselines=("pixels", "pca"), probe=ProbeConfig(strengths=(0.3, 0.1, 0.03, 0.01))),
    )


def sweep() -> sweeps.Sweep:
    """Returns every combination; the learning rates are those of each optimizer, not of a search."""
    optimizers = [
        {"optimizer": "adam", "optimizer.learning_rate": 1e-3},
        {"optimizer": "adamw", "optimizer.learning_rate": 1e-3, "optimizer.weight_decay": 0.1},
        {"optimizer": "momentum", "optimizer.learning_rate": 1e-3},
    ]
    return sweeps.product(
        sweeps.grid("data.preprocessing", ["none", "standardize", "zca"]),
        optimizers,
        sweeps.grid("optimizer.schedule", ["constant", "cosine"]),
    )
