"""The Python on the pages runs as it stands there, and the site is built of them without a warning."""

import ast
import os
import subprocess
import sys

import family_pages
import numpy as np
import pytest
from PIL import Image

import aejax
from tests.docs.blocks import NAMED, PAGES, ROOT, commands_of, files_of, python_of

TEXTS = {str(page.relative_to(ROOT)): page.read_text() for page in PAGES}
EXAMPLE = "docs/families/beta_vae.md"  # All families' examples are one text; this stands for them.
TEXTS[EXAMPLE] = family_pages.compose("beta_vae", TEXTS[EXAMPLE])
WITH_PYTHON = [name for name, text in TEXTS.items() if python_of(text)]


def run(*arguments, **options):
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def draw_photos(folder):
    """Draws what pages call `photos/`: pictures of two sizes in two classes."""
    generator = np.random.default_rng(0)
    for index in range(96):
        kind = ("cats", "dogs")[index % 2]
        (folder / kind).mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (40, (30, 50)[index % 3 == 0], 3), np.uint8)
        Image.fromarray(pixels).save(folder / kind / f"{index}.jpg")


def run_page(text, folder):
    """Runs a page's blocks in order, in one namespace; those that are files are files too."""
    if "photos/" in text:
        draw_photos(folder / "photos")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for name, block in files_of(text).items():
        (folder / name).write_text(block)
    (folder / "page.py").write_text("\n".join(block for block in python_of(text) if not NAMED.match(block)))
    run("page.py", cwd=folder, env=environment)
    for command in commands_of(text):
        if any(argument in files_of(text) or argument.startswith("--plugin=") for argument in command):
            run("-m", "aejax", *command, "--dry_run", cwd=folder, env=environment)


def test_the_python_of_the_readme_runs(tmp_path):
    run_page(TEXTS["README.md"], tmp_path)
    assert list(tmp_path.glob("*.png"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in WITH_PYTHON if name != "README.md"])
def test_the_python_of_a_page_runs(name, tmp_path):
    run_page(TEXTS[name], tmp_path)


@pytest.mark.parametrize("name", WITH_PYTHON)
def test_pages_use_names_that_there_are(name):
    for block in python_of(TEXTS[name]):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "aejax":
                assert hasattr(aejax, node.attr), f"there is no aejax.{node.attr}"


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    """And its notebooks run."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    options = ["-W", "--keep-going", "-q", "-b", "html", "-d", str(tmp_path / "doctrees")]
    run("-m", "sphinx", *options, "docs", str(tmp_path / "site"), cwd=ROOT, env=environment)
    assert (tmp_path / "site" / "families" / "vae.html").exists()
    assert "cell_output" in (tmp_path / "site" / "notebooks" / "a_sweep.html").read_text()
