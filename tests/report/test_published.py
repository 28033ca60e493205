"""What the repository publishes: small enough, whole, and what the tables of README and docs say."""

import pathlib
import shutil

import numpy as np
import pytest

import aejax
from aejax.data.load import load
from aejax.errors import UserError
from aejax.experiment import check, load_recorded
from aejax.report.publish import MARKS, MAX_BYTES, renew_tables
from aejax.store.contents import read_study
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.store.record import require_record
from aejax.trained.keeping import MAX_BYTES as MAX_MODEL

ROOT = pathlib.Path(__file__).parent.parent.parent
RESULTS = ROOT / "experiments" / "results"
STUDIES = sorted(record.parent for record in RESULTS.glob("*/study.json.gz"))


def row_of(path, trained):
    """The row of a trained member in the results of its study."""
    own = (trained.method, trained.id)
    (row,) = (row for row in read_rows(StudyDirectory(path)) if (row["method"], row["id"]) == own)
    return row


def size(path):
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def test_all_results_together_are_small():
    assert size(RESULTS) < 5e6


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_a_published_study_is_small_and_whole(path):
    assert size(path) - size(path / "models") <= MAX_BYTES
    study = read_study(StudyDirectory(path))
    assert study.rows
    assert all(population.status.state == "finished" for population in study.populations)
    autoencoders = [population for population in study.populations if population.status.method == "autoencoder"]
    assert all(population.curves for population in autoencoders if population.status.work)  # Others were not trained.


def test_three_published_studies_keep_the_model_that_is_their_best():
    kept = sorted(path.parent for path in RESULTS.glob("*/models"))
    assert {"quickstart", "search-sobol", "vae-small"} <= {path.name for path in kept}
    for path in kept:
        trained = aejax.load(path).best()  # Needs no training, and no data set.
        assert row_of(path, trained)["data"]["fingerprint"] == trained.trained_on.fingerprint
        images = np.zeros((3, *trained.trained_on.image_shape), np.uint8)
        assert np.isfinite(trained.encode(images)).all()
        assert sum(array.nbytes for array in trained.arrays().values()) <= MAX_MODEL


def test_the_kept_model_of_the_quickstart_has_its_published_error():
    trained = aejax.load(RESULTS / "quickstart").best("mse")
    test = load(trained.config.data).test.image
    error = np.mean(np.square(trained.reconstruct(test) - test / np.float32(255)))
    assert error == pytest.approx(row_of(RESULTS / "quickstart", trained)["metrics"]["test_mse"], rel=1e-5)


def test_a_published_study_without_the_model_says_what_to_do():
    line = r"article is published without the trained autoencoder \w+; train it again: aejax reproduce .*article, and"
    with pytest.raises(UserError, match=line):
        aejax.load(RESULTS / "article").best("mse")
    study = aejax.load(RESULTS / "quickstart")
    kept, names = study.best().id, study.results.query("method == 'autoencoder'")["id"]
    with pytest.raises(UserError, match=rf"\(of its autoencoders it keeps {kept}\); train it again"):
        study.member(next(name for name in names if name != kept))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_what_a_published_study_recorded_can_still_be_run(path):
    for tree in require_record(StudyDirectory(path)).configs:
        check(load_recorded(tree))


def test_a_page_that_is_no_text_is_one_line(tmp_path):
    (tmp_path / "page.md").write_bytes(b"\xff")
    with pytest.raises(UserError, match="not text in UTF-8"):
        renew_tables(tmp_path / "page.md")


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/papers.md",
        "docs/results.md",
        "docs/speed.md",
        "docs/tasks/large_data.md",
        "docs/tasks/scikit_learn.md",
    ],
)
def test_a_page_says_what_the_studies_and_records_say(page, tmp_path):
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    copy = shutil.copyfile(ROOT / page, tmp_path / page)
    assert renew_tables(copy) == len(MARKS.findall(copy.read_text())) > 0
    assert copy.read_text() == (ROOT / page).read_text()
    for picture in (ROOT / "docs").glob("*.svg"):
        assert (tmp_path / "docs" / picture.name).read_text() == picture.read_text()
