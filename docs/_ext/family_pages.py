"""A page for each family: what the code says, around the words that docs/families/<kind>.md has.

A file there holds a title, a line, and the sections 'When to use it', 'When not' and 'Which field first'; its front
matter names a sweep, `first: autoencoder.beta=1,4,16`. When Sphinx reads the file, the sections that come from the code
and from the records of the benchmark are put around these. Nothing that is generated lies in the repository.
"""

import inspect
import json
import pathlib
import re
import sys
from typing import Any, NamedTuple

import config_fields
from sphinx.application import Sphinx
from sphinx.util import logging

from aejax.autoencoders.family import Family
from aejax.autoencoders.zoo import FAMILIES
from aejax.benchmark.suites import SUITES
from aejax.report.speed import read_record, relative_time

ROOT = pathlib.Path(__file__).parents[2]
WORDS = ROOT / "docs" / "families"
RECORDS = sorted((ROOT / "experiments" / "results" / "speed").glob("families*.json"))
WRITTEN = ("When to use it", "When not", "Which field first")
HEADINGS = ("What it minimises", *WRITTEN, "Source", "Departures", "Cost", "Example")
(_CASE,) = SUITES["families"]
_FRONT = re.compile(r"---\nfirst: (?P<path>[\w.]+)=(?P<values>\S+)\n---\n+")


class Words(NamedTuple):
    """What a person wrote of a family: the head of its page, the sections by heading, and a sweep to begin with."""

    head: str
    sections: dict[str, str]
    path: str
    values: str


def read_words(text: str) -> Words:
    """Returns what a file of docs/families holds.

    Raises:
      ValueError: if the front matter or a section is missing, or there is another.
    """
    front = _FRONT.match(text)
    if front is None:
        raise ValueError("the first lines must be ---, first: <field>=<value>,<value>, ---")
    head, *parts = re.split(r"^## ", text[front.end() :], flags=re.MULTILINE)
    sections = {heading.strip(): body.strip() for heading, _, body in (part.partition("\n") for part in parts)}
    if tuple(sections) != WRITTEN or not all(sections.values()):
        raise ValueError(f"the sections must be {', '.join(WRITTEN)}, with words in each")
    return Words(head.strip(), sections, front["path"], front["values"])


def compose(kind: str, text: str) -> str:
    """Returns the whole page of a family, in Markdown, from the words that were written of it."""
    words, said = read_words(text), _from_docstrings(kind)
    fields = config_fields.to_markdown(config_fields.to_rows(config_fields.describe(FAMILIES.config(kind))))
    sections = {
        "What it minimises": "\n\n".join([f"> {said['Loss']}", *said["else"], _traits(kind)]),
        **words.sections,
        "Source": said["Source"],
        "Departures": said.get("Departures", "None is recorded."),
        "Cost": _cost(kind),
        "Example": _example(kind, words),
    }
    sections["Which field first"] += f"\n\nAll fields of `autoencoder={kind}`:\n\n{fields}"
    return "\n\n".join([words.head, *(f"## {heading}\n\n{sections[heading]}" for heading in HEADINGS)]) + "\n"


def differences() -> list[str]:
    """Returns which families have no words, and which words no family."""
    written = {path.stem for path in WORDS.glob("*.md")}
    return [
        *(f"docs/families/{kind}.md is missing: a family has no words" for kind in FAMILIES if kind not in written),
        *(f"docs/families/{kind}.md: there is no such family" for kind in sorted(written - set(FAMILIES))),
    ]


def overview() -> str:
    """Returns the table of all families, in Markdown: loss and cost."""
    rows = [["family", "loss", "times `plain`"]]
    for kind in FAMILIES:
        cost = relative_cost(kind)
        loss = _from_docstrings(kind)["Loss"]
        rows.append([f"[`{kind}`](families/{kind}.md)", loss, "" if cost is None else f"{cost:.1f}"])
    return config_fields.to_markdown(rows)


def relative_cost(kind: str) -> float | None:
    """Returns the time of a training image as a multiple of that of `plain`; None where it was not measured."""
    costs = (relative_time(read_record(path), _CASE, kind) for path in RECORDS)
    return next((cost for cost in costs if cost is not None), None)


def _from_docstrings(kind: str) -> dict[str, Any]:
    """Returns loss, source and departures of a family, and under `else` the other paragraphs of its own docstring.

    What the class does not say of the source, its module does, which it may share with others.
    """
    cls = FAMILIES.config(kind)
    own = (inspect.getdoc(cls) or "").split("\n\n")
    said: dict[str, Any] = {"else": []}
    for text in [*own, *(inspect.getdoc(sys.modules[cls.__module__]) or "").split("\n\n")]:
        label, separator, rest = re.sub(r"\s+", " ", text).strip().partition(": ")
        if separator and label in ("Loss", "Source", "Departures"):
            said.setdefault(label, rest[0].upper() + rest[1:])
        elif text in own:
            said["else"].append(re.sub(r"\s+", " ", text))
    return said


def _traits(kind: str) -> str:
    """Returns in words what a family has beyond a loss: its terms, a posterior, codes, opponents."""
    cls: type[Family] = FAMILIES.config(kind)
    names = [f"`{name}`" for name in cls().term_names()]
    traits = [f"Its terms, in nats for each image and already weighted: {', '.join(names)}."]
    if cls.POSTERIOR:
        traits.append("The encoder gives a distribution, and the loss bounds a likelihood.")
    if cls.DISCRETE:
        traits.append("The code is a row of indices.")
    if cls.NEEDS_OTHERS:
        traits.append("The loss compares the codes of a batch with each other, so it depends on `training.batch_size`.")
    if cls().opponents():
        networks = " and ".join(f"the {name}" for name, _ in cls().opponents())
        traits.append(f"Trained by a separate loss: {networks}.")
    if cls.LAYERWISE:
        traits.append("Dense layers can be trained one by one first (`training.pretraining_epochs`).")
    return " ".join(traits) + " How sums and weights differ from other libraries: [losses](../conventions/losses.md)."


def _cost(kind: str) -> str:
    cost = relative_cost(kind)
    if cost is None:
        return "Not measured."
    return (
        f"A training image takes {cost:.1f} times as long as one of `plain`, at the family's defaults but with a "
        "784-256-32-256-784 network where the family allows it, in batches of 100, on one CPU."
    )


def _example(kind: str, words: Words) -> str:
    values = json.loads(f"[{words.values}]")
    return f"""A sweep on the embedded digits, five seeds for each value:

```console
$ aejax train quickstart --set autoencoder={kind} --sweep {words.path}={words.values}
```

In Python, of arrays:

```python
import aejax
from sklearn.datasets import load_digits

digits = load_digits()
images, labels = digits.images / 16, digits.target
model = aejax.fit(aejax.{FAMILIES.config(kind).__name__}(), images, epochs=20)
codes = model.encode(images)

config = aejax.Config(autoencoder=aejax.{FAMILIES.config(kind).__name__}())
study = aejax.run(config, images, labels, sweep=aejax.grid("{words.path}", {values}), seeds=5)
```"""


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Makes the whole page of what a file has, as Sphinx reads it."""
    if docname == "families":
        source[0] += f"\n## All families\n\n{overview()}\n"
    elif docname.startswith("families/"):
        kind = docname.removeprefix("families/")
        app.env.note_dependency(inspect.getfile(FAMILIES.config(kind)), docname=docname)
        source[0] = compose(kind, source[0])


def _check(app: Sphinx) -> None:
    for difference in differences():
        logging.getLogger(__name__).warning(difference)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connects the pages to Sphinx."""
    app.connect("builder-inited", _check)
    app.connect("source-read", _read)
    return {"version": "1", "parallel_read_safe": True}
