"""What the repository publishes: small enough, whole, and what the tables of README and docs say."""

import pathlib
import shutil

import pytest

from aejax.errors import UserError
from aejax.experiment import check, load_recorded
from aejax.report.publish import MARKS, MAX_BYTES, renew_tables
from aejax.store.contents import read_study
from aejax.store.directory import StudyDirectory
from aejax.store.record import require_record

ROOT = pathlib.Path(__file__).parent.parent.parent
RESULTS = ROOT / "experiments" / "results"
STUDIES = sorted(record.parent for record in RESULTS.glob("*/study.json.gz"))


def size(path):
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def test_all_results_together_are_small():
    assert size(RESULTS) < 5e6


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_a_published_study_is_small_and_whole(path):
    assert size(path) <= MAX_BYTES
    study = read_study(StudyDirectory(path))
    assert study.rows
    assert all(population.status.state == "finished" for population in study.populations)
    assert all(population.curves for population in study.populations if population.status.method == "autoencoder")


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_what_a_published_study_recorded_can_still_be_run(path):
    for tree in require_record(StudyDirectory(path)).configs:
        check(load_recorded(tree))


def test_a_page_that_is_no_text_is_one_line(tmp_path):
    (tmp_path / "page.md").write_bytes(b"\xff")
    with pytest.raises(UserError, match="not text in UTF-8"):
        renew_tables(tmp_path / "page.md")


@pytest.mark.parametrize("page", ["README.md", "docs/results.md", "docs/speed.md"])
def test_a_page_says_what_the_studies_and_records_say(page, tmp_path):
    shutil.copytree(RESULTS, tmp_path / "experiments" / "results")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    copy = shutil.copyfile(ROOT / page, tmp_path / page)
    assert renew_tables(copy) == len(MARKS.findall(copy.read_text())) > 0
    assert copy.read_text() == (ROOT / page).read_text()
    for picture in (ROOT / "docs").glob("*.svg"):
        assert (tmp_path / "docs" / picture.name).read_text() == picture.read_text()
