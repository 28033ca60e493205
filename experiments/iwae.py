"""Does a bound of more importance samples make a better model than more samples of the evidence lower bound?

    aejax train iwae:cpu      # bounds of 1, 5 and 20 samples, 20 epochs
    aejax train iwae:both     # and beside them as many of the lower bound
    aejax train iwae:full     # both, 1, 5 and 50 samples, 3,280 epochs: for a GPU

Table 1 of Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", 2016, with one stochastic layer: MNIST
binarized anew for every batch, 784-200-200-50 with tanh, batches of 20, Adam with β₂ = 0.999 and ε = 1e-4, and their
schedule (`full`; the others have half a cosine). −log p(x) is the bound of 1,000 importance samples on the first 1,000
test images, with `full` of 5,000 on all.

Cost: `both` 87 minutes on 2 cores, a third of them beside other work; the three settings of `cpu` about 41 of them.
`full` was not run.
Expected: `both` 96.2 ± 0.4 nats with one sample, 93.4 ± 0.2 and 92.5 ± 0.2 with importance-weighted bounds of 5 and 20,
95.4 ± 0.6 and 95.3 ± 0.8 with as many samples of the lower bound: 20 are better than 5 by 0.87 ± 0.32, 5 than 1 by 2.85
± 0.42 (paired, 5 seeds). The paper has 86.76, 86.47 and 86.35 nats with 1, 5 and 50 samples of the evidence lower
bound, and 86.76, 85.54 and 84.78 with as many importance samples.
"""

from aejax import sweep as sweeps
from aejax.autoencoders.iwae import IwaeConfig
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.measures.config import LikelihoodConfig
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import Bernoulli
from aejax.training.optimizers import Adam, Cosine, Stages
from aejax.training.step import TrainingConfig

VARIANTS = ("cpu", "both", "full")


def get_config(variant: str) -> Config:
    """Returns the config of one seed with one sample; `sweep` sets the others."""
    full = variant == "full"
    return Config(
        data=DataConfig(name="mnist", validation_size=400 if full else 5000, binarization="dynamic"),
        autoencoder=IwaeConfig(
            encoder=Dense(widths=(200, 200), activation="tanh"), latent_size=50, num_samples=1, likelihood=Bernoulli()
        ),
        optimizer=Adam(learning_rate=1e-3, epsilon=1e-4, schedule=Stages() if full else Cosine()),
        training=TrainingConfig(epochs=3280 if full else 20, batch_size=20),
        evaluation=EvaluationConfig(
            measures=("posterior", "likelihood"),
            baselines=(),
            likelihood=LikelihoodConfig(num_samples=5000) if full else LikelihoodConfig(num_images=1000),
        ),
    )


def sweep(variant: str) -> sweeps.Sweep:
    """Returns one sample, and more, of importance-weighted bounds and perhaps of the evidence lower bound."""
    more = [5, 50] if variant == "full" else [5, 20]
    averages = ["iwae"] if variant == "cpu" else ["elbo", "iwae"]
    return sweeps.chain(
        [{}],
        [{"autoencoder.average": average, "autoencoder.num_samples": num} for average in averages for num in more],
    )
