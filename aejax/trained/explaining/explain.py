"""Explaining the trained autoencoders of a study: numbers of every member, pictures of the first of each setting."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from aejax.data.vectors import check_pictures
from aejax.errors import Interrupted, UserError, in_one_line
from aejax.evaluation.suite import Representation, pooled
from aejax.explain.similarity import similarity_matrix
from aejax.methods.roles import Role
from aejax.methods.zoo import SUBJECT, named
from aejax.networks.named import blocks
from aejax.progress import progress_bar
from aejax.store.directory import StudyDirectory
from aejax.store.explanations import SIMILARITY, directory_of, read_similarity
from aejax.store.files import lock, remove_leftovers, set_aside, write_json
from aejax.store.results import Row, settings
from aejax.study.job import Options
from aejax.trained.explaining import parts
from aejax.trained.explaining.attributions import attributions
from aejax.trained.explaining.record import Asked, Explained
from aejax.trained.explaining.subject import Subject
from aejax.trained.model import Trained
from aejax.trained.opening import Opener, find_row

PARTS: dict[str, Callable[[Subject], parts.Part]] = {
    "traversals": parts.traversals,
    "units": parts.units,
    "dictionary": parts.dictionary,
    "attribution": attributions,
    "embedding": parts.embedding,
    "tsne": parts.neighbor_embedding,
    "paths": parts.paths,
}
OF_LAYER = "dictionary"  # The part that may be of another layer than the code.
FEATURES = "features"
OF_STUDY = "similarity"  # The part that is made of all members together.
COMPARED = (SUBJECT, *named(Role.BASELINE | Role.CLASSIFIER))  # Methods: networks that labels train from scratch.
MAX_COMPARED = 2  # Seeds of each setting, and of the supervised network.
NUM_COMPARED = 2000  # Images.


class Name(NamedTuple):
    """What to call a member, and which of its setting's it is, counted from 0."""

    setting: str
    seed: int
    number: int

    def __str__(self) -> str:
        return f"{self.setting}, seed {self.seed}"


Names = dict[tuple[str, str], Name]  # By method and id.


def explain(
    directory: StudyDirectory,
    wanted: Sequence[str],
    *,
    member: str | None = None,
    layer: str | None = None,
    options: Options,
) -> None:
    """Explains the autoencoders of a study that did not diverge, and writes what is found beside them.

    Parts that are there stay as they are, so the same command goes on where it was stopped; only the part of all
    members together is made anew, as the study may have grown. What cannot be made is left out, and why is said.

    Args:
      directory: of the study.
      wanted: names of `PARTS`, and perhaps `OF_STUDY`.
      member: the first characters of an id: this member alone, with pictures.
      layer: whose features the dictionary is made of; None: the code.
      options: whom to tell, and when to stop.

    Raises:
      UserError: if there is no such member or layer, or nothing that can be explained.
      DataError: if the study is of vectors, which no picture shows.
      OSError: if the operating system refuses to read or write; what is done is saved.
      Interrupted: if a stop was asked for; what is done is saved.
    """
    opener = Opener(directory, options)
    rows = _explainable(opener, directory, member)
    if layer is not None:
        opener.check_layer(SUBJECT, rows, layer)
    names = _names([row for row in opener.rows if row["status"] != "diverged"])
    path = directory_of(directory)
    with lock(path):
        remove_leftovers(path.iterdir())
        explanations: dict[str, Explained] = {}
        pictured = {row["id"] for row in rows if member is not None or not names[SUBJECT, row["id"]].number}
        asked: dict[str, dict[str, Asked]] = {}
        for row in rows:
            name = names[SUBJECT, row["id"]]
            explained = explanations[row["id"]] = Explained(path, row["id"], options.say)
            explained.call(str(name), name.setting, name.seed)
            shown = row["id"] in pictured
            asked[row["id"]] = {
                part: {"layer": layer if part == OF_LAYER else None, "pictured": shown}
                for part in PARTS
                if part in wanted
            }
        left_out = _LeftOut(options.say)
        missing = {
            name: {part: how for part, how in own.items() if not explanations[name].has(part, how)}
            for name, own in asked.items()
        }
        with progress_bar(sum(map(len, missing.values())), "explaining", "part") as bar:
            for status, together in opener.populations(SUBJECT, [row for row in rows if missing[row["id"]]]):
                members: list[Trained] = []
                with left_out.attempt(f"the population of {names[SUBJECT, together[0]['id']]}"):
                    alike = opener.open_population(status, together)
                    alike[0].check_decodes_alone()
                    opener.source(alike[0])
                    members = alike
                for opened in members:
                    check_pictures(opened.trained_on)
                    subject = Subject(opened, opener.source(opened), opened.id in pictured, layer)
                    for part, how in missing[opened.id].items():
                        options.obey_stop()
                        title = f"{names[SUBJECT, opened.id]}: {part}"
                        bar.set_postfix_str(title)
                        with left_out.attempt(title):
                            _make(part, how, subject, explanations[opened.id])
                        bar.update()
        made_any = any(explanations[name].has(part, how) for name, own in asked.items() for part, how in own.items())
        if OF_STUDY in wanted:
            options.obey_stop()
            with left_out.attempt(OF_STUDY):
                _write_similarity(directory, _compare(opener, names, options), options)
                made_any = True
        if left_out.reasons and not made_any:
            raise UserError(f"{directory.path}: nothing was explained: {left_out.reasons[0]}")


def _explainable(opener: Opener, directory: StudyDirectory, member: str | None) -> list[Row]:
    """Returns the rows of the autoencoders that did not diverge, or of the one whose id begins so.

    Raises:
      UserError: if there is none.
    """
    rows = opener.rows_of(SUBJECT)
    if member is not None:
        rows = [find_row(directory, rows, SUBJECT, member)]
    rows = [row for row in rows if row["status"] != "diverged"]
    if not rows:
        what = f"member {member}" if member else "every trained autoencoder"
        raise UserError(f"{directory.path}: {what} diverged, so nothing can be explained")
    return rows


def _make(part: str, how: Asked, subject: Subject, explained: Explained) -> None:
    """Makes a part of one member's explanation, and writes it with the seconds that it took."""
    started = time.perf_counter()
    made = PARTS[part](subject)
    explained.add(part, how, *made, round(time.perf_counter() - started, 3))


def _write_similarity(directory: StudyDirectory, compared: dict[str, Any], options: Options) -> None:
    """Writes how alike members are, in the place of what is there; damaged files are set aside."""
    for fault in read_similarity(directory)[1]:
        options.say(f"{fault} and was set aside as {set_aside(fault.path).name}")
    write_json(directory_of(directory) / SIMILARITY, compared)


class _LeftOut:
    """What could not be made, and why; the rest goes on."""

    def __init__(self, say: Callable[[str], None]):
        self.reasons: list[str] = []
        self._say = say

    @contextlib.contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """Says, in one line, why something is left out if it fails.

        Raises:
          OSError: if the operating system refuses to read or write, which all else would meet as well.
          Interrupted: if a stop was asked for.
        """
        try:
            yield
        except (OSError, Interrupted):
            raise
        except Exception as error:
            self.reasons.append(str(error) if isinstance(error, UserError) else in_one_line(error))
            self._say(f"{what} is left out: {self.reasons[-1]}")


def _names(rows: Sequence[Row]) -> Names:
    """The names of members: their family, if that tells their setting from others."""
    names = {}
    for method in COMPARED:
        groups = settings([row for row in rows if row["method"] == method])
        kinds = [str(setting.rows[0]["config"].get("autoencoder.kind")) for setting in groups]
        for setting, kind in zip(groups, kinds, strict=True):
            label = kind if kinds.count(kind) == 1 else setting.label or kind
            for number, row in enumerate(setting.rows):
                names[method, row["id"]] = Name(label, row["config"].get("seed", 0), number)
    return names


def _compare(opener: Opener, names: Names, options: Options) -> dict[str, Any]:
    """Returns how alike the features of a few seeds of each setting are, and the layers of the first of them.

    Beside them is the supervised network, if the study has one: the first of its settings, as all have one encoder.
    Members that are tested on other images than the first are left out.
    """
    outputs_by_title: dict[str, np.ndarray] = {}
    image: np.ndarray | None = None
    for method in COMPARED:
        rows = [row for row in opener.rows if (method, row["id"]) in names and row["method"] == method]
        named = {row["id"]: names[method, row["id"]] for row in rows}
        if method != SUBJECT:
            rows = [row for row in rows if named[row["id"]].setting == named[rows[0]["id"]].setting]
        for member in opener.open(method, [row for row in rows if named[row["id"]].number < MAX_COMPARED]):
            own = opener.source(member).dataset.test.image
            image = own if image is None else image
            if not np.array_equal(own, image):
                continue
            name = named[member.id]
            title = str(name) if method == SUBJECT else f"{method}, seed {name.seed}"
            outputs = member.map(_outputs, own[:NUM_COMPARED])
            layers = [] if name.number else blocks([layer for layer in outputs if layer != FEATURES])
            for layer in layers:
                outputs_by_title[f"{title}: {layer}"] = np.asarray(outputs[layer], np.float32)
            outputs_by_title[title] = np.asarray(outputs[FEATURES], np.float32)
            options.obey_stop()
    matrix = np.round(similarity_matrix(list(outputs_by_title.values())), 4).tolist()
    return {"names": list(outputs_by_title), "matrix": matrix, "num_images": len(next(iter(outputs_by_title.values())))}


def _outputs(representation: Representation, stored: jax.Array) -> dict[str, jax.Array]:
    """The output of every layer of an encoder for images, [n, size], and the features."""
    assert representation.layers is not None, "every network has layers"
    outputs = {name: pooled(output) for name, output in representation.layers(stored).items()}
    return outputs | {FEATURES: representation.encode(stored)}
