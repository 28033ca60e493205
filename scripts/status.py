"""Shows how far a study is: a line for each population, and how long the rest will take.

Examples:

  What is finished, running, waiting and failed:
    python scripts/status.py runs/article-sweep

  The same every ten seconds, until all is done:
    python scripts/status.py runs/article-sweep --every=10

It reads files alone, so it may run on any machine that sees the study's directory.
"""

from aejax.cli import commands, process

if __name__ == "__main__":
    process.main(commands.status)
