"""Publishing: the small files of a study, kept in the repository, and the tables of the README made from them."""

import gzip
import pathlib
import re
import shutil
import tempfile

from aejax.errors import UserError
from aejax.report import speed
from aejax.report.tables import make_table, to_aligned
from aejax.study import metrics
from aejax.study.contents import read_study
from aejax.study.directory import StudyDirectory
from aejax.study.results import settings

_OF_STUDY = ("study.json", "results.csv", "results.md")
_OF_POPULATION = ("status.json", metrics.FILE, metrics.PUBLISHED_FILE, "results.json")
FILES = (*_OF_STUDY, *(f"populations/*/{name}" for name in _OF_POPULATION))
MAX_BYTES = 200_000  # Of a study; a repository is no place for checkpoints and pictures.

# Between these marks of a Markdown file stands the table of what the first one names: a study's directory, or the
# record of a benchmark (.json), or a directory of such records.
MARKS = re.compile(r"(<!-- table: (?P<path>\S+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
# And this one names the record of the suite "scaling", and a picture beside the Markdown file that is drawn from it.
CHARTS = re.compile(r"<!-- chart: (?P<path>\S+) (?P<picture>\S+\.svg) -->")


def publish(directory: StudyDirectory, target: pathlib.Path) -> int:
    """Returns the bytes of the copy, after copying what is needed to read, report and reproduce a study.

    Raises:
      UserError: if a population is not finished, or if the copy would be larger than `MAX_BYTES`.
    """
    unfinished = [
        population for population in read_study(directory).populations if population.status.state != "finished"
    ]
    if unfinished:
        raise UserError(f"{directory.path} is not finished; run its command again, then publish it")
    paths = [path for pattern in FILES for path in sorted(directory.path.glob(pattern))]
    contents = {path.relative_to(directory.path): path.read_bytes() for path in paths}
    for file in [file for file in contents if file.name == metrics.FILE]:
        contents[file.with_name(metrics.PUBLISHED_FILE)] = gzip.compress(contents.pop(file), mtime=0)
    size = sum(map(len, contents.values()))
    if size > MAX_BYTES:
        raise UserError(
            f"{directory.path} would take {size} bytes, and {MAX_BYTES} is the most; publish a smaller study"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".tmp-") as temporary:
        copy = pathlib.Path(temporary) / "study"
        for file, content in contents.items():
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            (copy / file).write_bytes(content)
        shutil.rmtree(target, ignore_errors=True)
        copy.rename(target)
    return size


def renew_tables(path: pathlib.Path) -> int:
    """Returns how many tables a Markdown file has between its marks, after renewing them, and its charts."""
    text, num = MARKS.subn(lambda mark: mark[1] + table_of(path.parent / mark["path"]) + mark[3], path.read_text())
    path.write_text(text)
    for chart in CHARTS.finditer(text):
        (path.parent / chart["picture"]).write_text(speed.to_chart(speed.read_record(path.parent / chart["path"])))
    return num


def table_of(path: pathlib.Path) -> str:
    """Returns the table of a published study, of the record of a benchmark, or of several, as Markdown."""
    if path.suffix == ".json":
        return speed.to_table(speed.read_record(path))
    if records := sorted(path.glob("*.json")) if not (path / "study.json").exists() else []:
        return speed.to_summary(map(speed.read_record, records))
    return to_aligned(make_table(settings(read_study(StudyDirectory(path)).rows))) + "\n"
