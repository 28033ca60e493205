"""Are classes clusters of what an autoencoder learns, for one who looks without labels?

    python scripts/train.py --config=experiments/clusters.py:mnist
    python scripts/train.py --config=experiments/clusters.py:fashion

Ten clusters of the features of 20,000 images, five seeds: k-means (of ten starts the one of least inertia), a Gaussian
mixture (of three the most likely), on 36 principal components of unit variance. Test images are assigned to them;
accuracy is that of the best matching of clusters and classes. A convolutional winner-take-all autoencoder and a narrow
dense one of rotated and shifted images, beside raw pixels, PCA and networks that were never trained. That components
have unit variance, and that there are 36, was seen to help on training images of MNIST with one seed.

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
    """Returns the config of one seed of the convolutional family; `sweep` adds the dense one."""
    return Config(
        data=DataConfig(name=_NAMES[variant], train_size=20_000, validation_size=5000),
        autoencoder=ConvWinnerTakeAll(
            encoder=Convolutional(widths=(), strides=(1,), kernel_size=7),
            decoder_kernel_size=7,
            rate=0.2,
            pool=7,
            two_sided=True,
            likelihood=Bernoulli(),
        ),
        optimizer=Adam(learning_rate=3e-3, schedule=Cosine()),
        training=TrainingConfig(epochs=3, batch_size=50),
        evaluation=EvaluationConfig(
            measures=("clustering",),
            baselines=("pixels", "pca", "untrained"),
            num_components=36,
            whiten_clusters=True,
        ),
    )


def sweep(variant: str) -> sweeps.Sweep:
    """Returns both families."""
    del variant
    return [
        {},
        sweeps.part("autoencoder", "plain", {"encoder.widths": [500, 500], "latent_size": 10})
        | {
            "optimizer.learning_rate": 1e-3,
            "training.epochs": 30,
            "training.batch_size": 100,
            "training.augmentation.rotation": 10.0,
            "training.augmentation.shift": 2,
        },
    ]
