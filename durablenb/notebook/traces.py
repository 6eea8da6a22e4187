"""Failures that were kept as text: what led to what, and which line is the user's own."""

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
"""A note below the traceback; the beginning of the message in executions from before that was so."""

_MARKS = re.compile(r"^\s*[~^]+[\s~^]*$")


_WRAPPER = f"{TaskFailedError.__module__}.{TaskFailedError.__qualname__}"


def chain_of(failure: FailureDetails) -> Iterator[FailureDetails]:
    """Yield a failure and what led to it, the outermost first."""
    seen: FailureDetails | None = failure
    while seen is not None:
        yield seen
        seen = seen.inner


def is_wrapper(failure: FailureDetails) -> bool:
    """Whether it only says that a task failed, and another one says with what."""
    return failure.error_type == _WRAPPER and failure.inner is not None


def operation_of(failure: FailureDetails) -> str | None:
    """Return which operation of which entity failed, if it says so."""
    if not is_wrapper(failure):
        return None
    found = _OPERATION.search(failure.stack_trace) or _OPERATION.match(failure.message)
    return None if found is None else f"{found['entity']}.{found['name']}"


def short_type(failure: FailureDetails) -> str:
    """Return the type's name without the module of what everybody knows."""
    return failure.error_type.removeprefix("builtins.").removeprefix("durablenb.model.errors.")


@dataclass(frozen=True, slots=True)
class Place:
    """One frame of a traceback."""

    file: str
    line: int
    name: str
    source: str = ""

    @property
    def where(self) -> str:
        """The place in words: the function, the line, and the cell or the file."""
        function = "" if self.name.startswith("<") else f"{self.name}, "
        return f"{function}line {self.line} of {cell_or_file(self.file)}"

    @property
    def is_own(self) -> bool:
        """Whether it is the user's: neither of this package nor of a library."""
        return not (_is_engine(self.file) or self.file.startswith(_library()) or "site-packages" in self.file)


def places_of(stack_trace: str) -> list[Place]:
    """Return the frames of a traceback's text, outermost first, those of the engine left out."""
    places: list[Place] = []
    lines = stack_trace.splitlines()
    for number, text in enumerate(lines):
        found = _FRAME.match(text)
        if found is None or _is_engine(found["file"]):
            continue
        following = lines[number + 1] if number + 1 < len(lines) else ""
        source = "" if _FRAME.match(following) or _MARKS.match(following) else following.strip()
        places.append(Place(found["file"], int(found["line"]), found["name"], source))
    return places


def place_of(stack_trace: str) -> Place | None:
    """Return the innermost frame that is the user's own, or the innermost one that isn't the engine's."""
    places = places_of(stack_trace)
    own = [place for place in places if place.is_own]
    found = own or places
    return found[-1] if found else None


def excerpt_of(place: Place) -> list[tuple[int, str]]:
    """Return numbered lines around a place, if its file still reads as it did; else its line alone."""
    if linecache.getline(place.file, place.line).strip() != place.source or not place.source:
        return [(place.line, place.source)] if place.source else []
    before, own, after = (
        linecache.getline(place.file, number).rstrip().expandtabs()
        for number in (place.line - 1, place.line, place.line + 1)
    )
    lines = [(place.line, own)]
    if before.strip() and _indent(before) <= _indent(own) and _indent(own) > 0:
        lines.insert(0, (place.line - 1, before))
    if after.strip() and _indent(after) >= _indent(own) > 0:
        lines.append((place.line + 1, after))
    indent = min(_indent(text) for _, text in lines)
    return [(number, text[indent:]) for number, text in lines]


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def cell_or_file(file: str) -> str:
    """Return a file as a reader knows it: a notebook's cell by its number, a file by its name."""
    found = _CELL.search(file)
    if found is None:
        return Path(file).name if not file.startswith("<") else file
    number = found["number"] or _cells().get(file)
    return f"cell In[{number}]" if number else "a notebook's cell"


def _cells() -> dict[str, int]:
    """Return the numbers of the cells that this kernel has run, by the file names that IPython gave them."""
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
