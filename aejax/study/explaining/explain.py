"""Explaining the trained autoencoders of a study: numbers of every member, pictures of the first of each setting."""

import io
import math
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import tqdm

from aejax.errors import UserError
from aejax.evaluation.suite import Representation, pooled
from aejax.explain.similarity import similarity_matrix
from aejax.networks.named import blocks
from aejax.study.directory import (
    StudyDirectory,
    exists,
    lock,
    read_json,
    remove_leftovers,
    write_atomically,
    write_json,
)
from aejax.study.explaining import parts
from aejax.study.explaining.attributions import attributions
from aejax.study.explaining.subject import Subject
from aejax.study.explanations import SIMILARITY, directory_of
from aejax.study.job import Options
from aejax.study.members import Opener, find_row
from aejax.study.methods import SUBJECT
from aejax.study.results import Row, settings

PARTS: dict[str, Callable[[Subject], parts.Part]] = {
    "traversals": parts.traversals,
    "units": parts.units,
    "dictionary": parts.dictionary,
    "attribution": attributions,
    "embedding": parts.embedding,
    "tsne": parts.neighbor_embedding,
    "paths": parts.paths,
}
SUPERVISED = "supervised"
FEATURES = "features"
OF_STUDY = "similarity"  # The part that is made of all members together.
MAX_COMPARED = 2  # Seeds of each setting, and of the supervised network.
NUM_COMPARED = 2000  # Images.


class Name(NamedTuple):
    """What to call a member, and which of its setting's it is, counted from 0."""

    setting: str
    seed: int
    place: int

    def __str__(self) -> str:
        return f"{self.setting}, seed {self.seed}"


def explain(
    directory: StudyDirectory,
    wanted: Sequence[str],
    *,
    member: str | None = None,
    layer: str | None = None,
    options: Options,
) -> None:
    """Explains the autoencoders of a study that did not diverge, and writes what is found beside them.

    What was explained by the same parts before stays as it is, so the same command goes on where it was stopped.

    Args:
      directory: of the study.
      wanted: names of `PARTS`, and perhaps `OF_STUDY`.
      member: the first characters of an id: this member alone, with pictures.
      layer: whose features the dictionary is made of; None: the code.
      options: whom to tell, and when to stop.

    Raises:
      UserError: if there is no such member, or nothing to explain.
      Interrupted: if a stop was asked for; what is done is saved.
    """
    opener = Opener(directory, options)
    names = _names([row for row in opener.rows if row["status"] != "diverged"])
    rows = [row for row in opener.rows if (SUBJECT, row["id"]) in names and row["method"] == SUBJECT]
    if not rows:
        raise UserError(f"{directory.path} has no trained autoencoder to explain; run its command again")
    if member is not None:
        rows = [find_row(directory, rows, SUBJECT, member)]
    path = directory_of(directory)
    with lock(path):
        remove_leftovers(path.iterdir())
        asked = {"parts": [name for name in PARTS if name in wanted], "layer": layer}
        pictured = {row["id"] for row in rows if member is not None or not names[SUBJECT, row["id"]].place}
        missing = [row for row in rows if not _is_done(path, row["id"], asked, row["id"] in pictured)]
        with tqdm.tqdm(total=len(missing), desc="explaining", unit="member", disable=None) as bar:
            for opened in opener.open(SUBJECT, missing):
                subject = Subject(opened, opened.id in pictured, layer)
                _explain_member(path, subject, names[SUBJECT, opened.id], asked, bar, options)
                bar.update()
        if OF_STUDY in wanted:
            write_json(path / SIMILARITY, _compare(opener, names, options))


def _names(rows: Sequence[Row]) -> dict[tuple[str, str], Name]:
    """Returns what to call members, by method and id: by their family, if that tells their setting from others."""
    names = {}
    for method in (SUBJECT, SUPERVISED):
        groups = settings([row for row in rows if row["method"] == method])
        kinds = [str(setting.rows[0]["config"]["autoencoder.kind"]) for setting in groups]
        for setting, kind in zip(groups, kinds, strict=True):
            label = kind if kinds.count(kind) == 1 else setting.label or kind
            for place, row in enumerate(setting.rows):
                names[method, row["id"]] = Name(label, row["config"]["seed"], place)
    return names


def _is_done(path: pathlib.Path, name: str, asked: Mapping[str, Any], pictured: bool) -> bool:
    """Returns whether a member is explained as it is asked."""
    file = path / f"{name}.json"
    if not exists(file):
        return False
    facts = read_json(file)
    return facts.get("asked") == asked and (facts.get("pictured") or not pictured)


def _explain_member(
    path: pathlib.Path,
    subject: Subject,
    name: Name,
    asked: Mapping[str, Any],
    bar: tqdm.tqdm,
    options: Options,
) -> None:
    """Writes the explanation of a member, the pictures first: where the facts are, all is there."""
    member = subject.member
    facts: dict[str, Any] = {
        "id": member.id,
        "method": SUBJECT,
        "title": str(name),
        "setting": name.setting,
        "seed": name.seed,
        "asked": dict(asked),
        "pictured": subject.pictured,
        "numbers": {},
        "seconds": {},
    }
    arrays: dict[str, np.ndarray] = {}
    for part in asked["parts"]:
        bar.set_postfix_str(f"{name}: {part}")
        started = time.perf_counter()
        found, pictures = PARTS[part](subject)
        facts["numbers"] |= found.pop("numbers", {})
        facts |= found
        arrays |= pictures
        facts["seconds"][part] = round(time.perf_counter() - started, 3)
        options.obey_stop()
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    write_atomically(path / f"{member.id}.npz", content.getvalue())
    write_json(path / f"{member.id}.json", _known(facts))


def _known(value: Any) -> Any:
    """Returns a tree for JSON, which has no NaN: what is not known is null, and left out of "numbers"."""
    if isinstance(value, dict):
        known = {name: _known(part) for name, part in value.items()}
        return {name: part for name, part in known.items() if part is not None or name not in value.get("numbers", {})}
    if isinstance(value, list):
        return [_known(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def _compare(opener: Opener, names: Mapping[tuple[str, str], Name], options: Options) -> dict[str, Any]:
    """Returns how alike the features of a few seeds of each setting are, and the layers of the first of them.

    Beside them is the supervised network, if the study has one: the first of its settings, as all have one encoder.
    """
    found: dict[str, np.ndarray] = {}
    for method in (SUBJECT, SUPERVISED):
        rows = [row for row in opener.rows if (row["method"], row["id"]) in names and row["method"] == method]
        first = {names[method, row["id"]].setting for row in rows[:1]}
        seeds = {row["id"]: names[method, row["id"]] for row in rows}
        chosen = [row for row in rows if seeds[row["id"]].place < MAX_COMPARED]
        for member in opener.open(method, [r for r in chosen if method == SUBJECT or seeds[r["id"]].setting in first]):
            name = seeds[member.id]
            title = str(name) if method == SUBJECT else f"{method}, seed {name.seed}"
            outputs = member.map(_outputs, member.work.dataset.test.image[:NUM_COMPARED])
            layers = [] if name.place else blocks([layer for layer in outputs if layer != FEATURES])
            for layer in layers:
                found[f"{title}: {layer}"] = np.asarray(outputs[layer], np.float32)
            found[title] = np.asarray(outputs[FEATURES], np.float32)
            options.obey_stop()
    num_images = min(len(values) for values in found.values())
    matrix = np.round(similarity_matrix(list(found.values())), 4).tolist()
    return {"names": list(found), "matrix": matrix, "num_images": num_images}


def _outputs(known: Representation, stored: jax.Array) -> dict[str, jax.Array]:
    """Returns what every layer of an encoder makes of images, [n, size], and the features."""
    assert known.layers is not None, "every network has layers"
    outputs = {name: pooled(output) for name, output in known.layers(stored).items()}
    return outputs | {FEATURES: known.encode(stored)}
