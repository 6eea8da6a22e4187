"""Recorded failures: their chains of causes, and the user's lines in their tracebacks."""

from __future__ import annotations

import linecache
import re
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from durablenb.model.errors import TaskFailedError
from durablenb.model.failures import FailureDetails

_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+), in (?P<name>.*)$')
_CELL = re.compile(r"ipykernel_\d+[/\\](?P<hash>\d+)\.py$|<ipython-input-(?P<number>\d+)-")
_OPERATION = re.compile(
    r"^Operation '(?P<name>.*?)' on entity '(?P<entity>@.*?)' failed(?:\.$|: )", re.DOTALL | re.MULTILINE
)
"""The name of a failed operation: a note below the traceback, in old executions the message."""

_MARKS = re.compile(r"^\s*[~^]+[\s~^]*$")


_WRAPPER = f"{TaskFailedError.__module__}.{TaskFailedError.__qualname__}"


def failure_chain(failure: FailureDetails) -> Iterator[FailureDetails]:
    """Yield a failure and its causes, the outermost first."""
    seen: FailureDetails | None = failure
    while seen is not None:
        yield seen
        seen = seen.inner


def is_wrapper(failure: FailureDetails) -> bool:
    """Return whether a failure only wraps the failure of a task."""
    return failure.error_type == _WRAPPER and failure.inner is not None


def failed_operation(failure: FailureDetails) -> str | None:
    """Return the failed operation with its entity; None if the failure isn't an operation's."""
    if not is_wrapper(failure):
        return None
    match = _OPERATION.search(failure.stack_trace) or _OPERATION.match(failure.message)
    return None if match is None else f"{match['entity']}.{match['name']}"


@dataclass(frozen=True, slots=True)
class Location:
    """A frame of a traceback."""

    file: str
    line: int
    name: str
    source: str = ""

    @property
    def where(self) -> str:
        """The location in words: the function, the line, and the cell or the file."""
        function = "" if self.name.startswith("<") else f"{self.name}, "
        return f"{function}line {self.line} of {cell_or_file(self.file)}"

    @property
    def is_own(self) -> bool:
        """True if the code is the user's, neither this package's nor a library's."""
        return not (_is_engine(self.file) or self.file.startswith(_library()) or "site-packages" in self.file)


def traceback_locations(stack_trace: str) -> list[Location]:
    """Return the frames of a recorded traceback, outermost first, without durablenb's own."""
    locations: list[Location] = []
    lines = stack_trace.splitlines()
    for number, text in enumerate(lines):
        match = _FRAME.match(text)
        if match is None or _is_engine(match["file"]):
            continue
        following = lines[number + 1] if number + 1 < len(lines) else ""
        source = "" if _FRAME.match(following) or _MARKS.match(following) else following.strip()
        locations.append(Location(match["file"], int(match["line"]), match["name"], source))
    return locations


def failure_location(stack_trace: str) -> Location | None:
    """Return the innermost frame of the user's code, or else the innermost one outside of durablenb."""
    locations = traceback_locations(stack_trace)
    own = [location for location in locations if location.is_own]
    candidates = own or locations
    return candidates[-1] if candidates else None


def source_excerpt(location: Location) -> list[tuple[int, str]]:
    """Return numbered lines around a location; only the recorded line if the file has changed."""
    if linecache.getline(location.file, location.line).strip() != location.source or not location.source:
        return [(location.line, location.source)] if location.source else []
    before, own, after = (
        linecache.getline(location.file, number).rstrip().expandtabs()
        for number in (location.line - 1, location.line, location.line + 1)
    )
    lines = [(location.line, own)]
    if before.strip() and _indent(before) <= _indent(own) and _indent(own) > 0:
        lines.insert(0, (location.line - 1, before))
    if after.strip() and _indent(after) >= _indent(own) > 0:
        lines.append((location.line + 1, after))
    indent = min(_indent(text) for _, text in lines)
    return [(number, text[indent:]) for number, text in lines]


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def cell_or_file(file: str) -> str:
    """Return the readable name of a file: the number of a notebook cell, or the name of the file."""
    match = _CELL.search(file)
    if match is None:
        return Path(file).name if not file.startswith("<") else file
    number = match["number"] or _cells().get(file)
    return f"cell In[{number}]" if number else "a notebook's cell"


def _cells() -> dict[str, int]:
    """Return the numbers of this kernel's cells by IPython's file names."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    names = getattr(getattr(shell, "compile", None), "_filename_map", {})
    return dict(names) if isinstance(names, dict) else {}


def _is_engine(file: str) -> bool:
    return file.startswith(_package()) or file.startswith("<frozen ")


@cache
def _package() -> str:
    return str(Path(__file__).parent.parent)


@cache
def _library() -> str:
    return sysconfig.get_path("stdlib")
