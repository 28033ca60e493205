"""The pages of families: one for each, with the same headings, from the code and from what a person wrote."""

import re

import config_fields
import family_pages
import pytest

from aejax.autoencoders.zoo import FAMILIES

# All others begin with the likelihood.
OF_OTHER_LOSS = {"vae_gan": "L + KL", "dec": "KL(p ‖ q)", "deep_svdd": "‖encode(x) − c‖²"}


@pytest.fixture(params=FAMILIES)
def page(request):
    return request.param, family_pages.compose(request.param, (family_pages.WORDS / f"{request.param}.md").read_text())


def test_every_family_has_its_words_and_all_words_a_family(tmp_path, monkeypatch):
    assert family_pages.differences() == []
    (tmp_path / "plane.md").write_text("")
    monkeypatch.setattr(family_pages, "WORDS", tmp_path)
    missing = [f"docs/families/{kind}.md is missing: a family has no words" for kind in FAMILIES]
    assert family_pages.differences() == [*missing, "docs/families/plane.md: there is no such family"]


def test_a_page_has_every_heading_and_something_below_each(page):
    kind, text = page
    sections = dict(re.findall(r"^## ([^\n]*)\n\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE))
    assert tuple(sections) == family_pages.HEADINGS
    assert all(len(body.strip()) > 10 for body in sections.values())
    assert f"(`{kind}`)" in text.splitlines()[0]
    assert sections["What it minimises"].startswith("> " + OF_OTHER_LOSS.get(kind, "−log "))
    assert re.search(r"(19|20)\d\d", sections["Source"])
    measured = any(f'"{kind}":' in path.read_text() for path in family_pages.RECORDS)
    assert ("Not measured" in sections["Cost"]) != measured


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_field_says_what_it_is(kind):
    fields = config_fields.describe(FAMILIES.config(kind))
    assert [field.name for field in fields if not field.comment] == []


def test_fields_are_as_the_code_has_them():
    fields = {field.name: field for field in config_fields.describe(FAMILIES.config("k_sparse"))}
    assert list(fields)[:3] == ["k", "inference_k", "auxiliary_weight"]
    assert fields["k"] == ("k", "25", "integer > 0", True, "Units that an image keeps.")
    assert fields["inference_k"].type == "integer > 0 or `null`"
    assert fields["unit_norm"][:4] == ("unit_norm", "false", "`true`, `false`", False)
    assert fields["unit_norm"].comment.startswith("What each unit draws has norm 1, and begins as")
    assert fields["encoder"].type == "`dense`, `conv`, `resnet`, `lenet`, `vit`"
    assert fields["encoder"].default == "dense (widths=[])"
    assert fields["likelihood"].comment == "Of the pixels, given the decoder's output."


def test_the_page_about_all_links_to_each():
    page = family_pages.WORDS.with_suffix(".md").read_text()
    assert {kind for kind in FAMILIES if f"(families/{kind}.md)" not in page} == set()
    assert family_pages.overview().count("\n") == len(FAMILIES) + 1


@pytest.mark.parametrize(
    "text",
    [
        "# Plain\n\n## When to use it\n\nx\n\n## When not\n\nx\n\n## Which field first\n\nx\n",
        "---\nfirst: autoencoder.latent_size=1\n---\n\n# Plain\n\n## When to use it\n\nx\n\n## When not\n\nx\n",
        "---\nfirst: a=1\n---\n\n# Plain\n\n## When to use it\n\n## When not\n\nx\n\n## Which field first\n\nx\n",
    ],
)
def test_words_that_lack_a_part_are_refused(text):
    with pytest.raises(ValueError, match="must be"):
        family_pages.read_words(text)
