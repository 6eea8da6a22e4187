"""The Python of a notebook's cells: without magics, and with every line where it was."""

from __future__ import annotations

import re
from typing import Any

_LINE = re.compile(r"^(\s*)(?:[\w, ]+=\s*)?[%!].*$|^(\s*)\??[\w.]+\?{1,2}\s*$|^(\s*)\?.*$")

_PYTHON_CELLS = ("%%time", "%%timeit", "%%capture", "%%prun", "%%orchestrator")


def cells_of(path: str, notebook: Any) -> list[tuple[str, str]]:
    """The code cells, each with the name of its place; those of other languages are left out.

    Parameters
    ----------
    path
        The notebook's file.
    notebook
        It, as JSON.

    Raises
    ------
    ValueError
        If it is no notebook of version 4.
    """
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise ValueError("this is no notebook of version 4.")
    found = []
    for number, cell in enumerate(cells, start=1):
        source = cell.get("source", "")
        text = source if isinstance(source, str) else "".join(source)
        if cell.get("cell_type") == "code" and _is_python(text):
            found.append((f"{path}:cell {number}", without_magics(text)))
    return found


def _is_python(text: str) -> bool:
    first = text.lstrip()
    return not first.startswith("%%") or first.startswith(_PYTHON_CELLS)


def without_magics(text: str) -> str:
    """The text with ``pass`` in place of magics, of shell commands and of questions."""
    return "\n".join(_LINE.sub(_passed, line) for line in text.split("\n"))


def _passed(match: re.Match[str]) -> str:
    return next(group for group in (*match.groups(), "") if group is not None) + "pass"
