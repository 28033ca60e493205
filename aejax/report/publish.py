"""Publishing: the small files of a study, kept in the repository, and the tables of Markdown pages made from them."""

import functools
import gzip
import json
import pathlib
import re
import tempfile
from collections.abc import Callable, Sequence

from aejax.errors import UserError
from aejax.report import papers, speed
from aejax.report.content import gather
from aejax.report.page import make_sections
from aejax.report.tables import make_overview, make_table, to_aligned, to_markdown
from aejax.report.write import with_sections
from aejax.store import explanations, metrics, results
from aejax.store.contents import read_study
from aejax.store.directory import SEARCH, StudyDirectory
from aejax.store.files import DIGEST, digest_of_bytes, exists, packed, read_bytes, to_json, unpacked
from aejax.store.papers import ComparedCell, read_papers
from aejax.store.results import settings

RECORD = "study.json"
FILES = (
    RECORD,
    *(f"populations/*/{name}" for name in ("status.json", "results.json", metrics.FILE)),
    f"{explanations.DIRECTORY}/*.json",
)
TABLE = "results.md"  # For people: the only file that is not compressed.
MAX_BYTES = 200_000  # Of a study; a repository is no place for checkpoints and pictures.
_MAX_THINNING = 1024  # Of curves, to one in so many epochs.

# Between these marks of a Markdown file stands the table of what the first one names: a study's directory, or the
# record of a benchmark (.json), or a directory of such records. With "overview" it is that of a study's autoencoders
# with their best samplers. With "papers" the file holds papers' values (.toml): that of one task, if # and its name
# follow, or else how many were reached.
MARKS = re.compile(
    r"(?P<begin><!-- (?P<sort>table|overview|papers): (?P<path>\S+) -->\n).*?(?P<end><!-- end of table -->)", re.DOTALL
)
# And this one names the record of the suite "scaling", and a picture beside the Markdown file that is drawn from it.
CHARTS = re.compile(r"<!-- chart: (?P<path>\S+) (?P<picture>\S+\.svg) -->")


def publish(directory: StudyDirectory, target: pathlib.Path) -> int:
    """Returns the bytes of the copy, after copying what is needed to read, report and reproduce a study.

    Where it would take more than `MAX_BYTES`, of the curves only every second epoch is copied, or every fourth, and so
    on, and the last.

    Raises:
      UserError: if a population is not finished, if something other than a study lies at `target`, or if the copy would
        be larger than `MAX_BYTES` without curves.
    """
    StudyDirectory(target).check()  # Another study there is replaced, but nothing else.
    if target.resolve() == directory.path.resolve():
        raise UserError(f"{target} is the study itself; publish it to another directory")
    if target.exists() and StudyDirectory(target).record.exists():
        raise UserError(f"{target} holds a study that is not published, with all that it was trained to; name another")
    study = read_study(directory)
    if study.faults:
        raise UserError(f"{study.faults[0]}; run the study's command again, then publish it")
    if any(population.status.state != "finished" for population in study.populations):
        raise UserError(f"{directory.path} is not finished; run its command again, then publish it")
    # Of the trials of its search too, if its settings were found by one.
    patterns = [*FILES, *(f"{SEARCH}/{pattern}" for pattern in FILES)]
    paths = {unpacked(path) for pattern in patterns for path in directory.path.glob(f"{pattern}*")}
    files = {path.relative_to(directory.path): read_bytes(path) for path in sorted(paths)}
    shown = gather([study])
    files[pathlib.Path(TABLE)] = with_sections(to_markdown(shown.rows), make_sections(shown)).encode()
    every = 1
    while sum(map(len, (contents := _compress(files, every)).values())) > MAX_BYTES:
        every *= 2
        if every > _MAX_THINNING:
            size = sum(map(len, contents.values()))
            raise UserError(
                f"{directory.path} would take {size} bytes, and {MAX_BYTES} is the most; publish a smaller study"
            )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".tmp-") as temporary:
        copy = pathlib.Path(temporary) / "study"
        for file, content in contents.items():
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            (copy / file).write_bytes(content)
        if target.exists():
            target.rename(copy.with_name("before"))
        copy.rename(target)
    return sum(map(len, contents.values()))


def _compress(files: dict[pathlib.Path, bytes], every: int) -> dict[pathlib.Path, bytes]:
    """Returns the files of a published study by their names; of curves, one in so many epochs, and the last."""
    files = dict(files)
    for path in [path for path in files if path.name == metrics.FILE and every > 1]:
        files[path] = metrics.thin(files[path], every)
    for path in [path for path in files if path.name == results.FILE]:
        # The digests of what is published: curves, perhaps thinned, and no pictures.
        curves = path.with_name(metrics.FILE)
        digests = {metrics.FILE: digest_of_bytes(files[curves])} if curves in files else {}
        tree = json.loads(files[path])
        del tree[DIGEST]
        files[path] = to_json(tree | {"files": digests}).encode()
    for path in [path for path in files if path.name == RECORD]:
        tree = json.loads(files[path])
        if tree.pop("places", None) is not None:  # Those of one machine.
            del tree[DIGEST]
            files[path] = to_json(tree).encode()
    return {
        path if path.name == TABLE else packed(path): content if path.name == TABLE else gzip.compress(content, mtime=0)
        for path, content in files.items()
    }


def renew_tables(path: pathlib.Path) -> int:
    """Returns how many tables a Markdown file has between its marks, after renewing them, and its charts.

    Raises:
      UserError: if it is no text, or if one of what its marks name is no study or record.
    """
    try:
        before = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path} is no Markdown: it is not text in UTF-8") from None

    read = functools.cache(read_papers)  # Once for the tables of all tasks.
    makers: dict[str, Callable[[pathlib.Path], str]] = {
        "table": table_of,
        "overview": overview_of,
        "papers": functools.partial(papers_of, read=read),
    }

    def renewed(mark: re.Match[str]) -> str:
        return mark["begin"] + makers[mark["sort"]](path.parent / mark["path"]) + mark["end"]

    text, num = MARKS.subn(renewed, before)
    path.write_text(text, encoding="utf-8")
    for chart in CHARTS.finditer(text):
        picture = speed.to_chart(speed.read_record(path.parent / chart["path"]))
        (path.parent / chart["picture"]).write_text(picture, encoding="utf-8")
    return num


def table_of(path: pathlib.Path) -> str:
    """Returns the table of a published study, of the record of a benchmark, or of several, as Markdown."""
    if path.suffix == ".json":
        return speed.to_table(speed.read_record(path))
    if records := sorted(path.glob("*.json")) if not exists(StudyDirectory(path).record) else []:
        return speed.to_summary(map(speed.read_record, records))
    return to_aligned(make_table(settings(read_study(StudyDirectory(path)).rows))) + "\n"


def overview_of(path: pathlib.Path) -> str:
    """Returns the table of a published study's autoencoders with their best samplers, as Markdown.

    Raises:
      UserError: if it has none.
    """
    table = make_overview(settings(read_study(StudyDirectory(path)).rows))
    if table is None:
        raise UserError(f"{path} has no two autoencoders with samplers of their codes; write 'table' for 'overview'")
    return to_aligned(table) + "\n"


def papers_of(path: pathlib.Path, read: Callable[[pathlib.Path], Sequence[ComparedCell]] = read_papers) -> str:
    """Returns the table of papers' values beside ours as Markdown: of the task after #, or how many were reached."""
    name, _, task = path.name.partition("#")
    cells = read(path.with_name(name))
    return papers.to_section(cells, task) if task else papers.to_summary(cells)
