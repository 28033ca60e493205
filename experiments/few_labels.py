"""What are features of 55,000 images without labels worth where 1, 10 or 100 images of each class have one?

    python scripts/train.py --config=experiments/few_labels.py:mnist
    python scripts/train.py --config=experiments/few_labels.py:fashion

Logistic regressions on frozen features: of convolutional winner-take-all and two dense families, five seeds, beside raw
pixels, PCA and networks that were never trained. Every method has the same ten subsets of labelled images, and as many
further ones to choose the strength by; a seed's number is the mean over the ten.

Cost: not run yet as a whole.
Expected: not known yet.
"""

from aejax import sweep as sweeps
from aejax.autoencoders.conv_winner_take_all import ConvWinnerTakeAll
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.convolutional import Convolutional
from aejax.objectives.likelihoods import Bernoulli
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig

VARIANTS = ("mnist", "fashion")
_NAMES = {"mnist": "mnist", "fashion": "fashion_mnist"}


def get_config(variant: str) -> Config:
    """Returns the config of one seed of the convolutional family; `sweep` adds the dense ones."""
    return Config(
        data=DataConfig(name=_NAMES[variant], validation_size=5000),
        autoencoder=ConvWinnerTakeAll(
            encoder=Convolutional(widths=(), strides=(1,), kernel_size=7),
            decoder_kernel_size=7,
            rate=0.2,
            pool=7,
            two_sided=True,
            likelihood=Bernoulli(),
        ),
        optimizer=Adam(learning_rate=3e-3, schedule=Cosine()),
        training=TrainingConfig(epochs=1, batch_size=50),
        evaluation=EvaluationConfig(measures=("few_labels",), baselines=("pixels", "pca", "untrained")),
    )


def sweep(variant: str) -> sweeps.Sweep:
    """Returns the convolutional family, a wide sparse one, and a narrow one of augmented images."""
    del variant
    dense = {"optimizer.learning_rate": 1e-3, "training.batch_size": 100}
    wide = {"encoder.widths": [], "latent_size": 1000, "latent_activation": "relu", "likelihood": "bernoulli"}
    return [
        {},
        sweeps.part("autoencoder", "winner_take_all", wide | {"rate": 0.05}) | dense | {"training.epochs": 5},
        sweeps.part("autoencoder", "plain", {"encoder.widths": [500, 500], "latent_size": 10})
        | dense
        | {"training.epochs": 10, "training.augmentation.rotation": 10.0, "training.augmentation.shift": 2},
    ]
