"""Does a prior that is learned make a better model of digits than N(0, I), at equal epochs?

    python scripts/train.py --config=experiments/priors.py:mnist
    python scripts/train.py --config=experiments/priors.py:small      # the digits

The VAE with N(0, I), with a mixture of 50 Gaussians, and with a VampPrior of 50 pseudo-inputs (Tomczak and Welling,
2018), five seeds. `mnist`: each pixel drawn anew for every batch; 784-300-300-40, batches of 100, 50 epochs with the
KL's warm-up over the first 10; −log p(x) is the bound of 500 importance samples on the first 2,000 test images.
`small`: scikit-learn's digits, 64-64-8, 50 epochs; 100 samples.

Cost: `small` under a minute on 2 cores. `mnist` about 25 minutes was the aim; it was not run.
Expected: both learned priors below N(0, I) in −log p(x) by one or two nats on `mnist`, in every seed, at a higher rate
(paper: 84.75 nats with N(0, I), 82.38 with 500 pseudo-inputs, one stochastic layer, up to 2,000 epochs).
"""

from aejax import sweep as sweeps
from aejax.autoencoders.vae import Vae
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import Bernoulli
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig

VARIANTS = ("mnist", "small")


def get_config(variant: str) -> Config:
    """Returns the config of one seed with N(0, I); `sweep` sets the other priors."""
    small = variant == "small"
    return Config(
        data=DataConfig(
            name="digits" if small else "mnist", validation_size=300 if small else 5000, binarization="dynamic"
        ),
        autoencoder=Vae(
            encoder=Dense(widths=(64,) if small else (200, 200)),
            latent_size=8 if small else 40,
            likelihood=Bernoulli(),
            warmup_epochs=10.0,
        ),
        optimizer=Adam(learning_rate=1e-3, schedule=Cosine()),
        training=TrainingConfig(epochs=50, batch_size=20 if small else 100),
        evaluation=EvaluationConfig(
            measures=("posterior", "likelihood"),
            baselines=(),
            likelihood_samples=100 if small else 500,
            likelihood_images=None if small else 2000,
        ),
    )


def sweep(variant: str) -> sweeps.Sweep:
    """Returns the priors, with 50 components each, or of the small ones 10."""
    size = {"num_components": 10 if variant == "small" else 50}
    return [{}, *(sweeps.part("autoencoder.prior", kind, size) for kind in ("mixture", "vamp"))]
