"""Files, notebooks and folders of them, checked without running anything of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from durablenb.checks.checking import findings_in
from durablenb.checks.findings import Finding
from durablenb.checks.names import Names
from durablenb.checks.notebooks import cells_of
from durablenb.checks.orchestrators import Orchestrators

_LEFT_OUT = {"__pycache__", "node_modules", "site-packages", "build", "dist", "venv"}


@dataclass
class Report:
    """What was found in files.

    Parameters
    ----------
    findings
        In the order of the files and lines.
    problems
        What could not be read, a line for each.
    files, orchestrators
        How many there were.
    """

    findings: list[Finding] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    files: int = 0
    orchestrators: int = 0

    def __str__(self) -> str:
        found = _plural(len(self.findings), "finding") if self.findings else "Nothing found"
        return f"{found} in {_plural(self.orchestrators, 'orchestrator')} of {_plural(self.files, 'file')}."


def check_files(paths: Iterable[Path]) -> Report:
    """Checks the orchestrators in files, in notebooks, and in folders of both.

    Names are compared with all that the files register; one counts as unknown only where it is much like
    one of those, since there may be other files.
    """
    report, names, read = Report(), Names(), []
    for path in paths:
        if not path.exists():
            report.problems.append(f"{path}: there is no such file or folder.")
            continue
        for file in _files_in(path):
            report.files += 1
            try:
                read.append(Orchestrators(texts_of(file), names))
            except (SyntaxError, ValueError, OSError) as error:
                report.problems.append(_problem(file, error))
    for one in read:
        for path_of_text, body in one.found:
            report.orchestrators += 1
            report.findings += findings_in(body, path_of_text, names)
    report.findings = sorted(set(report.findings), key=_place)
    return report


def texts_of(file: Path) -> list[tuple[str, str]]:
    """The Python texts of a file, each with the name of its place: one, or a notebook's cells."""
    text = file.read_text(encoding="utf-8")
    return cells_of(str(file), json.loads(text)) if file.suffix == ".ipynb" else [(str(file), text)]


def _files_in(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for one in sorted(path.iterdir()):
        is_hidden = one.name.startswith(".") or one.name in _LEFT_OUT
        if one.is_dir() and not is_hidden and not one.is_symlink():
            yield from _files_in(one)
        elif one.suffix in (".py", ".ipynb") and not is_hidden:
            yield one


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _place(finding: Finding) -> tuple[str, int, int, int, str]:
    path, _, cell = finding.path.partition(":cell ")
    return path, int(cell or 0), finding.line, finding.column, finding.code


def _problem(file: Path, error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename or file}:{error.lineno or 1}:{error.offset or 1}: {error.msg}"
    return f"{file}: {error}"
