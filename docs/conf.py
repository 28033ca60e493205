"""Sphinx: `python -m sphinx -W -b html docs docs/_build` builds the site, and runs the notebooks."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_ext")]

import aejax  # noqa: E402

project = "aejax"
author = "The aejax authors"
copyright = "The aejax authors"
version = release = aejax.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "family_pages",
    "api_reference",
    "outside_links",
]
exclude_patterns = ["_build", "jupyter_execute", "_ext", "_templates", "mutations.md"]
templates_path = ["_templates"]
html_theme = "sphinx_book_theme"
html_title = "aejax"
html_theme_options = {
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "navbar_persistent": [],
}

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3  # As code hosts make them, so that links hold in both places.
nb_execution_mode = "force"  # What a notebook shows depends on the code, which no cache knows.
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_output_stderr = "remove"  # Progress bars.
nb_execution_show_tb = True

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True
