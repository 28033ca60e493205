"""How does the cost of reaching a reconstruction error, and a probe accuracy, grow with the training data?

    aejax train efficiency:error       # train until the error is reached
    aejax train efficiency:accuracy    # probe after 1, 3 and 10 epochs

A 784-256-32-256-784 network on MNIST, Adam, mean squared error; 1,000, 4,000, 15,000 and 59,000 training images, five
seeds. `error` stops when an epoch's mean training error is at most 0.015, for batches of 32 and 256, and at batch 256
in bfloat16 too: the columns `train_seconds` and `train_tflop` are the cost of getting there. `accuracy` gives each
training size three budgets at batch 128: the cost of an accuracy is that of the cheapest budget that reaches it.

Cost: about four minutes on 2 cores for each of the two.
Expected: the cost of an error grows more slowly than the data: 0.034 TFLOP for each member from 1,000 images, 0.25 from
59,000, at batch 32, and what is bought with it is worth more (test MSE 0.0190 and 0.0079). Batch 256 takes 1.5 to 6.5
times the operations; on a CPU bfloat16 saves nothing, the same operations in 1.2 times the time. Accuracy is cheaper
from more data: 89 % takes 0.095 TFLOP with 15,000 images; one epoch of 59,000 gives 89.8 % for 0.124, and more training
adds nothing. At no budget do these features reach raw pixels (92.7 %).
"""

from aejax import sweep as sweeps
from aejax.autoencoders.plain import PlainConfig
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import MeanSquaredError
from aejax.training.step import TrainingConfig

VARIANTS = ("error", "accuracy")
SIZES = (1_000, 4_000, 15_000, 59_000)


def get_config(variant: str) -> Config:
    """Returns the config of one seed."""
    until_error = variant == "error"
    return Config(
        data=DataConfig(name="mnist", validation_size=1000),
        autoencoder=PlainConfig(encoder=Dense(widths=(256,)), latent_size=32, likelihood=MeanSquaredError()),
        training=TrainingConfig(epochs=300, target_error=0.015) if until_error else TrainingConfig(batch_size=128),
        evaluation=EvaluationConfig(
            measures=("reconstruction",) if until_error else ("reconstruction", "probe"),
            baselines=("pca",) if until_error else ("pixels", "pca", "untrained"),
        ),
    )


def sweep(variant: str) -> sweeps.Sweep:
    """Returns training sizes times batch sizes and precisions, or times budgets."""
    sizes = sweeps.grid("data.train_size", SIZES)
    if variant == "accuracy":
        return sweeps.product(sizes, sweeps.grid("training.epochs", [1, 3, 10]))
    batches = sweeps.grid("training.batch_size", [32, 256])
    halved = [{"training.batch_size": 256, "training.precision": "bfloat16"}]
    return sweeps.product(sizes, sweeps.chain(batches, halved))
