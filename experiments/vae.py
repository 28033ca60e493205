"""How likely are binarized digits under a variational autoencoder, and what are its codes worth to a classifier?

    aejax train vae:dense      # 784-200-200-50
    aejax train vae:conv       # 32 and 64 maps, stride 2, 32 units
    aejax train vae:small      # 784-100-10, whose published record holds a trained model

MNIST, each pixel drawn anew for every batch with its intensity as the probability of white; 59,000 images, five seeds.
−log p(x) is the bound of 5,000 importance samples (`conv`: 100), on all 10,000 test images, binarized once. Batches of
20, ReLU and the KL's warm-up were chosen by 30 epochs of one seed on validation images: each lowers the bound by 1 to 2
nats, and with the warm-up more units stay in use.

Cost: `dense` 5 minutes of training for a seed on 2 cores, and as long again for its 5,000 samples; all five within 55
minutes, beside other work. `conv` 19 minutes, half of them beside other work; `small` 10, beside much other work.
Expected: `dense` 88.76 ± 0.06 nats, and an evidence lower bound of −94.1 ± 0.1; by the probe 92.0 ± 0.4 %, by k-NN 97.3
± 0.2 %, both better than the (binarized) pixels and PCA. `conv`, after 10 epochs, 93.6 ± 0.2 nats from 100 samples, and
all 32 units in use; by k-NN 97.62 ± 0.11 %, by the probe 89.7 ± 0.4 %, below the pixels' 91.2. `small`: 117.3 ± 0.4
nats from 100 samples, on the first 1,000 test images.
"""

from aejax.autoencoders.vae import VaeConfig
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.measures.config import LikelihoodConfig
from aejax.networks.convolutional import Convolutional
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import Bernoulli
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig

VARIANTS = ("dense", "conv", "small")


def get_config(variant: str) -> Config:
    """Returns the config of one seed."""
    dense, small = variant == "dense", variant == "small"
    return Config(
        data=DataConfig(name="mnist", validation_size=1000, binarization="dynamic"),
        autoencoder=VaeConfig(
            encoder=Convolutional() if variant == "conv" else Dense(widths=(100,) if small else (200, 200)),
            latent_size={"dense": 50, "conv": 32, "small": 10}[variant],
            likelihood=Bernoulli(),
            warmup_epochs=10.0 if dense else 2.0,
        ),
        optimizer=Adam(learning_rate=1e-3, schedule=Cosine()),
        training=TrainingConfig(
            epochs={"dense": 100, "conv": 10, "small": 10}[variant], batch_size=20 if dense else 100
        ),
        evaluation=EvaluationConfig(
            measures=("reconstruction", "posterior", "likelihood", *(() if small else ("probe", "neighbors"))),
            baselines=("pca",) if small else ("pixels", "pca"),
            likelihood=LikelihoodConfig(num_samples=5000 if dense else 100, num_images=1000 if small else None),
        ),
    )
