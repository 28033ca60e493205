"""Charts: their data, their names, and how a reader of the page hovers, isolates, saves and prints them."""

import contextlib
import itertools
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import aejax
from aejax.errors import UserError
from aejax.report.charts import CHARTS, chart, draw
from aejax.report.content import gather
from aejax.report.drawing import MAX_VERTICES, Cell, Dot, Series, heat_map, interval_chart, line_chart, plain_series
from aejax.report.embed import figures
from aejax.report.page import make_sections, to_html
from aejax.report.sections.robustness import robustness_charts
from aejax.store.contents import SavedPopulation, SavedStudy
from aejax.store.record import Record
from aejax.store.status import PopulationStatus
from tests.report.browsing import show
from tests.report.rows import charts, make_content, make_row
from tests.report.test_published import RESULTS

HOSTILE = "</script><script>window.hurt = 1</script><!-- <img src=x onerror='window.hurt = 1'>\u2028\"'&amp;"
LINE = np.arange(1.0, 4.0)


def content_of(note=HOSTILE):
    """A study of two swept numbers and a text, with baselines, curves and corrupted images."""
    rows = []
    for rate, size, text, seed in itertools.product((0.1, 0.2, 0.4), (4, 8), ("plain", note), (0, 1)):
        config = {"optimizer.learning_rate": rate, "autoencoder.latent_size": size, "data.note": text}
        probe = {f"{split}_probe_accuracy": 0.9 - rate + seed / 100 for split in ("train", "validation", "test")}
        mse = {f"{split}_mse": 1 / size + rate for split in ("train", "validation", "test")}
        noise = {f"test_noise_{severity}_mse": rate * severity for severity in (1, 2, 3, 4, 5)}
        cost = {"train_seconds": size, "parameters": 100 * size}
        rows.append(make_row(seed=seed, config=config, cost=cost, gap=1 + rate, **probe, **mse, **noise))
    rows.append(make_row("pixels", validation_probe_accuracy=0.9, test_probe_accuracy=0.9))
    curve = {"epoch": np.arange(1, 501), "train_loss": 1 / np.arange(1, 501), "validation_loss": 2 / np.arange(1, 501)}
    ids = tuple(row["id"] for row in rows[:-1])
    population = SavedPopulation(PopulationStatus("autoencoder", ids, "finished"), dict.fromkeys(ids, curve), {})
    record = Record(name="study", question="", configs=(), data={})
    return gather([SavedStudy(record, rows, [population])])


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    content = content_of()
    path = tmp_path_factory.mktemp("charts") / "report.html"
    path.write_text(to_html("study", make_sections(content)), encoding="utf-8")
    return path


# Their data.


def test_altair_finds_no_fault_in_any_chart():
    interval = Series("a", LINE, LINE, LINE - 1, LINE + 1, marked=True, shades=[0.1, 0.5, 1], tips=[{"seed": 1}] * 3)
    series = [interval, plain_series("b", LINE, LINE, dashed=True), plain_series("c", LINE, LINE, step=True)]
    series += [
        plain_series("d", LINE, LINE * np.inf, marked=True),
        plain_series("e", LINE, LINE, crossed=True, marked=True),
    ]
    for drawn in (
        line_chart(series, title="y", x_label="x", log_x=True, log_y=True, x_ticks=[1, 3]),
        interval_chart([Dot("a", 1, 0.5), Dot("b", 2, np.nan, emphasized=True)], title="y", unit="%"),
        heat_map([Cell("a", "b", "1", 1.0, {"setting": "c"})], title="t", down="d", across="e"),
    ):
        assert drawn.to_dict()["title"]  # It is validated.


def test_a_long_line_keeps_its_ends_and_is_thinned_evenly():
    x = np.arange(10_000.0)
    (shown,) = charts(figures([line_chart([plain_series("a", x, x)], title="y", x_label="x")]))
    places = [point["x"] for point in shown.points]
    assert (len(places), places[0], places[-1]) == (MAX_VERTICES, 0, 9999)
    assert max(np.diff(places)) - min(np.diff(places)) <= 1


def test_an_interval_below_zero_ends_at_the_least_that_is_drawn_in_logarithms():
    y, half = np.array([1.0, 100.0]), np.array([0.5, 200.0])
    one = Series("a", y, y, y - half, y + half, marked=True)
    (shown,) = charts(figures([line_chart([one], title="y", x_label="x", log_y=True)]))
    assert [point["low"] for point in shown.points] == [0.5, 0.5]
    (shown,) = charts(figures([line_chart([one], title="y", x_label="x")]))
    assert [point["low"] for point in shown.points] == [0.5, -100]


def test_what_is_not_finite_has_no_place_in_a_chart():
    dots = [Dot("a", 1.0, 0.1), Dot("b", np.nan, np.nan), Dot("c", np.inf, 0.1)]
    cells = [Cell("row", "column", "", np.nan, {})]
    series = [plain_series("s", np.array([1.0, np.inf]), np.array([1.0, 2.0]), marked=True)]
    shown = charts(
        figures(
            [
                interval_chart(dots, title="dots", unit=""),
                heat_map(cells, title="cells", down="down", across="across"),
                line_chart(series, title="series", x_label="x"),
            ]
        )
    )
    assert [(p["name"], p.get("value"), p.get("low")) for p in shown[0].points] == [
        ("a", 1.0, 0.9),
        ("b", None, None),
        ("c", None, None),
    ]
    assert "shade" not in shown[1].points[0]
    assert [p.get("x") for p in shown[2].points] == [1.0, None]


def test_charts_of_the_same_members_have_their_columns_once():
    content = content_of()
    shown = charts(figures(CHARTS["sweep"](content)))
    assert len(shown) > 4
    together, apart = (len(figures(some)) for some in (CHARTS["sweep"](content), CHARTS["sweep"](content)[:1]))
    assert together < len(shown) * apart / 2


def test_no_text_leads_out_of_a_page_or_changes_on_the_way(page):
    text = page.read_text(encoding="utf-8")
    parts, within = [], []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attributes):
            within.append(dict(attributes).get("type")) if tag == "script" else within.clear()
            assert not any(name.startswith("on") for name, _ in attributes)

        def handle_data(self, data):
            if within[-1:] == ["application/json"]:
                parts.append(data)

        def handle_endtag(self, tag):
            within.clear()

    Parser().feed(text)
    assert len(parts) == len(re.findall(r'<div class="charts', text)) > 4
    # But for line ends, which Vega takes for the end of its expressions.
    assert any(HOSTILE.replace("\u2028", " ") in value for part in parts for value in texts(json.loads(part)))


def texts(tree):
    """The texts of a tree of JSON."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict | list):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from texts(part)


def test_corrupted_images_are_drawn_by_severity():
    rows = [
        make_row(seed=s, **{f"test_{c}_{n}_mse": n + s for c in ("fog", "blur") for n in (1, 2)}, validation_mse=1.0)
        for s in (0, 2)
    ]
    (shown,) = charts(figures(robustness_charts(make_content(rows))))
    assert [(point["x"], point["y"]) for point in shown.points] == [(1, 2), (2, 3)]


# Their names.


def test_a_chart_has_the_same_data_in_a_notebook_as_on_the_page():
    content = content_of("other")
    on_page = {one.title for section in make_sections(content) for one in charts(section.body)}
    drawn = set()
    for name in sorted(set(CHARTS) - {"disentanglement", "labels", "rate_distortion", "search"}):
        made = draw(name, content).to_dict()  # It is validated.
        drawn |= {part["title"] for part in made.get("concat", [made])}
        assert made["datasets"], name
    assert drawn == on_page


def test_a_chart_of_a_published_study_is_found_by_its_name():
    assert aejax.load(RESULTS / "quickstart").chart("baselines").to_dict()["concat"]
    with pytest.raises(UserError, match=r"^no chart is called 'curve', did you mean 'curves'\?; there are baselines, "):
        chart("curve", RESULTS / "quickstart")
    with pytest.raises(
        UserError, match=r"^'quickstart' has nothing that the chart 'search' shows; it has baselines, c"
    ):
        chart("search", RESULTS / "quickstart")


# In a browser.


def drawn(browser):
    places = browser.find_elements(By.CSS_SELECTOR, ".chart")
    WebDriverWait(browser, 30).until(lambda _: all(one.find_elements(By.CSS_SELECTOR, "svg.marks") for one in places))
    return places


def of_title(browser, section, title):
    figures = browser.find_elements(By.CSS_SELECTOR, f"#{section} figure")
    return next(one for one in figures if one.text.startswith(title)).find_element(By.CSS_SELECTOR, ".chart")


@pytest.mark.browser
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 400)])
def test_charts_are_drawn_and_told_from_the_paper(browser, page, theme, width):
    show(browser, page, theme=theme, width=width)
    places = drawn(browser)
    assert len(places) > 20
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert all(place.find_element(By.CSS_SELECTOR, "svg.marks").size["width"] <= width for place in places)
    assert browser.execute_script("return [...document.querySelectorAll('svg')].every((x) => x.ariaLabel)")
    for color in ("svg.marks text", ".role-axis-domain line"):
        mark = places[0].find_element(By.CSS_SELECTOR, color)
        shown = mark.value_of_css_property("fill" if "text" in color else "stroke")
        assert (sum(map(int, re.findall(r"\d+", shown)[:3])) > 380) == (theme == "dark"), (color, shown)
    assert places[0].find_element(By.CSS_SELECTOR, "svg.marks").value_of_css_property("background-color")[-2:] == "0)"
    assert browser.get_log("browser") == []
    assert browser.execute_script("return window.hurt") is None


@pytest.mark.browser
def test_the_pointer_is_told_the_member_the_seed_and_the_setting(browser, page):
    show(browser, page)
    drawn(browser)
    place = of_title(browser, "effects", "linear probe %")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", place)
    *_, last = place.find_elements(By.CSS_SELECTOR, "path[aria-label*='member: ']")  # The first lies below the chosen.
    ActionChains(browser).move_to_element(last).perform()
    (tip,) = (one for one in browser.find_elements(By.CSS_SELECTOR, ".tip") if one.is_displayed())
    words = dict(line.split(" ", 1) for line in tip.text.splitlines())
    assert re.search("learning_rate|latent_size", words["setting"])
    assert words["seed"] in ("0", "1")
    assert words["member"].startswith("autoencoder")
    assert float(words["optimizer.learning_rate"]) in (0.1, 0.2, 0.4)
    assert browser.execute_script("return window.hurt") is None


@pytest.mark.browser
def test_a_click_on_the_legend_isolates_and_another_brings_all_back(browser, page):
    show(browser, page)
    drawn(browser)
    place = of_title(browser, "curves", "loss")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", place)

    def opacities():
        lines = place.find_elements(By.CSS_SELECTOR, ".mark-line path")
        return sorted({float(line.get_attribute("opacity") or 1) for line in lines})

    assert opacities() == [1]
    place.find_element(By.CSS_SELECTOR, ".role-legend-label text").click()
    WebDriverWait(browser, 5).until(lambda _: opacities() == [0.06, 1])
    place.find_element(By.CSS_SELECTOR, ".role-legend-label text").click()
    WebDriverWait(browser, 5).until(lambda _: opacities() == [1])


@pytest.mark.browser
def test_a_chart_is_saved_as_svg_and_png_without_a_network(browser, page):
    show(browser, page, theme="dark")
    drawn(browser)
    place = of_title(browser, "curves", "loss")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", place)
    svg, png = place.find_elements(By.CSS_SELECTOR, ".vega-actions a")
    for link, kind in ((svg, "image/svg+xml"), (png, "image/png")):
        place.find_element(By.TAG_NAME, "summary").click()
        ActionChains(browser).move_to_element(link).click_and_hold().perform()
        WebDriverWait(browser, 5).until(lambda _, link=link: link.get_attribute("href").startswith(("data:", "blob:")))
        reads = "const [url, done] = arguments; fetch(url).then((x) => x.blob()).then((x) => done(x.type))"
        assert browser.execute_async_script(reads, link.get_attribute("href")) == kind
        ActionChains(browser).move_to_element(place).release().perform()
    assert svg.get_attribute("download") == "loss.svg"


@contextlib.contextmanager
def at_start_of_pages(browser, source):
    """Runs a script before those of every page that is opened."""
    browser.execute_cdp_cmd("Page.enable", {})
    script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


@pytest.mark.browser
def test_what_was_not_in_view_is_drawn_before_it_is_printed(browser, page):
    # No idle time comes before the page is printed.
    with at_start_of_pages(browser, "window.requestIdleCallback = () => {}"):
        show(browser, page)
        places = browser.find_elements(By.CSS_SELECTOR, ".chart")
        missing = "return [...document.querySelectorAll('.chart')].filter((x) => !x.querySelector('svg.marks')).length"
        browser.execute_script("arguments[0].scrollIntoView()", places[-1])
        WebDriverWait(browser, 10).until(lambda _: browser.execute_script(missing) < len(places))
        assert browser.execute_script(missing) > 0
        browser.print_page()
        assert browser.execute_script(missing) == 0


@pytest.mark.slow
@pytest.mark.browser
def test_charts_are_drawn_where_a_browser_tells_of_no_idle_time(browser, page):
    with at_start_of_pages(browser, "delete window.requestIdleCallback"):
        show(browser, page)
        drawn(browser)
