"""Do an autoencoder's features serve images of another kind, unseen classes, and corrupted images?

    aejax train generalization:mnist      # and probed on Fashion-MNIST
    aejax train generalization:fashion    # and back
    aejax train generalization:classes    # trained on the digits 0 to 4

784-256-784 networks of five families on 10,000 images, five seeds, beside the pixels, PCA and the untrained network,
all of which are probed on the other data as well (`classes`: on the digits 5 to 9). `mnist` and `fashion` also measure
robustness: reconstruction and probe on test images with noise, blur, occlusion, contrast, shift and rotation of five
severities.

Cost: on 2 cores 3 minutes for `mnist`, 2.5 for `fashion`, 2 for `classes`.
Expected: under the probe, features of Fashion-MNIST serve MNIST (denoising 94.18 ± 0.24 % of the test images, pixels
91.66), and features of the digits 0 to 4 serve 5 to 9 (winner-take-all 96.14 ± 0.14 %, pixels 93.99); features of MNIST
do not serve Fashion-MNIST better than its pixels (dropout 83.70 ± 0.20 %, pixels 83.75). By k-NN no family is shown to
beat the pixels of other data. Corrupted images cost the probe on features two thirds (MNIST; dropout 67.1 ± 3.2 %) or
nine tenths (Fashion-MNIST; winner-take-all 88.7 ± 1.2 %) of what they cost the probe on pixels.
"""

from aejax import sweep as sweeps
from aejax.autoencoders.plain import PlainConfig
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.measures.config import ProbeConfig
from aejax.networks.dense import Dense
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig

VARIANTS = ("mnist", "fashion", "classes")
_SIZES = {"train_size": 10_000, "validation_size": 2000}


def get_config(variant: str) -> Config:
    """Returns the config of one seed of the plain autoencoder."""
    own, other = {
        "mnist": (DataConfig(name="mnist", **_SIZES), DataConfig(name="fashion_mnist", **_SIZES)),
        "fashion": (DataConfig(name="fashion_mnist", **_SIZES), DataConfig(name="mnist", **_SIZES)),
        "classes": tuple(
            DataConfig(name="mnist", classes=classes, **_SIZES) for classes in ((0, 1, 2, 3, 4), (5, 6, 7, 8, 9))
        ),
    }[variant]
    robustness = () if variant == "classes" else ("robustness",)
    return Config(
        data=own,
        autoencoder=PlainConfig(encoder=Dense(widths=()), latent_size=256, latent_activation="relu"),
        optimizer=Adam(schedule=Cosine()),
        training=TrainingConfig(epochs=20, batch_size=100),
        evaluation=EvaluationConfig(
            measures=("reconstruction", "probe", "neighbors", *robustness),
            baselines=("pixels", "pca", "untrained"),
            probe=ProbeConfig(strengths=(0.1, 0.03, 0.01, 0.003)),
            transfer=other,
        ),
    )


def sweep(variant: str) -> sweeps.Sweep:
    """Returns the plain autoencoder and, at the strength that `overfitting.py` found best by the probe, four others."""
    del variant
    network = {"encoder.widths": [], "latent_size": 256, "latent_activation": "relu"}
    families = {
        "denoising": {"corruption": "gaussian", "corruption.scale": 0.8},
        "winner_take_all": {"rate": 0.1},
        "dropout": {"rate": 0.5},
        "contractive": {"weight": 0.003},
    }
    return [
        {},
        *(sweeps.part("autoencoder", kind, network | fields) for kind, fields in families.items()),
    ]
