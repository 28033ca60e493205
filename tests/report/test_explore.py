"""What is explored in a report: searched tables, chosen members, sliders, maps of points, and how all that prints."""

import re

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from aejax.report.content import gather
from aejax.report.page import make_sections, to_html
from aejax.store.contents import SavedStudy
from aejax.store.record import Record
from tests.report.browsing import show
from tests.report.explanations import digits, make_explanations, make_similarity
from tests.report.rows import make_row

SETTINGS = ("plain", "vae")
NAMES = [f"{setting}, seed {seed}{layer}" for setting in SETTINGS for seed in (0, 1) for layer in ("", ": Dense_0")]


def study(explanations, names):
    rows = [
        make_row(seed=seed, config={"autoencoder.latent_size": size, "autoencoder.kind": kind}, test_mse=size + seed)
        for seed in (0, 1)
        for kind in SETTINGS
        for size in (2, 4, 8)
    ]
    rows.append(make_row("pixels", test_mse=0.0))
    record = Record(name="digits", question="What do units stand for?", configs=(), data={})
    return SavedStudy(record, rows, [], explanations=explanations, similarity=make_similarity(names))


def page_of(study):
    content = gather([study])
    return to_html(content.title, make_sections(content))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    members = [(setting, seed) for setting in SETTINGS for seed in (0, 1)]
    explanations = make_explanations(*digits(), members, points=300, cards=20, side=4)
    path = tmp_path_factory.mktemp("explored") / "report.html"
    path.write_text(page_of(study(explanations, NAMES)))
    return path


def find(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def seen(browser, selector):
    return [element for element in browser.find_elements(By.CSS_SELECTOR, selector) if element.is_displayed()]


def choose(browser, section, label, text):
    labels = seen(browser, f"#{section} .controls label")
    found = next(element for element in labels if element.text.startswith(label))
    Select(found.find_element(By.TAG_NAME, "select")).select_by_visible_text(text)


@pytest.mark.browser
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 375)])
def test_the_page_fits_its_window_and_logs_nothing(browser, page, theme, width):
    show(browser, page, width=width, theme=theme)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    told = "return [...document.querySelectorAll('img, svg')].every((x) => x.alt || x.ariaLabel)"
    assert browser.execute_script(told)
    # Of each class the color is its own, and told from the paper.
    colors = [point.value_of_css_property("stroke") for point in seen(browser, ".point")]
    assert len(set(colors)) == len(colors) == 10
    assert find(browser, "body").value_of_css_property("background-color") not in colors
    assert browser.get_log("browser") == []


@pytest.mark.browser
def test_a_table_is_searched_by_words_and_by_values(browser, page):
    show(browser, page)
    board = "#leaderboard tbody tr"
    said = find(browser, "#leaderboard output")
    assert said.text == "7 of 7 shown"
    assert said.get_attribute("aria-live") == "polite"
    search = find(browser, "#leaderboard input[type=search]")
    search.send_keys("vae 8.5")
    assert [row.text.split()[:3] for row in seen(browser, board)] == [["autoencoder", "vae", "8"]]
    assert said.text == "1 of 7 shown"
    search.send_keys(" pixels")
    assert said.text == "0 of 7 shown"
    search.send_keys(Keys.ESCAPE)
    assert said.text == "7 of 7 shown"
    choose(browser, "leaderboard", "latent_size", "4")
    assert len(seen(browser, board)) == 2
    choose(browser, "leaderboard", "autoencoder", "plain")
    assert len(seen(browser, board)) == 1
    # Sorted rows stay found.
    seen(browser, "#leaderboard th button")[0].click()
    assert said.text == "1 of 7 shown"
    assert len(seen(browser, board)) == 1
    # What a look finds has no search.
    assert not browser.find_elements(By.CSS_SELECTOR, "#explained input")
    assert browser.find_elements(By.CSS_SELECTOR, "#attribution input[type=search]")


@pytest.mark.browser
def test_a_member_is_chosen_and_its_units_slide(browser, page):
    show(browser, page)
    strips = seen(browser, "#traversals .strip")
    assert len(strips) == 16
    assert "KL" not in find(browser, "#traversals .panel").text  # Plain codes have a variance.
    choose(browser, "traversals", "Member", "vae, seed 0")
    strips = seen(browser, "#traversals .strip")
    scores = [float(re.search("KL (.*) nats", card.text)[1]) for card in seen(browser, "#traversals figure")]
    assert scores == sorted(scores, reverse=True)
    frames, slider, output = (strips[0].find_element(By.CSS_SELECTOR, part) for part in (".frames", "input", "output"))
    before, width = frames.screenshot_as_png, frames.size["width"]
    assert output.text == "+0.00"
    slider.send_keys(Keys.END)
    assert output.text == slider.get_attribute("aria-valuetext") == "+3.00"
    assert frames.screenshot_as_png != before
    assert frames.size["width"] == width < 150
    slider.send_keys(Keys.ARROW_LEFT)
    assert output.text == "+2.40"
    more = seen(browser, "#traversals .controls button")[0]
    assert more.text == "Show all 24"
    more.click()
    assert len(seen(browser, "#traversals .strip")) == 24
    assert more.get_attribute("aria-expanded") == "true"


@pytest.mark.browser
def test_units_are_ordered(browser, page):
    show(browser, page)
    choose(browser, "units", "Order by", "variance")
    values = [float(card.get_attribute("data-variance")) for card in seen(browser, "#units .unit")]
    assert len(values) == 16
    assert values == sorted(values, reverse=True)
    choose(browser, "dictionary", "Order by", "frequency")


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, pytest.param(375, marks=pytest.mark.slow)])
def test_a_point_shows_its_image_to_pointer_and_keys(browser, page, width):
    show(browser, page, width=width)
    # Maps begin when their images are decoded.
    WebDriverWait(browser, 10).until(lambda _: len(browser.find_elements(By.CSS_SELECTOR, ".map[tabindex]")) == 4)
    choose(browser, "embeddings", "Projection", "t-SNE")
    (holder,) = seen(browser, "#embeddings .map")
    (drawing,) = seen(browser, "#embeddings svg")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", holder)
    assert not seen(browser, ".tip")
    place = browser.execute_script(
        "const [svg] = arguments, path = svg.querySelector('.k3'), [, x, y] = path.getAttribute('d').match(/M(\\d+) "
        "(\\d+)/); const {width, height} = svg.getBoundingClientRect(); const box = svg.viewBox.baseVal;"
        "return [Math.round(x * width / box.width - width / 2), Math.round(y * height / box.height - height / 2)]",
        drawing,
    )
    ActionChains(browser).move_to_element_with_offset(drawing, *place).perform()
    (tip,) = seen(browser, ".tip")
    assert tip.text.startswith("class ")
    # The image is that of the sheet, and inside the map.
    ink = "const c = arguments[0].querySelector('canvas'); return Math.max(...c.getContext('2d').getImageData(0, 0, "
    assert browser.execute_script(f"{ink} c.width, c.height).data.filter((_, i) => i % 4 == 0))", tip) > 200
    assert tip.rect["x"] >= holder.rect["x"]
    assert tip.rect["x"] + tip.rect["width"] <= holder.rect["x"] + holder.rect["width"] + 1
    ActionChains(browser).move_to_element(find(browser, "#embeddings h2")).perform()
    assert not seen(browser, ".tip")
    # By keys: the point goes right, and only to classes that are picked.
    entry = seen(browser, "#embeddings .legend button")[0]
    entry.click()
    assert entry.get_attribute("aria-pressed") == "true"
    assert len(browser.find_elements(By.CSS_SELECTOR, "#embeddings .dim")) == 9
    ActionChains(browser).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()
    places = []
    for _ in range(3):
        assert seen(browser, ".tip")[0].text == "class 0"
        places.append(float(seen(browser, ".here")[0].get_attribute("cx")))
        browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert places[0] < places[1] < places[2]
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not seen(browser, ".tip")
    assert browser.get_log("browser") == []


@pytest.mark.browser
def test_a_cell_tells_its_names_and_value(browser, page):
    show(browser, page)
    holder = find(browser, ".matrix")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", holder)
    ActionChains(browser).move_to_element(holder.find_element(By.TAG_NAME, "svg")).perform()
    browser.execute_script("arguments[0].focus({focusVisible: true})", holder)
    holder.send_keys(Keys.ARROW_UP)
    for _ in NAMES:
        holder.send_keys(Keys.ARROW_UP)
        holder.send_keys(Keys.ARROW_LEFT)
    assert seen(browser, ".tip")[0].text.split("\n") == ["1", f"{NAMES[0]} · {NAMES[0]}"]
    holder.send_keys(Keys.ARROW_RIGHT)
    assert seen(browser, ".tip")[0].text.split("\n")[1] == f"{NAMES[0]} · {NAMES[1]}"


@pytest.mark.browser
def test_on_paper_sliders_are_strips_and_nothing_asks_to_be_clicked(browser, page):
    show(browser, page, width=800, media="print")
    strips = seen(browser, "#traversals .strip img")
    assert len(strips) == 24
    assert all(image.size["width"] > 2.5 * image.size["height"] for image in strips)
    assert not seen(browser, ".controls, .slider, nav")
    # The chosen member, by its name.
    assert [title.text for title in seen(browser, "#traversals h3")] == ["plain, seed 0"]
    assert len(seen(browser, "#units .unit")) == 20


@pytest.mark.browser
def test_without_scripts_everything_is_there(browser, page):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show(browser, page)
        titles = [title.text for title in seen(browser, "#traversals h3")]
        assert titles == ["plain, seed 0", "vae, seed 0"]
        assert len(seen(browser, "#traversals .strip img")) == 48
        assert len(seen(browser, "#embeddings svg")) == 4
        assert not seen(browser, "button, select, input")
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_many_members_make_no_large_page():
    settings = ("plain", "vae", "beta_vae", "sparse", "supervised")
    members = [(setting, seed) for setting in settings for seed in range(5)]
    names = [f"{setting}, seed {seed}" for setting, seed in members]
    text = page_of(study(make_explanations(*digits(28), members, points=1797), names))
    assert 1e6 < len(text.encode()) < 15e6
    # Members share the images of their maps.
    assert len(re.findall('id="sheet-', text)) == 1
