"""Papers' numbers beside ours: the rule, every verdict of the page from its record, and entries that are wrong."""

import collections
import gzip
import json
import math
import pathlib
import re
import shutil
import tomllib

import numpy as np
import pytest
import scipy.stats

from aejax.cli.experiment_file import load_experiment
from aejax.errors import ConfigError, UserError
from aejax.measures.zoo import MEASURES
from aejax.report.publish import papers_of
from aejax.statistics import Interval
from aejax.store.papers import judge, read_papers

ROOT = pathlib.Path(__file__).parent.parent.parent
FILE = ROOT / "experiments" / "papers.toml"
PAGE = ROOT / "docs" / "papers.md"
PAPERS = tomllib.loads(FILE.read_text())["paper"]
DIRECTIONS = {metric.name: metric for measure in MEASURES.values() for metric in measure.metrics}


@pytest.mark.parametrize(
    ("value", "half_width", "ours", "higher_is_better", "verdict"),
    [
        (90.0, 0.0, None, True, "not run"),
        (90.0, 0.0, (91.0, 0.1, 5), True, "reached"),
        (90.0, 0.0, (90.0, 0.1, 5), True, "reached"),
        (90.0, 0.0, (89.5, 0.5, 5), True, "within the interval"),
        (90.0, 0.0, (89.5, 0.4, 5), True, "not reached"),
        (90.0, 0.2, (89.5, 0.4, 5), True, "within the interval"),
        (90.0, 0.0, (89.5, math.nan, 1), True, "not reached"),
        (90.0, 0.5, (89.5, math.nan, 1), True, "within the interval"),
        (1.0, 0.0, (0.9, 0.0, 5), False, "reached"),
        (1.0, 0.0, (1.0, 0.0, 5), False, "reached"),
        (1.0, 0.0, (1.25, 0.25, 5), False, "within the interval"),
        (1.0, 0.0, (1.25, 0.125, 5), False, "not reached"),
        (1.0, 0.0, (91.0, 0.1, 5), False, "not reached"),
        (-1.0, 0.0, (-2.0, 0.5, 5), True, "not reached"),
        (1.0, 0.0, (math.nan, 0.5, 5), True, "not reached"),
    ],
)
def test_the_rule(value, half_width, ours, higher_is_better, verdict):
    assert judge(value, half_width, ours and Interval(*ours), higher_is_better) == verdict


def members_of(record):
    """Yields method, config and metrics of each member of a published study, read as plain JSON."""
    for path in record.glob("populations/*/results.json.gz"):
        tree = json.loads(gzip.decompress(path.read_bytes()))
        for member in tree["members"]:
            assert member["status"] != "diverged"
            yield tree["method"], tree["config"] | member["config"], member["metrics"]


def expected(paper, cell):
    """Computes our values in the paper's unit, and the verdict, without the code that makes the page."""
    record = ROOT / "experiments" / "results" / paper.get("record", paper["experiment"].replace(":", "-"))
    if not record.exists():
        return None, "not run"
    values = np.array(
        [
            metrics[f"test_{cell['metric']}"]
            for method, config, metrics in members_of(record)
            if method == cell.get("method", "autoencoder")
            and all(config.get(path) == value for path, value in cell.get("settings", {}).items())
        ]
    )
    assert len(values) in (1, 5, 10), f"{record.name}: {cell} chooses {len(values)} members"
    metric = DIRECTIONS[cell["metric"]]
    values = values * (100 if metric.unit == "%" else 1)
    if cell.get("error"):
        values, better = 100 - values, np.less_equal
    else:
        better = np.greater_equal if metric.higher_is_better else np.less_equal
    half = scipy.stats.sem(values) * scipy.stats.t.ppf(0.975, len(values) - 1) if len(values) > 1 else 0.0
    low, high = values.mean() - half, values.mean() + half
    theirs = cell["value"] - cell.get("half_width", 0.0), cell["value"] + cell.get("half_width", 0.0)
    if better(values.mean(), cell["value"]):
        return values, "reached"
    return values, "within the interval" if low <= theirs[1] and theirs[0] <= high else "not reached"


def rows_of_page():
    """The cells of the rows with a number, by the heading of their section, in their order."""
    rows = collections.defaultdict(list)
    for section in PAGE.read_text().split("<!-- papers: ../experiments/papers.toml#")[1:]:
        task = section.partition(" ")[0]
        for line in section.splitlines():
            if re.match(r"\| \d", line):
                rows[task].append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def test_every_verdict_of_the_page_follows_from_its_record():
    page, tasks, counts = rows_of_page(), collections.defaultdict(list), collections.Counter()
    misled = collections.Counter()
    for paper in PAPERS:
        tasks[paper["task"]] += [(paper, cell) for cell in paper["cell"]]
    assert {task: len(rows) for task, rows in page.items()} == {task: len(cells) for task, cells in tasks.items()}
    for task, cells in tasks.items():
        for (paper, cell), row in zip(cells, page[task], strict=True):
            values, verdict = expected(paper, cell)
            counts[verdict] += 1
            misleading = paper.get("misleading", False) and values is not None
            misled[verdict] += misleading
            _, name, title, has, source, ours, count, said, _ = row
            assert name == paper["paper"]
            assert title.startswith(cell["title"])
            assert float(has.split(" ± ")[0]) == cell["value"]
            assert (source == "from memory") == (paper["source"] == "memory")
            assert said == verdict + ("; misleading" if misleading else "")
            if values is None:
                assert ours == count == ""
                continue
            assert count == ("fixed" if len(values) == 1 else str(len(values)))
            assert float(ours.split(" ± ")[0]) == pytest.approx(values.mean(), rel=6e-3, abs=6e-3)
    assert counts.total() >= 40
    numbers = ", ".join(f"{counts[v]} {v}" for v in ("reached", "within the interval", "not reached", "not run"))
    text = " ".join(PAGE.read_text().split())
    assert f"**Of {counts.total()} numbers {numbers}.** In {misled.total()} of those that were run so much" in text
    assert f"misleads; {misled['reached']} of the reached are among these." in text


def test_the_command_of_every_row_is_one_that_there_is():
    for paper in PAPERS:
        assert f"`aejax train {paper['experiment']}" in " ".join(PAGE.read_text().split())
        try:
            load_experiment(paper["experiment"])
        except ConfigError:
            assert paper.get("planned"), f"{paper['experiment']} is no experiment; correct it, or write planned = true"
        else:
            assert not paper.get("planned"), f"{paper['experiment']} is there: take out planned = true"


ENTRY = {
    "task": "'tests'",
    "paper": "'A paper'",
    "source": "'its table'",
    "experiment": "'quickstart'",
    "departures": "'None.'",
}
CELL = {"title": "'digits'", "value": "96.0", "metric": "'probe_accuracy'"}


@pytest.fixture(scope="module")
def experiments(tmp_path_factory):
    path = tmp_path_factory.mktemp("experiments")
    for name in ("quickstart", "features-mnist"):
        shutil.copytree(ROOT / "experiments" / "results" / name, path / "results" / name)
    for name in ("quickstart", "features"):
        (path / f"{name}.py").touch()
    return path


def write(path, entry=(), cell=()):
    lines = [f"{name} = {value}" for name, value in (ENTRY | dict(entry)).items()]
    fields = [f"{name} = {value}" for name, value in (CELL | dict(cell)).items()]
    (path / "papers.toml").write_text("\n".join(["[[paper]]", *lines, "[[paper.cell]]", *fields]))
    return path / "papers.toml"


def test_one_entry_is_one_row(experiments):
    (one,) = read_papers(write(experiments))
    assert one.verdict == "reached"
    assert one.ours.mean == pytest.approx(0.96222, abs=1e-5)
    (error,) = read_papers(write(experiments, cell={"error": "true", "value": "3.0", "half_width": "1"}))
    assert error.verdict == "within the interval"
    (other,) = read_papers(write(experiments, {"experiment": "'quickstart:else'"}))
    assert (other.verdict, other.ours) == ("not run", None)
    (named,) = read_papers(write(experiments, {"experiment": "'quickstart:else'", "record": "'quickstart'"}))
    assert named.ours == one.ours
    planned = {"experiment": "'nothing'", "planned": "true"}
    (future,) = read_papers(write(experiments, planned, {"metric": "'surprise'"}))
    assert future.verdict == "not run"


MANY = {"experiment": "'features:mnist'"}


@pytest.mark.parametrize(
    ("entry", "cell", "line"),
    [
        ({"experiment": "'quickstat'"}, {}, "A paper: there is no experiment 'quickstat' beside this file; correct"),
        ({"experimant": "'a'"}, {}, "unknown field 'paper.0.experimant'"),
        ({}, {"value": "'a'"}, "value"),
        ({}, {"value": "nan"}, "value"),
        ({"source": "''"}, {}, "source"),
        ({"source": "1979-05-27"}, {}, "papers.toml"),
        ({"source": "'"}, {}, "papers.toml"),
        ({}, {"metric": "'probe'"}, "A paper: digits: there is no metric 'probe'; choose one of"),
        ({}, {"metric": "'nll'"}, "A paper: digits: quickstart has no test_nll of this setting; it has test_gap,"),
        ({}, {"method": "'pixel'"}, "quickstart has no setting of this method and with these settings"),
        ({}, {"settings": "{ 'seed' = 0 }"}, "quickstart has no setting of this method and with these settings"),
        (MANY, {}, "features-mnist has 6 such settings, .*winner_take_all.*: say in settings which is meant"),
        (MANY, {"settings": "{ 'autoencoder.kind' = 'plain' }"}, "features-mnist has 2 such settings"),
    ],
)
def test_a_wrong_entry_is_one_line(experiments, entry, cell, line):
    with pytest.raises(UserError, match=line) as error:
        read_papers(write(experiments, entry, cell))
    assert str(error.value).startswith(str(experiments / "papers.toml"))


def test_a_page_names_a_file_and_a_task_that_there_are(experiments):
    with pytest.raises(UserError, match=r"nothing\.toml: No such file"):
        papers_of(experiments / "nothing.toml")
    path = write(experiments)
    with pytest.raises(UserError, match="no paper has the task 'test'"):
        papers_of(path.with_name("papers.toml#test"))
    assert "| A paper | digits, linear probe % | 96 " in papers_of(path.with_name("papers.toml#tests"))
    assert papers_of(path).startswith("**Of 1 numbers 1 reached, 0 within the interval, 0 not reached, 0 not run.**")
