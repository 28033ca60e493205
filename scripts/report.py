"""Makes a study's tables (CSV, Markdown, LaTeX) and its report, one HTML file, from what lies in its directory.

Examples:

  A study that is finished, or still runs:
    python scripts/report.py runs/quickstart

  Several studies beside each other:
    python scripts/report.py runs/article runs/article-fashion --output=runs/compared

  The small files of a study, for others to read and reproduce; then the tables of README.md, from what is published:
    python scripts/report.py runs/article --publish=experiments/results/article
    python scripts/report.py --readme=README.md
"""

from aejax.cli import commands, process

if __name__ == "__main__":
    process.main(commands.report)
