"""Which search finds the settings whose codes tell digits apart best, and what do its trials cost?

    aejax train search:sobol               # 32 points, spread evenly
    aejax train search:tpe                 # 32 points, eight at a time
    aejax train search:halving             # 81 points, of which 9 train to the end
    aejax train search:population_based    # 16 that copy and vary each other

The learning rate, the first decay of Adam and the corruption of a denoising 64-64-16-64-64 network on the embedded
digits, chosen by the linear probe's accuracy on 400 validation images. What wins is trained on five fresh seeds, beside
the baselines; the trials are in `search/` below the work directory.

Cost: under a minute each on 2 cores. What the trials train: 47.1 GFLOP (`sobol`, `tpe`), 30.9 (`halving`, of more than
twice as many candidates) and 23.6 (`population_based`).
Expected: no winner is shown to be better than another, or than the pixels (97.2 % by the probe): 96.8 ± 1.0 % (`sobol`,
and `halving`, which finds the same point), 96.1 ± 0.4 % (`tpe`), 96.7 ± 0.5 % (`population_based`), on test images. On
the validation images that they were chosen by they have 95.8 to 96.5 %, which says nothing of that.
"""

from aejax.autoencoders.denoising import DenoisingConfig
from aejax.data.corruption import GaussianNoise
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.search.methods import Halving, PopulationBased, Sobol, Tpe
from aejax.search.run import Search
from aejax.search.space import Range
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig

_OBJECTIVE = "validation_probe_accuracy"
_METHODS = {
    "sobol": Sobol(objective=_OBJECTIVE),
    "tpe": Tpe(objective=_OBJECTIVE),
    "halving": Halving(objective=_OBJECTIVE, trials=81),
    "population_based": PopulationBased(objective=_OBJECTIVE, rounds=9),
}
VARIANTS = ("sobol", "tpe", "halving", "population_based")


def get_config(variant: str) -> Config:
    """Returns the config that all trials begin from."""
    del variant
    return Config(
        data=DataConfig(validation_size=400),
        autoencoder=DenoisingConfig(encoder=Dense(widths=(64,)), latent_size=16, corruption=GaussianNoise()),
        optimizer=Adam(schedule=Cosine()),
        training=TrainingConfig(epochs=27),
        evaluation=EvaluationConfig(measures=("reconstruction", "probe", "neighbors"), baselines=("pixels", "pca")),
    )


def search(variant: str) -> Search:
    """Returns the search."""
    return Search(
        method=_METHODS[variant],
        space={
            "optimizer.learning_rate": Range(low=1e-4, high=0.1, log=True),
            "optimizer.beta1": Range(low=0.0, high=0.99),
            "autoencoder.corruption.scale": Range(low=0.0, high=1.0),
        },
    )
