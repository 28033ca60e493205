"""Does a prior that is learned, or a posterior that is no Gaussian, make a better model of digits, at equal epochs?

    aejax train priors:mnist
    aejax train priors:posteriors    # flows, Hamiltonian steps, a ladder
    aejax train priors:small         # the priors, of scikit-learn's digits

The VAE with N(0, I), with a mixture of 50 Gaussians, and with a VampPrior of 50 pseudo-inputs (Tomczak and Welling,
2018), five seeds. `mnist`: each pixel drawn anew for every batch; 784-200-200-40, batches of 100, 40 epochs with the
KL's warm-up over the first 10; −log p(x) is the bound of 500 importance samples on the first 1,000 test images.
`posteriors`: the same with N(0, I), and with a planar, a coupling and an inverse autoregressive flow of four layers
after the Gaussian posterior, one Hamiltonian step, or a ladder of levels with 40, 20 and 10 units. `small`:
scikit-learn's digits, 64-64-8, 50 epochs, 10 components; 100 samples.

Cost: `small` about a minute on 2 cores, most of it compilation. `mnist` 57 minutes beside other work. `posteriors` is
not measured yet.
Expected: 93.05 ± 0.16 nats with N(0, I), 90.93 ± 0.28 with the mixture, 89.55 ± 0.21 with the VampPrior; paired
over seeds 2.12 ± 0.31 and 3.51 ± 0.30 nats below N(0, I). `posteriors` is not measured yet.
"""

from aejax import sweep as sweeps
from aejax.autoencoders.vae import VaeConfig
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.measures.config import LikelihoodConfig
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import Bernoulli
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig

VARIANTS = ("mnist", "posteriors", "small")
_FLOWS = ("planar", "coupling", "inverse_autoregressive")


def get_config(variant: str) -> Config:
    """Returns the config of one seed with N(0, I) and Gaussian posteriors; `sweep` sets the others."""
    small = variant == "small"
    return Config(
        data=DataConfig(
            name="digits" if small else "mnist", validation_size=300 if small else 1000, binarization="dynamic"
        ),
        autoencoder=VaeConfig(
            encoder=Dense(widths=(64,) if small else (200, 200)),
            latent_size=8 if small else 40,
            likelihood=Bernoulli(),
            warmup_epochs=10.0,
        ),
        optimizer=Adam(learning_rate=1e-3, schedule=Cosine()),
        training=TrainingConfig(epochs=50 if small else 40, batch_size=20 if small else 100),
        evaluation=EvaluationConfig(
            measures=("posterior", "likelihood"),
            baselines=(),
            likelihood=LikelihoodConfig(num_samples=100 if small else 500, num_images=None if small else 1000),
        ),
    )


def sweep(variant: str) -> sweeps.Sweep:
    """Returns the priors, with 50 components each, or of the small ones 10; or the posteriors."""
    if variant == "posteriors":
        shared = {"encoder.widths": [200, 200], "latent_size": 40, "likelihood": "bernoulli", "warmup_epochs": 10.0}
        families = (("hamiltonian_vae", {"num_steps": 1}), ("ladder_vae", {"upper_sizes": [20, 10], "width": 200}))
        flows = [sweeps.part("autoencoder.flow", kind, {}) for kind in _FLOWS]
        return [{}, *flows, *(sweeps.part("autoencoder", kind, shared | own) for kind, own in families)]
    size = {"num_components": 10 if variant == "small" else 50}
    return [{}, *(sweeps.part("autoencoder.prior", kind, size) for kind in ("mixture", "vamp"))]
