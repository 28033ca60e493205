"""Do features that convolutional autoencoders learn without labels help to recognise images, and beside what?

    aejax train recognition:mnist
    aejax train recognition:fashion
    aejax train recognition:cifar100    # 20,000 images of it
    aejax train recognition:mnist_stacked
    aejax train recognition:fashion_stacked

Convolutional winner-take-all autoencoders, five seeds, one epoch, beside raw pixels, PCA and the same encoder trained
by all labels from scratch for about as many seconds. Features are the largest values of 16 squares of each of 64 maps
and of its negative: 2,048 numbers. The probe is a logistic regression, its strength chosen on 5,000 validation images;
k-NN searches the 64 principal components of the features, each of unit variance. One layer of 7 x 7 filters does on
MNIST and CIFAR-100; on Fashion-MNIST the validation images ask for two, 5 x 5.

The stacked ones have a second such autoencoder of 256 maps, 3 x 3 filters, that is trained on the largest values of
squares of 4 x 4 pixels of the first one's maps. Features are those of both layers, 4,096 numbers. They are classified
by linear support-vector machines, as in the paper, beside raw pixels alone: the other baselines are those of one layer.
The scores of a digit are means over nine places, a pixel apart.

Cost: on 2 cores, partly beside other work, 10 minutes for `mnist`, 22 for `fashion`, 27 for `cifar100`, 23 and 5.3 GB
of memory for `mnist_stacked`, 49 for `fashion_stacked`.
Expected: under the probe an error of 0.88 ± 0.06 % of the test images of MNIST (pixels 7.35, the network from scratch,
2 epochs, 1.45 ± 0.08 by its own classifier) and of 9.83 ± 0.19 % of those of Fashion-MNIST (pixels 15.23, from scratch,
1 epoch, 13.64 ± 0.12); by k-NN of 64 components 1.41 ± 0.05 % (pixels 3.07) and 12.92 ± 0.41 % (13.06: undecided). On
CIFAR-100 these features are worse than the pixels: the probe is right on 16.0 ± 1.3 % (pixels 18.1, from scratch 21.1).
The stacked ones err on 0.63 ± 0.07 % of MNIST (pixels 8.74) and 9.2 ± 0.4 % of Fashion-MNIST (15.9).
"""

from aejax import sweep as sweeps
from aejax.autoencoders.conv_winner_take_all import ConvLayerAbove, ConvWinnerTakeAllConfig
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.measures.config import ProbeConfig, SvmConfig
from aejax.networks.convolutional import Convolutional
from aejax.objectives.likelihoods import Bernoulli
from aejax.training.fine_tuning import FineTuningConfig
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig

VARIANTS = ("mnist", "fashion", "cifar100", "mnist_stacked", "fashion_stacked")
_NAMES = {"mnist": "mnist", "fashion": "fashion_mnist", "cifar100": "cifar100"}
_STRENGTHS = {"mnist_stacked": (0.01, 0.003, 0.001), "fashion_stacked": (0.03, 0.01, 0.003)}


def get_config(variant: str) -> Config:
    """Returns the config of one seed."""
    data, _, stacked = variant.partition("_")
    deep, color = data == "fashion", data == "cifar100"
    return Config(
        data=DataConfig(name=_NAMES[data], train_size=20_000 if color else None, validation_size=5000),
        autoencoder=ConvWinnerTakeAllConfig(
            encoder=Convolutional(widths=(16,) if deep else (), strides=(1,), kernel_size=5 if deep else 7),
            decoder_kernel_size=7,
            rate=0.2,
            pool=8 if color else 7,
            two_sided=True,
            second=ConvLayerAbove(rate=0.2) if stacked else None,
            likelihood=Bernoulli(),
        ),
        optimizer=Adam(learning_rate=3e-3, schedule=Cosine()),
        training=TrainingConfig(epochs=1, batch_size=50),
        fine_tuning=FineTuningConfig(scratch_epochs=1 if deep else 2, scratch_learning_rate=1e-3),
        evaluation=EvaluationConfig(
            measures=("svm",) if stacked else ("probe", "calibration", "component_neighbors"),
            baselines=("pixels",) if stacked else ("pixels", "pca", "supervised"),
            classifier_features=False,
            shift=1 if variant == "mnist_stacked" else 0,
            svm=SvmConfig(strengths=_STRENGTHS.get(variant, SvmConfig().strengths)),
            probe=ProbeConfig(strengths=(0.1, 0.03, 0.01) if color else (0.003, 0.001, 0.0003, 0.0001)),
        ),
    )


def sweep(variant: str) -> sweeps.Sweep:
    """Returns that family alone."""
    del variant
    return [{}]
