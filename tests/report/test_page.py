"""The report in a browser: a finished study, one member, diverged members, and an unfinished study."""

import json
import pathlib
import re
import shutil

import pytest
from selenium.webdriver.common.by import By

from aejax.errors import Interrupted
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.report.embed import javascript
from aejax.report.html import Html, image_element, join, note
from aejax.report.write import write_report
from aejax.store.contents import read_study
from aejax.store.directory import StudyDirectory
from aejax.training.optimizers import Adam
from aejax.training.step import TrainingConfig
from tests.report.browsing import show
from tests.report.explanations import digits, make_explanations, make_similarity, write_explanations
from tests.report.rows import charts
from tests.study.studies import edit_json, train

EVALUATION = EvaluationConfig(measures=("reconstruction",), baselines=("pca",))


def configs(rates, seeds):
    training = TrainingConfig(epochs=3)
    return [
        Config(seed=seed, optimizer=Adam(learning_rate=rate), training=training, evaluation=EVALUATION)
        for rate in rates
        for seed in seeds
    ]


def report(path):
    write_report([StudyDirectory(path)], path)
    return path / "report.html"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("finished") / "study"
    train(configs([1e-4, 1e-3, 1e-2], range(3)), path)
    return report(path)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    path = tmp_path_factory.mktemp("single") / "study"
    train(configs([1e-3], [0]), path)
    return report(path)


@pytest.fixture(scope="module")
def diverged(tmp_path_factory):
    path = tmp_path_factory.mktemp("diverged") / "study"
    train(configs([1e-3, 1e30], range(3)), path)
    return report(path)


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory):
    path = tmp_path_factory.mktemp("unfinished") / "study"
    with pytest.raises(Interrupted):
        train(configs([1e-3, 1e-2], range(2)), path, stop_at_save=1)
    return report(path)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "theme", "width"),
    [
        ("finished", "light", 1280),
        ("finished", "dark", 375),
        *(pytest.param("finished", *how, marks=pytest.mark.slow) for how in (("light", 375), ("dark", 1280))),
        ("single", "dark", 375),
        pytest.param("diverged", "light", 375, marks=pytest.mark.slow),
        ("unfinished", "dark", 1280),
    ],
)
def test_a_report_fits_its_window_and_logs_nothing(request, browser, name, theme, width):
    show(browser, request.getfixturevalue(name), width=width, theme=theme)
    assert browser.get_log("browser") == []
    # Wide tables scroll by themselves; the page does not.
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper))) < 380) == (theme == "dark")
    for tag, attribute in (("img", "alt"), ("svg", "aria-label")):
        for picture in browser.find_elements(By.TAG_NAME, tag):
            assert picture.get_attribute(attribute)
    links = browser.find_elements(By.CSS_SELECTOR, "nav a")
    assert len(links) == len(browser.find_elements(By.TAG_NAME, "section")) > 2
    assert all(browser.find_elements(By.CSS_SELECTOR, link.get_attribute("hash")) for link in links)


def bottom(browser, selector):
    return browser.execute_script(f"return document.querySelector('{selector}').getBoundingClientRect().bottom")


PUBLISHED = pathlib.Path(__file__).parent.parent.parent / "experiments" / "results"


@pytest.mark.browser
@pytest.mark.parametrize(
    "name",
    [
        "quickstart",
        "generation-mnist",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("few_labels-mnist", "overfitting")),
    ],
)
def test_the_answer_fits_the_first_screen(browser, tmp_path, name):
    write_report([StudyDirectory(PUBLISHED / name)], tmp_path)
    show(browser, tmp_path / "report.html")
    assert browser.get_log("browser") == []
    assert 0 < bottom(browser, ".headline") < bottom(browser, ".answers") < 800
    # Nothing scrolls sideways, and all else is folded or below.
    table = "document.querySelector('.answers').parentElement"
    assert browser.execute_script(f"return {table}.scrollWidth <= {table}.clientWidth")
    assert not browser.find_element(By.CSS_SELECTOR, "#answer details").get_attribute("open")
    show(browser, tmp_path / "report.html", width=400, theme="dark")
    assert bottom(browser, ".headline") < 640
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 400


@pytest.mark.browser
def test_a_cell_says_its_difference_where_it_is_looked_at_and_on_paper(browser, finished):
    # A browser without a window hovers over nothing: there, too, it is always said.
    opacity = "return getComputedStyle(document.querySelector('.verdict span')).opacity"
    show(browser, finished)
    features = [{"name": "hover", "value": "hover"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": features})
    hovers = browser.execute_script("return matchMedia('(hover: hover)').matches")
    assert browser.execute_script(opacity) == ("0" if hovers else "1")
    browser.execute_script("document.querySelector('.verdict').focus()")
    assert browser.execute_script(opacity) == "1"
    browser.execute_script("document.activeElement.blur()")
    show(browser, finished, media="print")
    assert browser.execute_script(opacity) == "1"
    # What is folded is there on paper.
    assert browser.execute_script("return document.querySelector('#answer details li').checkVisibility()")


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_wide_tables_keep_their_first_column_in_view(browser, finished, theme):
    show(browser, finished, width=400, theme=theme)
    cell = "document.querySelector('#leaderboard tbody td')"
    wide = f"{cell}.closest('.wide')"
    assert browser.execute_script(f"{wide}.scrollLeft = 200; return {wide}.scrollLeft") == 200
    place = f"return {cell}.getBoundingClientRect().left - {wide}.getBoundingClientRect().left"
    assert browser.execute_script(place) == 0
    assert browser.execute_script(f"return getComputedStyle({cell}).backgroundColor") != "rgba(0, 0, 0, 0)"


def column(browser, index):
    cells = browser.find_elements(By.CSS_SELECTOR, f"table.sortable tbody td:nth-child({index + 1})")
    return [cell.get_attribute("data-value") or cell.text for cell in cells]


@pytest.mark.browser
def test_a_click_on_a_heading_sorts(browser, finished):
    show(browser, finished)
    headings = browser.find_elements(By.CSS_SELECTOR, "table.sortable th")
    index = next(i for i, heading in enumerate(headings) if heading.text.startswith("MSE"))
    headings[index].find_element(By.TAG_NAME, "button").click()
    values = [float(value) for value in column(browser, index)]
    assert len(values) == 4
    assert values == sorted(values, reverse=True)
    assert headings[index].get_attribute("aria-sort") == "descending"
    headings[index].find_element(By.TAG_NAME, "button").click()
    assert [float(value) for value in column(browser, index)] == sorted(values)
    headings[0].find_element(By.TAG_NAME, "button").click()
    assert column(browser, 0) == ["autoencoder"] * 3 + ["pca"]


def test_a_report_needs_no_network_and_is_small(finished):
    text = finished.read_text()
    assert len(text) < 1.1e6  # Of which Vega is 0.9.
    text = text.replace(javascript(), "")  # It asks for what a chart names, and ours name nothing.
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", text)
    assert "@import" not in text
    assert not [chart for chart in charts(text) if "url" in json.dumps(chart.spec)]


def sections(page):
    return re.findall(r'<section id="(\w+)">', page.read_text())


def test_sections_appear_when_their_data_exist(finished, single, diverged, unfinished):
    results = ["answer", "leaderboard", "baselines", "effects", "curves", "gap", "overfitting"]
    assert sections(finished) == [*results, "reconstructions", "weights", "cost", "environment"]
    assert "effects" not in sections(single)
    assert "failures" in sections(diverged)
    assert sections(unfinished) == ["answer", "curves", "failures", "environment"]
    assert "no interval" in single.read_text()
    assert "3 members diverged" in diverged.read_text()
    assert "Not finished: 2 of 2 populations" in unfinished.read_text()


def test_what_was_explained_is_read_from_the_directory(tmp_path, finished):
    path = shutil.copytree(finished.parent, tmp_path / "study")
    sizes = {"points": 20, "cards": 2, "units": 2, "side": 2, "paths": 1, "attributed": 2}
    explanations = make_explanations(*digits(), [("plain", 0), ("plain", 1)], **sizes)
    write_explanations(path, explanations, make_similarity(["plain, seed 0", "plain, seed 1"]))
    page = report(path)
    of_members = ["explained", "traversals", "manifold", "embeddings", "units", "dictionary", "attribution", "paths"]
    assert [name for name in sections(page) if name not in sections(finished)] == [*of_members, "similarity"]
    # Pictures that are damaged are done without.
    (path / "explanations" / f"{explanations[0].id}.npz").write_bytes(b"PK")
    assert [name for name in sections(report(path)) if name in of_members] == ["explained", "attribution"]


def test_the_best_at_the_edge_of_its_grid_is_warned_of(finished):
    assert "By MSE, SSIM the best optimizer.learning_rate is 0.01, the largest tried" in finished.read_text()


def test_studies_are_compared_beside_each_other(finished, single, tmp_path):
    write_report([StudyDirectory(page.parent) for page in (finished, single)], tmp_path / "both")
    text = (tmp_path / "both" / "report.html").read_text()
    assert "study (2)" in text
    table = (tmp_path / "both" / "results.csv").read_text().splitlines()
    assert table[0].startswith("study,method,")
    assert len(table) == 1 + 9 + 1 + 1 + 1


def test_what_is_no_markup_is_escaped(tmp_path, finished):
    assert note("a < b & c") == '<p class="note">a &lt; b &amp; c</p>'
    assert 'alt="&#34;x&#34;"' in image_element(b"", '"x"')
    assert join("<", Html("<br>")) == "&lt;<br>"
    path = shutil.copytree(finished.parent, tmp_path / "study")
    edit_json(path / "study.json", lambda tree: tree | {"name": "<script>alert(1)"})
    assert "<script>alert" not in report(path).read_text()


def test_no_text_of_a_study_becomes_markup_anywhere(tmp_path, finished):
    """Names, questions, labels, commands and swept values may come from strangers."""
    path = shutil.copytree(finished.parent, tmp_path / "study")
    hostile = "<img src=x onerror=alert(1)>{{ 7 * 7 }}\"'"

    def spoil(tree):
        start = tree["starts"][0]
        environment = start["environment"] | {"aejax": hostile}
        starts = [start | {"command": hostile, "environment": environment}]
        labels = dict.fromkeys((row["id"] for row in rows), hostile)
        return tree | {"question": hostile, "starts": starts, "labels": labels}

    rows = read_study(StudyDirectory(path)).rows
    edit_json(path / "study.json", spoil)
    text = report(path).read_text()
    assert text.count("&lt;img src=x onerror=alert(1)&gt;") > 10
    assert "<img src=x" not in text
    assert "{{ 7 * 7 }}" in text
