"""The page of papers' values beside ours: how many were reached, and for each task a table and what departs."""

import textwrap
from collections import Counter
from collections.abc import Sequence

from aejax.errors import UserError
from aejax.report.tables import Table, show_seconds, to_aligned
from aejax.store.papers import MEMORY, VERDICTS, ComparedCell

HEADING = ("no.", "paper", "what", "paper has", "read in", "ours", "n", "verdict", "seconds")
MISLEADING = "; misleading"  # Ends such a verdict.
_WIDTH = 120


def to_summary(cells: Sequence[ComparedCell]) -> str:
    """Returns a sentence and a table, as Markdown: how many cells have which verdict, in all and of each task."""
    counts = Counter(cell.verdict for cell in cells)
    sentence = f"**Of {len(cells)} numbers {', '.join(f'{counts[name]} {name}' for name in VERDICTS)}.**"
    misled = [cell.verdict for cell in cells if cell.table.misleading and cell.ours is not None]
    if misled:
        sentence += (
            f" In {len(misled)} of those that were run so much differs that the comparison misleads; "
            f"{misled.count('reached')} of the reached are among these."
        )
    tasks = list(dict.fromkeys(cell.table.task for cell in cells))
    rows = [_counts(task, [cell for cell in cells if cell.table.task == task]) for task in tasks]
    table = Table(["task", *VERDICTS, "all"], [*rows, _counts("all", cells)])
    return textwrap.fill(sentence, _WIDTH) + "\n\n" + to_aligned(table) + "\n"


def _counts(name: str, cells: Sequence[ComparedCell]) -> list[str]:
    counts = Counter(cell.verdict for cell in cells)
    return [name, *(str(counts[verdict]) for verdict in VERDICTS), str(len(cells))]


def to_section(cells: Sequence[ComparedCell], task: str) -> str:
    """Returns the table of a task as Markdown, and a numbered list: command and departures of each table of a paper.

    Raises:
      UserError: if no paper has this task.
    """
    cells = [cell for cell in cells if cell.table.task == task]
    if not cells:
        raise UserError(f"no paper has the task '{task}'")
    tables = list({id(cell.table): cell.table for cell in cells}.values())
    number = {id(table): str(index) for index, table in enumerate(tables, start=1)}
    rows = [_row(number[id(cell.table)], cell) for cell in cells]
    items = []
    for table in tables:
        planned = " (planned: not in this version)" if table.planned else ""
        warning = "**This comparison misleads.** " if table.misleading else ""
        mark = f"{number[id(table)]}. "
        text = f"{mark}{table.paper}: `{table.command}`{planned}. {warning}{table.departures}"
        indent = " " * len(mark)
        items.append(
            textwrap.fill(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        )
    return to_aligned(Table(list(HEADING), rows)) + "\n\n" + "\n".join(items) + "\n"


def _row(number: str, one: ComparedCell) -> list[str]:
    cell, setting = one.cell, one.setting
    count = "" if one.ours is None or setting is None else str(one.ours.num) if setting.seeded else "fixed"
    seconds = None if setting is None else setting.cost("train_seconds")
    return [
        number,
        one.table.paper,
        f"{cell.title}, {one.metric.heading}",
        f"{cell.value:g}" + (f" ± {cell.half_width:g}" if cell.half_width else ""),
        "from memory" if one.table.source == MEMORY else one.table.source,
        "" if setting is None else one.metric.show(one.ours, seeded=setting.seeded),
        count,
        one.verdict + (MISLEADING if one.table.misleading and one.ours is not None else ""),
        "" if seconds is None else show_seconds(seconds),
    ]
