"""The pages that people read: the README is short, and their links lead somewhere."""

import pathlib
import re
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts]  # The site, if somebody has built it.
LINK = re.compile(r"\]\((?!\w+:)([^)\s#]*)(?:#([^)\s]*))?\)")


def without_code(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """The names that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", without_code(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short():
    content = (ROOT / "README.md").read_bytes()
    assert len(content) <= 9 * 1024
    assert content.count(b"\n") <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for path, anchor in LINK.findall(without_code(page.read_text())):
        target = page.parent / urllib.parse.unquote(path) if path else page
        assert target.exists(), f"{path} is no file"
        assert not anchor or anchor in anchors(target), f"{path} has no heading #{anchor}"
