r"""Trains a study: every member of a sweep and its baselines, into a table with intervals.

Examples:

  The five-seed quickstart on the embedded digits:
    python scripts/train.py --config=experiments/quickstart.py

  A variant of an experiment, with another learning rate:
    python scripts/train.py --config=experiments/article.py:fashion --set optimizer.learning_rate=3e-4

  Four learning rates times ten seeds, trained as one population; first what it would take:
    python scripts/train.py --config=experiments/quickstart.py --sweep optimizer.learning_rate=1e-4,3e-4,1e-3,3e-3 \
        --seeds=10 --dry_run

  Another optimizer, chosen by name and then refined:
    python scripts/train.py --config=experiments/quickstart.py --set optimizer=momentum \
        --set optimizer.learning_rate=0.05

  A search for the learning rate instead of a sweep, whose winner is trained again on five fresh seeds:
    python scripts/train.py --config=experiments/quickstart.py --search=halving --search trials=27 \
        --space optimizer.learning_rate=log:1e-4:1e-1

  Your own images, an .npz with arrays `image` and `label`:
    python scripts/train.py --set data.name=images.npz --workdir=runs/mine

  On a GPU, to the same bits each time:
    python scripts/train.py --config=experiments/article.py --deterministic

  Populations on eight GPUs at a time, of this machine or of a Ray cluster's:
    python scripts/train.py --config=experiments/overfitting.py --executor=ray --workers=8 --gpus=1

The same command again trains only what is missing: it goes on where a killed or stopped process was, and seeds and
points of the sweep can be added later. The exit status is 0 when all is done, 2 if a flag or config is wrong, 75 after
SIGTERM (what was done is saved; run the same command again), and 1 for every other trouble.
"""

from aejax.cli import commands, process
from aejax.training.setup import set_up_jax

if __name__ == "__main__":
    process.main(commands.train, set_up_jax)
