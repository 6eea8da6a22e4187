"""Checks the orchestrators in files, notebooks and folders, without running any code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from durablenb.checks.checker import check_body
from durablenb.checks.findings import Finding
from durablenb.checks.orchestrator_finder import OrchestratorFinder, evaluate
from durablenb.checks.project_modules import ProjectModules
from durablenb.checks.registered_names import RegisteredNames
from durablenb.core.short_repr import plural

_IGNORED = {"__pycache__", "node_modules", "site-packages", "build", "dist", "venv"}

_IPYTHON_LINE = re.compile(r"^(\s*)(?:[\w, ]+=\s*)?[%!].*$|^(\s*)\??[\w.]+\?{1,2}\s*$|^(\s*)\?.*$")

_PYTHON_CELLS = ("%%time", "%%timeit", "%%capture", "%%prun", "%%orchestrator")


@dataclass
class Report:
    """The result of checking files.

    Parameters
    ----------
    findings
        The findings, in the order of files and lines.
    problems
        A line for each file that could not be read.
    files, orchestrators
        The numbers of files and orchestrators that were checked.
    """

    findings: list[Finding] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    files: int = 0
    orchestrators: int = 0

    def __str__(self) -> str:
        count = plural(len(self.findings), "finding") if self.findings else "Nothing found"
        files = plural(self.files, "file")
        return f"{count} in {plural(self.orchestrators, 'orchestrator')} of {files}."


def check_files(paths: Iterable[Path]) -> Report:
    """Check the orchestrators in files, in notebooks, and in folders of both.

    Functions that orchestrators call are read as well, three calls deep, also in modules that a file imports
    from its project. Names are compared with all names that the files register. Since there may be other
    files, only a name that is very similar to one of those counts as unknown.
    """
    report, names, finders = Report(), RegisteredNames(), []
    for path in paths:
        if not path.exists():
            report.problems.append(f"{path}: there is no such file or folder.")
            continue
        modules = ProjectModules(path if path.is_dir() else path.parent, evaluate)
        for file in _files_in(path):
            report.files += 1
            try:
                finders.append(OrchestratorFinder(source_texts(file), names, modules.importer(file)))
            except (SyntaxError, ValueError, OSError) as error:
                report.problems.append(_problem(file, error))
    for finder in finders:
        for text_path, body in finder.orchestrators:
            report.orchestrators += 1
            report.findings += check_body(body, text_path, names)
    report.findings = sorted(set(report.findings), key=_position)
    return report


def source_texts(file: Path) -> list[tuple[str, str]]:
    """Return the Python texts of a file, each with its path: one text, or a notebook's cells."""
    text = file.read_text(encoding="utf-8")
    return notebook_cells(str(file), json.loads(text)) if file.suffix == ".ipynb" else [(str(file), text)]


def _files_in(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for child in sorted(path.iterdir()):
        is_ignored = child.name.startswith(".") or child.name in _IGNORED
        if child.is_dir() and not is_ignored and not child.is_symlink():
            yield from _files_in(child)
        elif child.suffix in (".py", ".ipynb") and not is_ignored:
            yield child


def _position(finding: Finding) -> tuple[str, int, int, int, str]:
    path, _, cell = finding.path.partition(":cell ")
    return path, int(cell or 0), finding.line, finding.column, finding.code


def _problem(file: Path, error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename or file}:{error.lineno or 1}:{error.offset or 1}: {error.msg}"
    return f"{file}: {error}"


# -- notebooks -------------------------------------------------------------------------------------


def notebook_cells(path: str, notebook: Any) -> list[tuple[str, str]]:
    """Return the code cells in Python, each with its path and number.

    Parameters
    ----------
    path
        The notebook's path.
    notebook
        The notebook's JSON.

    Raises
    ------
    ValueError
        If the JSON is no notebook of version 4.
    """
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise ValueError("this is no notebook of version 4.")
    texts = []
    for number, cell in enumerate(cells, start=1):
        source = cell.get("source", "")
        text = source if isinstance(source, str) else "".join(source)
        if cell.get("cell_type") == "code" and _is_python(text):
            texts.append((f"{path}:cell {number}", without_magics(text)))
    return texts


def _is_python(text: str) -> bool:
    first = text.lstrip()
    return not first.startswith("%%") or first.startswith(_PYTHON_CELLS)


def without_magics(text: str) -> str:
    """Return a cell's text with ``pass`` instead of magics, shell commands and help requests."""
    return "\n".join(_IPYTHON_LINE.sub(_pass_statement, line) for line in text.split("\n"))


def _pass_statement(match: re.Match[str]) -> str:

    return next(group for group in (*match.groups(), "") if group is not None) + "pass"
