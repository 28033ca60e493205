"""Writes a study's tables and report, from what lies in its directory (or in several) and nothing else."""

import pathlib
from collections.abc import Sequence

from aejax.report.content import Section, gather
from aejax.report.escape import markdown_line
from aejax.report.page import make_sections, to_html
from aejax.report.tables import to_csv, to_latex, to_markdown
from aejax.store.contents import read_study
from aejax.store.directory import StudyDirectory
from aejax.store.files import write_atomically


def write_report(directories: Sequence[StudyDirectory], output: pathlib.Path) -> str:
    """Returns the answer and the table as Markdown, after writing results.csv, .md, .tex and report.html to `output`.

    Below the table stands a line for each file of the studies that is missing, damaged or another study's.
    """
    studies = [read_study(directory) for directory in directories]
    content = gather(studies)
    rows, sections = content.rows, make_sections(content)
    output.mkdir(parents=True, exist_ok=True)
    table = to_markdown(rows)
    write_atomically(output / "results.csv", to_csv(rows))
    write_atomically(output / "results.md", with_sections(table, sections))
    write_atomically(output / "results.tex", to_latex(rows))
    write_atomically(output / "report.html", to_html(content.title, sections))
    faults = [fault for study in studies for fault in study.faults]
    answer = [markdown_line(content.answer), ""] if content.answer else []
    return "\n".join([*answer, table, *(f"{fault}; it is left out: {fault.advice}" for fault in faults)])


def with_sections(table: str, sections: Sequence[Section]) -> str:
    """Returns results.md: the table of settings, and what sections of the report say beyond it."""
    return "\n".join([table, *(f"## {section.title}\n\n{section.text}\n" for section in sections if section.text)])
