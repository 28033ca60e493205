"""What does a weight of the KL buy: which rates and distortions, how many units in use, and which features?

    aejax train beta

Eight weights and five seeds, 40 dense autoencoders of MNIST in one population that is compiled once; the curve of rate
and distortion, with bands, is in the report.

Cost: 76 minutes on 2 cores, beside other work: 65 s of training a member, 44 s of evaluation.
Expected: the likelihood is best where the bound is one, at a weight of 1: 99.8 ± 0.2 nats (0.1: 115.4 ± 0.2, 8: 129.6 ±
0.1). Rates fall from 50.4 ± 0.2 to 0 nats, distortions rise from 69.6 ± 0.3 to 205.8. All 16 units are in use up to a
weight of 2, 6 at 8, none at 64, where every member is flagged as collapsed. By the probe, weights up to 8 differ little
(86.6 to 88.2 %); all are better than PCA (84.7) and worse than the pixels (91.2).
"""

from aejax import sweep as sweeps
from aejax.autoencoders.vae import BetaVaeConfig
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.measures.config import LikelihoodConfig
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import Bernoulli
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig


def get_config() -> Config:
    """Returns the config of one seed and weight."""
    return Config(
        data=DataConfig(name="mnist", validation_size=5000, binarization="dynamic"),
        autoencoder=BetaVaeConfig(encoder=Dense(widths=(400,)), latent_size=16, likelihood=Bernoulli()),
        optimizer=Adam(learning_rate=1e-3, schedule=Cosine()),
        training=TrainingConfig(epochs=15, batch_size=100),
        evaluation=EvaluationConfig(
            measures=("reconstruction", "posterior", "likelihood", "probe"),
            baselines=("pixels", "pca"),
            likelihood=LikelihoodConfig(num_samples=100),
        ),
    )


def sweep() -> sweeps.Sweep:
    """Returns the weights."""
    return sweeps.grid("autoencoder.beta", [0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0])
