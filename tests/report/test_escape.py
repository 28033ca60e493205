"""Whatever people call things, tables show that and nothing else."""

import csv
import html.parser
import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aejax.report.escape import csv_cell, in_line, latex, markdown, markdown_line
from aejax.report.html import Html
from aejax.report.panels import panels
from aejax.report.tables import Table, to_aligned, to_csv, to_latex, to_markdown
from tests.report.test_tables import ROWS

SPECIAL = "\\~^|=\n<>&%$#_{}[]*`\"',+-@\r\t\x1b.1a é"
names = st.text(st.sampled_from(SPECIAL), max_size=12)
quick = settings(max_examples=60, deadline=None, database=None)


def unescaped(text):
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)  # As CommonMark says: a backslash before ASCII punctuation.


@quick
@given(st.lists(names, min_size=2, max_size=2))
def test_a_row_of_markdown_has_its_cells_and_they_say_what_was_given(cells):
    _, _, row = to_aligned(Table(["a", "b"], [cells])).split("\n")
    found = re.split(r"(?<!\\)(?:\\\\)*\|", row)
    assert len(found) == 4
    own = re.fullmatch(r"\| ((?:[^\\|]|\\.)*) \| ((?:[^\\|]|\\.)*) \|", row)
    assert [unescaped(cell).strip() for cell in own.groups()] == [in_line(cell).strip() for cell in cells]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("masked_flow", "masked_flow"),
        ("data.classes [4, 4] · 95 % ± 2 < 3", "data.classes [4, 4] · 95 % ± 2 < 3"),
        ("__init__", r"\_\_init\_\_"),
        ("<script>", r"\<script>"),
        ("[x](http://y)", r"[x\](http://y)"),
        ("&amp;", r"\&amp;"),
        ("a\n# b\x1b[2J", "a # b [2J"),
    ],
)
def test_markdown_escapes_what_would_be_more_than_text_and_nothing_else(text, shown):
    assert markdown(text) == shown


@pytest.mark.parametrize("text", ["# x", "> x", "- x", "+ x", "1. x", "12) x", "===", "    x"])
def test_a_line_begins_no_heading_quotation_or_list(text):
    line = markdown_line(text)
    assert unescaped(line) == text.strip()
    assert re.match(r"\\|\d+\\|x", line)


@quick
@given(names)
def test_latex_has_no_special_character_left(text):
    shown = latex(text)
    assert "\n" not in shown
    known = re.compile(r"\\text([a-z]+)\{\}|\\[&%$#_{}]|\{[\[*]\}")
    assert not re.search(r"[\\~^|<>&%$#_{}\[*`\n]", known.sub("", shown))
    back = {"backslash": "\\", "asciitilde": "~", "asciicircum": "^", "bar": "|"}
    back |= {"less": "<", "greater": ">", "asciigrave": "`"}
    assert known.sub(lambda one: back[one[1]] if one[1] else one[0].strip("{}\\") or one[0][1], shown) == in_line(text)


@quick
@given(names)
def test_csv_gives_the_text_back_and_no_spreadsheet_computes_it(name):
    rows = [row | {"config": row["config"] | {"a": f"{name}{row['config'].get('seed')}"}} for row in ROWS]
    table = list(csv.DictReader(io.StringIO(to_csv(rows), newline="")))
    assert len(table) == len(rows)
    for row in table:
        expected = f"{name}{row['seed'] or None}".replace("\r\n", "\n").replace("\r", "\n")
        assert row["a"] in (expected, f"'{expected}")
        assert not row["a"].startswith(("=", "+", "-", "@", "\t", "\n"))


def test_numbers_stay_numbers():
    assert csv_cell("-x") == "'-x"
    rows = [row | {"metrics": {"test_nll": -1.5}} for row in ROWS]
    assert ",-1.5," in to_csv(rows)


@quick
@given(names)
def test_html_gives_the_text_back(name):
    seen = []
    parser = html.parser.HTMLParser()
    parser.handle_data = seen.append
    parser.handle_starttag = lambda tag, attributes: seen.append(dict(attributes).get("data-label", ""))
    parser.feed(panels(name, [(name, Html(""))]))
    parser.close()
    assert seen[0] == name
    assert "".join(seen[1:]).strip("\n") == name.strip("\n")


def test_a_hostile_name_stays_in_its_cell_everywhere():
    name = "a|b\n\\end{tabular} & c"
    data = ROWS[0]["data"] | {"name": name}
    rows = [row | {"data": data, "config": row["config"] | {"a": f"{name}{i % 2}"}} for i, row in enumerate(ROWS)]
    lines = to_markdown(rows).splitlines()
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines if line.startswith("|")}) == 1
    tex = to_latex(rows)
    body = tex.split("\\toprule\n")[1].split("\\bottomrule")[0].splitlines()
    assert len({len(re.findall(r"(?<!\\)&", line)) for line in body if line.endswith("\\\\")}) == 1
    assert [line for line in tex.splitlines() if line.endswith("\\end{tabular}")] == ["\\end{tabular}"]
    assert all(line.startswith(("%", "\\", "autoencoder", "pixels", "method")) for line in tex.splitlines())
