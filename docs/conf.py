"""Sphinx configuration.

The lessons are the notebooks, copied here since Sphinx reads only below its own folder; their links to the
documentation, and its links to them, are set right for the new place.
"""

import os
import shutil
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))

import house  # noqa: E402

house.write(DOCS / "_static" / "house.svg")

LESSONS = DOCS / "tutorial" / "lessons"

shutil.rmtree(LESSONS, ignore_errors=True)
LESSONS.mkdir(parents=True)
for notebook in sorted((DOCS.parent / "notebooks").glob("*.ipynb")):
    lesson = LESSONS / notebook.name
    text = notebook.read_text(encoding="utf-8").replace("(../docs/", "(../../")
    lesson.write_text(text, encoding="utf-8")
    os.utime(lesson, (0, notebook.stat().st_mtime))  # unchanged pages aren't built again


def setup(app):
    """Have links to the notebooks lead to the lessons; show no constructor of what only durablenb makes."""
    app.connect("autodoc-process-signature", _without_constructor)
    app.connect("source-read", lambda _, name, source: source.__setitem__(0, _with_lessons(source[0])))


def _without_constructor(app, what, name, made, options, signature, annotation):
    return ("", None) if name == "durablenb.DurableOrchestrationContext" else None


def _with_lessons(text):
    return text.replace("(../../notebooks/", "(../tutorial/lessons/")


project = "durablenb"
author = "The durablenb authors"
copyright = f"2026, {author}"
release = version = installed_version("durablenb")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
    "gallery",
    "search_words",
]
exclude_patterns = ["_build", "jupyter_execute", "**/.ipynb_checkpoints"]
templates_path = ["_templates"]

nb_execution_mode = "off"  # the notebooks are executed by the tests, and their outputs are kept
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False  # autosummary's template lists them

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["durablenb.css"]
html_title = f"durablenb {version}"
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
