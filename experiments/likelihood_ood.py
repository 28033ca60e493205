"""Does a likelihood tell what a model was trained on from what it was not, and if not, which score does?

    aejax train likelihood_ood:cpu             # trained on Fashion-MNIST; outliers: MNIST
    aejax train likelihood_ood:reverse         # and back
    aejax train likelihood_ood:full            # all images, convolutional: for a GPU; also :full_reverse

Nalisnick, Matsukawa, Teh, Görür and Lakshminarayanan, "Do deep generative models know what they don't know?", 2019: a
VAE of Fashion-MNIST, like other models, gives images of MNIST the higher likelihood. Five scores, of which none reads a
label and none has seen an outlier: the bound on −log p(x) by importance samples; its distance from the mean of training
images (typicality: Nalisnick et al., 2019, of one image); −log p(x) less the length of a lossless code of the image,
which is short for simple images (complexity: Serrà et al., 2020; the code is ours, about as good as PNG's); the error
of the reconstruction; and the Mahalanobis distance of the codes. Beside them the untrained network and PCA.

The likelihood is that of a mixture of discretized logistics, a probability of the 256 levels that pixels have (a
Bernoulli's of gray pixels is none, and a density of such pixels has no bound); beside it is a Gaussian with a learned
deviation, a density, to see whether the answer hangs on that. `cpu` trains 784-256-32-256-784 networks on 10,000
images, and measures the first 2,000 images of each split by 20 samples; `full` trains on 55,000 and measures 5,000 by
200. Five seeds.

Cost: not measured yet. `cpu` and `reverse` have 28 TFLOP to train and about 20 to evaluate, an estimated 15 minutes on
2 cores at half their rate, for the exponentials of the mixtures too; `full` has 800 TFLOP to train.
Expected: not measured yet. By −log p(x) MNIST is told from Fashion-MNIST worse than by chance (an AUROC below 50 %, and
fewer nats than the own images), and with complexity taken off, well; Fashion-MNIST is told from MNIST by −log p(x).
"""

from aejax import sweep as sweeps
from aejax.autoencoders.vae import VaeConfig
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.measures.config import LikelihoodConfig
from aejax.networks.convolutional import Convolutional
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import LogisticMixture
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig

VARIANTS = ("cpu", "reverse", "full", "full_reverse")


def get_config(variant: str) -> Config:
    """Returns the config of one seed with a probability of pixels; `sweep` adds the density."""
    full = variant.startswith("full")
    own, other = ("mnist", "fashion_mnist") if variant.endswith("reverse") else ("fashion_mnist", "mnist")
    sizes = {"validation_size": 5000} if full else {"train_size": 10_000, "validation_size": 2000}
    return Config(
        data=DataConfig(name=own, **sizes),
        autoencoder=VaeConfig(
            encoder=Convolutional(widths=(32, 64)) if full else Dense(widths=(256,)),
            latent_size=32,
            likelihood=LogisticMixture(num_components=3),
        ),
        optimizer=Adam(learning_rate=1e-3, schedule=Cosine()),
        training=TrainingConfig(epochs=100 if full else 40, batch_size=100),
        evaluation=EvaluationConfig(
            measures=("reconstruction", "likelihood", "outlier_likelihood"),
            baselines=("pca", "untrained"),
            outliers=DataConfig(name=other, **sizes),
            likelihood=LikelihoodConfig(num_samples=200 if full else 20, num_images=5000 if full else 2000),
        ),
    )


def sweep(variant: str) -> sweeps.Sweep:
    """Returns the probability of pixels, and the density."""
    del variant
    return [{}, {"autoencoder.likelihood": "learned_gaussian"}]
