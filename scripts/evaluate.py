"""Evaluates the trained members of a finished study again, from their checkpoints, and compares with its results.

Examples:

  Are the numbers still what they were?
    python scripts/evaluate.py runs/quickstart

  After a change to the evaluation: keep the new results, and renew tables and report.
    python scripts/evaluate.py runs/quickstart --update

Prints for each metric whether it is bitwise equal, within --tolerance, or different, after what has changed in the
environment and the data. The exit status is 1 where a metric is different, or where a population, its results or its
checkpoint is missing or damaged. Without --update nothing is written.
"""

from aejax.cli import commands, process
from aejax.training.setup import set_up_jax

if __name__ == "__main__":
    process.main(commands.evaluate, set_up_jax)
