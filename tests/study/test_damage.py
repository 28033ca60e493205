"""Every kind of file of a study, damaged in every way, before every command: a true line or right results.

Nothing is lost, and nothing outside the study is touched. A sample runs unmarked, the whole is slow.
"""

import itertools
import json
import pathlib
import random
import shutil

import numpy as np
import pytest

from aejax.cli import commands, compare
from aejax.cli.explain import explain
from aejax.cli.generate import generate
from aejax.errors import UserError
from aejax.store.contents import read_study
from aejax.store.directory import StudyDirectory
from aejax.store.files import read_json, to_json
from tests.study.studies import ROOT

FILES = {
    "study.json": "study.json",
    "copy": "study.copy.json",
    "status": "populations/autoencoder-*/status.json",
    "results": "populations/autoencoder-*/results.json",
    "curves": "populations/autoencoder-*/metrics.jsonl",
    "pictures": "populations/autoencoder-*/pictures.npz",
    "facts": "populations/autoencoder-*/checkpoints/*/facts.json",
    "state": "populations/autoencoder-*/checkpoints/*/state/d/*",
    "lock": "populations/autoencoder-*/.lock",
    "explanation": "explanations/????????????.json",
    "explained pictures": "explanations/*.npz",
    "similarity": "explanations/similarity.json",
    "table": "results.csv",
    "report": "report.html",
}
# Files that a writer makes again or extends, and the copy of study.json, which is renewed even where it is damaged.
RENEWED = {"study.json", "study.copy.json", "status.json", "results.json", "pictures.npz", "similarity.json"}
OUTPUTS = {"study.copy.json", "results.csv", "results.md", "results.tex", "report.html", ".lock"}


def delete(file, outside):
    file.unlink()


def empty(file, outside):
    file.write_bytes(b"")


def truncate(file, outside):
    file.write_bytes(file.read_bytes()[: -max(1, file.stat().st_size // 3)])


def flip_a_bit(file, outside):
    content = bytearray(file.read_bytes())
    if content:
        content[len(content) // 2] ^= 1
    file.write_bytes(content)


def make_a_directory(file, outside):
    file.unlink()
    file.mkdir()


def link_outside(file, outside):
    shutil.move(file, outside / "precious")
    file.symlink_to(outside / "precious")


def take_anothers(file, outside):
    (pattern,) = [pattern for pattern in FILES.values() if file in _matches(pattern, _root(file))]
    shutil.copy(_matches(pattern, outside / "other")[0], file)


def change_the_type(file, outside):
    file.write_text('{"method": null, "members": [{"id": 3}], "project": "aejax", "names": {}, "digests": 7}\n')


DAMAGES = (
    delete,
    empty,
    truncate,
    flip_a_bit,
    make_a_directory,
    link_outside,
    take_anothers,
    change_the_type,
)

READERS = {
    "evaluate": lambda path, outside, say: compare.evaluate([str(path)], say),
    "generate": lambda path, outside, say: generate([str(path), "--kind=reconstructions", "--num=4"], say),
    "report": lambda path, outside, say: commands.report([str(path)], say),
    "status": lambda path, outside, say: commands.status([str(path)], say),
    "reproduce": lambda path, outside, say: compare.reproduce([str(path), f"--workdir={outside / 'again'}"], say),
    "publish": lambda path, outside, say: commands.report([str(path), f"--publish={outside / 'published'}"], say),
}
WRITERS = {
    "train": lambda path, outside, say: commands.train(arguments(path, 0, 1), say),
    "train more": lambda path, outside, say: commands.train(arguments(path, 0, 1, 4), say),
    "renew": lambda path, outside, say: compare.evaluate([str(path), "--update"], say),
    "explain": lambda path, outside, say: explain([str(path), "--part=units", "--part=similarity"], say),
}
CASES = list(itertools.product(FILES, DAMAGES, [*READERS, *WRITERS]))
SAMPLE = random.Random(24).sample(CASES, 14)


def _root(file):
    return next(folder for folder in file.parents if folder.name == "study")


def _matches(pattern, root):
    """Returns the files of a pattern, the largest first: of a checkpoint's, that with the parameters."""
    return sorted((path for path in root.glob(pattern) if path.is_file()), key=lambda path: -path.stat().st_size)


def arguments(path, *seeds):
    return [
        f"--config={ROOT / 'experiments' / 'quickstart.py'}",
        f"--set=data.name={path.parent / 'images.npz'}",
        "--set=training.epochs=3",
        "--set=autoencoder.encoder.widths=[8]",
        "--set=autoencoder.latent_size=3",
        '--set=evaluation.measures=["reconstruction"]',
        '--set=evaluation.baselines=["untrained"]',
        f"--sweep=seed={','.join(map(str, seeds))}",
        f"--workdir={path}",
    ]


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """A directory with two finished and explained studies, and the metrics of the first.

    It holds `study` of the seeds 0 and 1, `other` of the seeds 2 and 3, and the images, whose path is in their configs:
    tests damage a copy that they put in the place of the first.
    """
    base = tmp_path_factory.mktemp("studies")
    image = np.random.default_rng(0).integers(0, 256, (100, 6, 6), np.uint8)
    np.savez(base / "images.npz", image=image)
    for name, seeds in (("study", (0, 1)), ("other", (2, 3))):
        commands.train(arguments(base / name, *seeds), lambda _: None)
        explain([str(base / name), "--part=units", "--part=similarity"], lambda _: None)
    rows = read_study(StudyDirectory(base / "study")).rows
    shutil.copytree(base / "study", base / "whole")
    return base, {(row["method"], row["id"]): row["metrics"] for row in rows}


def content(path):
    """Returns the content of every file below a directory, by its path in it."""
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and not file.is_symlink()
    }


EDITED = ("study.json", "status", "results", "facts", "explanation", "similarity", "curves")
VALUES = (None, 7, -1, 1e308, "x", [], {}, [None], {"x": 1}, True)


def paths_in(tree, path=()):
    """Yields the way to every value of a tree, of lists to the first and the last."""
    yield path
    if isinstance(tree, dict):
        for name in tree:
            yield from paths_in(tree[name], (*path, name))
    elif isinstance(tree, list) and tree:
        for index in sorted({0, len(tree) - 1}):
            yield from paths_in(tree[index], (*path, index))


def replaced(tree, path, value):
    """Returns a tree with another value at the end of a way; with none if the value is `...`."""
    if not path:
        return {} if value is ... else value
    first, *rest = path
    changed = dict(tree) if isinstance(tree, dict) else dict(enumerate(tree))
    if rest or value is not ...:
        changed[first] = replaced(tree[first], rest, value)
    else:
        del changed[first]
    return changed if isinstance(tree, dict) else list(changed.values())


def edits(file):
    """Yields every edit of a JSON file: its content as if this project had written it."""
    lines = file.suffix == ".jsonl"
    tree = json.loads(file.read_text().splitlines()[0]) if lines else read_json(file)
    for path in paths_in(tree):
        for value in (..., *VALUES):
            edited = replaced(tree, path, value)
            if lines:
                yield path, value, json.dumps(edited) + "\n"
            else:
                yield path, value, to_json(edited) if isinstance(edited, dict) else json.dumps(edited)


@pytest.mark.parametrize("num", [7, pytest.param(250, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", EDITED)
def test_every_edit_of_a_file_is_a_line_or_a_report(studies, tmp_path, kind, num):
    base, _ = studies
    path = shutil.copytree(base / "whole", tmp_path / "study")
    (file, *_) = _matches(FILES[kind], path)
    content = list(edits(file))
    for way, value, text in random.Random(7).sample(content, min(num, len(content))):
        file.write_text(text)
        slow = ("evaluate", "explain", "generate", "train") if num > 7 else ()
        for command in ("status", "report", *slow):
            context = f"{kind}: {'.'.join(map(str, way))} = {value!r}, {command}"
            line = None
            try:
                {**READERS, **WRITERS}[command](path, tmp_path, lambda _: None)
            except (UserError, OSError) as error:
                line = str(error)
            except Exception as error:
                raise AssertionError(context) from error
            assert line is None or (
                "\n" not in line and (str(path) in line or command == "train" or "data.name" in context)
            ), (context, line)
            if command in ("train", "explain"):
                shutil.rmtree(path)
                shutil.copytree(base / "whole", path)
                file.write_text(text)
        shutil.rmtree(tmp_path / "again", ignore_errors=True)


@pytest.mark.parametrize(
    ("kind", "damage", "command"),
    [
        pytest.param(
            *case, marks=[] if case in SAMPLE else pytest.mark.slow, id=f"{case[0]}-{case[1].__name__}-{case[2]}"
        )
        for case in CASES
    ],
)
def test_a_damaged_study_ends_in_a_true_line_or_right_results(studies, tmp_path, kind, damage, command):
    base, reference = studies
    path, outside = base / "study", tmp_path / "outside"
    shutil.rmtree(path)
    shutil.copytree(base / "whole", path)
    shutil.copytree(base / "other", outside / "other")
    (file, *_) = _matches(FILES[kind], path)
    damage(file, outside)
    before, around = content(path), content(outside)
    said = []
    try:
        status = {**READERS, **WRITERS}[command](path, outside, said.append) or 0
        text = "\n".join(map(str, said))
    except (UserError, OSError) as error:
        status, text = 1, str(error)
        assert "\n" not in text
        assert str(path) in text
    after = content(path)
    lost = {name for name, was in before.items() if was not in after.values()}
    made = OUTPUTS | (RENEWED if command in WRITERS else set())
    if damage is take_anothers and kind == "study.json" and command in ("train", "train more"):
        lost.discard("study.json")  # The other study grows by the seeds of this one, and their results are taken over.
    if command == "explain":  # It makes them again, beside those of other members.
        lost = {name for name in lost if not name.startswith("explanations/")}
    assert all(name != file.relative_to(path).as_posix() or file.name in OUTPUTS for name in lost), text
    assert {pathlib.PurePath(name).name for name in lost} <= made, text
    if command in READERS:
        changed = {name for name in after if after[name] != before.get(name)}
        assert all(name in OUTPUTS or name.startswith("generated/") for name in changed), changed
    touched = {name for name, was in content(outside).items() if name in around and around[name] != was}
    assert not touched
    if damage is link_outside:
        assert status == 1
        assert "is a link that leads out of" in text
        return
    if command in ("train", "train more") and status == 0:
        rows = {(row["method"], row["id"]): row["metrics"] for row in read_study(StudyDirectory(path)).rows}
        assert rows | reference == rows
    if command in ("evaluate", "renew"):
        assert (status == 0) == text.endswith("all metrics: bitwise equal"), text
    if command in ("report", "status") and status == 0:
        rows = read_study(StudyDirectory(path)).rows
        whole = {(row["method"], row["id"]): row["metrics"] for row in rows} == reference
        assert whole or file.name in text or "another study's" in text, text
