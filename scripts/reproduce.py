"""Runs a study again from its study.json alone, and compares every metric with the study's own results.

Examples:

  A published study:
    python scripts/reproduce.py experiments/results/article

  Elsewhere than in runs/<study>-reproduced, calling only differences below one in a thousand close:
    python scripts/reproduce.py runs/quickstart --workdir=/tmp/again --tolerance=1e-3

Prints for each metric whether it is bitwise equal (same versions, devices and cores), within --tolerance, or different,
after what differs in the environment and the data. The exit status is 1 where a metric is different, or where results
of the study are missing or damaged, which is said before anything is trained. Killed or stopped, the same command goes
on where it was.
"""

from aejax.cli import commands, process
from aejax.training.setup import set_up_jax

if __name__ == "__main__":
    process.main(commands.reproduce, set_up_jax)
