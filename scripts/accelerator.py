"""Measures what a GPU is asked for, in one command of at most eight minutes: a table as it goes, and a record.

Examples:

  All of it, kept row by row:
    python scripts/accelerator.py --json=experiments/results/speed/h100.json

  What the first command had no time for, or what was killed with it:
    python scripts/accelerator.py --json=experiments/results/speed/h100.json

  How many members fit, as the compiler counts memory; nothing is trained:
    python scripts/accelerator.py --dry_run

  Only what --deterministic of scripts/train.py costs, and whether it repeats bits:
    python scripts/accelerator.py --suite=deterministic --json=deterministic.json

  The study that is stopped and carried on, in a directory where it stays (MNIST in TFDS_DATA_DIR):
    python scripts/accelerator.py --suite=study --study=runs/iwae-full

  On a CPU, at its smallest, to see that it runs:
    python scripts/accelerator.py --smallest

Suites, the most important first: populations (1, 64 and 1,024 dense, variational and convolutional autoencoders, beside
PyTorch training one after another, and beside torch.vmap over stacked parameters), convolutions (as matrix products and
XLA's own), precision (bfloat16), deterministic, study (experiments/iwae.py:full stopped, and carried on for two
minutes), memory, sizes (256, 16 and 4 members). A row that fails, takes too long or has no time left is left out with
its reason. PyTorch: pip install 'aejax[bench]'.
"""

from aejax.benchmark.accelerator import accelerator
from aejax.cli import process

if __name__ == "__main__":
    process.main(accelerator)
