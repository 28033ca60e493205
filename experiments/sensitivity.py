"""Which of AdamW's hyperparameters decide how well a dense autoencoder reconstructs?

    aejax train sensitivity

200 settings drawn at random (learning rate, momenta, weight decay) x five seeds of the quickstart's data with a
64-64-16-64-64 network, 20 epochs: 1,000 members, compiled once and trained together as one population.

Cost: about two minutes on 2 cores: 40 seconds of training, 40 of evaluation, 20 of compilation.
Expected: the learning rate. The median test MSE falls from 0.15 below 1e-4 to 0.010 between 3e-3 and 3e-2, and rises
again above. Around the best, beta1 comes next (rank correlation 0.6 with the error above 1e-2); beta2 and the decay
stay below 0.3.
"""

import numpy as np

from aejax import sweep as sweeps
from aejax.autoencoders.plain import PlainConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.training.optimizers import AdamW
from aejax.training.step import TrainingConfig


def get_config() -> Config:
    """Returns the config of one seed of one setting."""
    return Config(
        autoencoder=PlainConfig(encoder=Dense(widths=(64,)), latent_size=16),
        optimizer=AdamW(),
        training=TrainingConfig(epochs=20, batch_size=64),
        evaluation=EvaluationConfig(baselines=("pixels", "pca", "untrained")),
    )


def sweep() -> sweeps.Sweep:
    """Returns the 200 settings."""
    return sweeps.random_draws(
        200,
        {
            "optimizer.learning_rate": sweeps.log_uniform(1e-5, 1e-1),
            "optimizer.beta1": lambda generator: float(generator.uniform(0.5, 0.99)),
            "optimizer.beta2": lambda generator: float(1 - np.exp(generator.uniform(np.log(1e-4), np.log(0.5)))),
            "optimizer.weight_decay": sweeps.log_uniform(1e-6, 1.0),
        },
    )
