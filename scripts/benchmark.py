"""Measures how fast autoencoders train, beside the peers that are installed, in turns in one run.

Examples:

  One suite, five repetitions:
    python scripts/benchmark.py --suite=dense

  A record of it, which is kept:
    python scripts/benchmark.py --suite=conv --json=experiments/results/speed/conv.json

  What each family costs, and the page about all families:
    python scripts/benchmark.py --suite=families --json=experiments/results/speed/families.json
    python scripts/benchmark.py --suite=families --contender=vq_vae --contender=fsq --json=some.json    # beside plain
    python scripts/benchmark.py --families=docs/families.md --json=experiments/results/speed/families.json \
        --json=experiments/results/speed/families-generative.json

Every contender does the same work (network, images, batch, optimizer) in a process of its own that rests while the
others run. Compilation is measured apart. Compare ratios within one run, never numbers between machines, and let
nothing else run. Peers: pip install 'aejax[bench]'. For a GPU there is scripts/accelerator.py.
"""

from aejax.benchmark.command import benchmark
from aejax.cli import process

if __name__ == "__main__":
    process.main(benchmark)
