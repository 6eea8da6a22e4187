"""The report of an error in a notebook: what happened, at which line of the user's, and what to do."""

from __future__ import annotations

import linecache
import os
import sys
import textwrap
import traceback
from typing import Any

from durablenb.analysis.text import shortened, table_text
from durablenb.analysis.value_text import short_type
from durablenb.model.errors import NonDeterminismError, TaskFailedError
from durablenb.model.failures import FailureDetails
from durablenb.notebook.tracebacks import (
    Location,
    failed_operation,
    failure_chain,
    failure_location,
    is_wrapper,
    source_excerpt,
)
from durablenb.notebook.words import short_message

_RED, _BLUE, _DIM, _BOLD, _END = "\x1b[1;31m", "\x1b[34m", "\x1b[2m", "\x1b[1m", "\x1b[0m"
_WIDTH = 100
_FAILURES = 8


def error_report(error: Exception) -> list[str]:
    """Return a short report of an error as lines; the whole traceback for ``%tb``."""
    if _is_tb_magic():
        return _full_traceback(error)
    paint = _Paint(is_plain=_is_plain())
    message = _message(error)
    title = _first_sentence(message)
    lines = [paint.title(_name(error), title), ""]
    if isinstance(error, NonDeterminismError):
        lines += _mismatch_lines(error, paint)
    elif message != title:
        lines += [*_wrapped(message), ""]
    if isinstance(error, TaskFailedError) and hasattr(error, "details"):
        lines += _failure_lines(error.details, paint)
    caller = _caller(error)
    if caller is not None:
        lines += [*_location_lines(paint, "you asked for it at", caller), ""]
    lines.append(paint.dim(_hint(error)))
    return lines


class _Paint:
    """Colours text for a terminal, unless plain text is wanted."""

    def __init__(self, *, is_plain: bool) -> None:
        self._is_plain = is_plain

    def _painted(self, text: str, colour: str) -> str:
        return text if self._is_plain or not text else f"{colour}{text}{_END}"

    def title(self, name: str, text: str) -> str:
        """Return the first line."""
        return f"{self._painted(name, _RED)}{': ' if text else ''}{text}"

    def where(self, text: str) -> str:
        """Return a location."""
        return self._painted(text, _BLUE)

    def dim(self, text: str) -> str:
        """Return secondary text."""
        return self._painted(text, _DIM)

    def strong(self, text: str) -> str:
        """Return the line of the error."""
        return self._painted(text, _BOLD)


def _name(error: Exception) -> str:
    is_mixed = isinstance(error, TaskFailedError) and type(error) is not TaskFailedError
    return type(error).__name__ + (" (also a TaskFailedError)" if is_mixed else "")


def _message(error: Exception) -> str:
    """Return the message of an error; for a failed task, that of the original error."""
    if isinstance(error, NonDeterminismError):
        return "The code no longer fits its history."
    if not (isinstance(error, TaskFailedError) and hasattr(error, "details")):
        return _printable(str(error)).strip()
    cause = next((link for link in failure_chain(error.details) if not is_wrapper(link)), error.details)
    return _printable(short_message(cause.message)).strip()


def _first_sentence(message: str) -> str:
    first = message.partition("\n")[0]
    if len(first) > _WIDTH:
        first = first.partition(". ")[0] + ("." if ". " in first else "")
    if len(first) > _WIDTH:
        clause, colon, _ = first.partition(": ")
        first = f"{clause}." if colon and len(clause) < _WIDTH else shortened(first, _WIDTH)
    return first


# -- failures ------------------------------------------------------------------------------------


def _failure_lines(failure: FailureDetails, paint: _Paint) -> list[str]:
    """Return where a failure was raised, and the user's lines through which it propagated."""
    lines: list[str] = []
    chain = list(failure_chain(failure))[::-1]
    for number, link in enumerate(chain[:_FAILURES]):
        location = failure_location(link.stack_trace)
        kind = short_type(link)
        if number == 0:
            words = f"{kind} was raised at"
        elif is_wrapper(link):
            words = f"{shortened(failed_operation(link) or 'it', 80)} was awaited at"
        else:
            words = f"then {kind} ({shortened(short_message(link.message), 80)}) was raised at"
        if location is not None:
            lines += [*_location_lines(paint, words, location), ""]
    return lines


def _location_lines(paint: _Paint, words: str, location: Location) -> list[str]:
    lines = [f"  {words} {paint.where(shortened(location.where, 200))}"]
    for number, text in source_excerpt(location):
        text = _printable(text)
        text = text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
        if number == location.line:
            lines.append(f"  \N{RIGHTWARDS ARROW} {number:>4}  {paint.strong(text)}")
        else:
            lines.append(f"    {paint.dim(f'{number:>4}  {text}')}")
    return lines


# -- replay --------------------------------------------------------------------------------------


def _mismatch_lines(error: NonDeterminismError, paint: _Paint) -> list[str]:
    """Return the recorded and the requested action side by side, and what to do."""
    lines: list[str] = []
    if error.line is not None and error.file is not None:
        source = linecache.getline(error.file, error.line).strip()
        location = Location(error.file, error.line, error.function or "the orchestrator", source)
        lines += [*_location_lines(paint, "they diverge at", location), ""]
    rows = [(name, recorded, requested) for name, recorded, requested in error.differences]
    if rows:
        text = table_text(("", "recorded", "requested"), rows, 60)
        lines += [f"  {row}" for row in text.splitlines()] + [""]
    _, _, story = str(error).partition(": ")
    what, _, advice = story.partition("\n")
    return [*_wrapped(what), "", *lines, *_wrapped(advice.rpartition("\n")[2]), ""]


# -- the rest ------------------------------------------------------------------------------------


def _wrapped(text: str) -> list[str]:
    lines = _printable(text).splitlines() or [""]
    return [
        part
        for line in lines[:40]
        for part in textwrap.wrap(line[:4_000], _WIDTH, initial_indent="  ", subsequent_indent="  ") or [""]
    ]


def _printable(text: str) -> str:
    """Return text without control characters."""
    return "".join(
        character if character.isprintable() or character == "\n" else " " if character == "\t" else "�"
        for character in text
    )


def _hint(error: Exception) -> str:
    kept = "err.details.stack_trace has the traceback; " if isinstance(error, TaskFailedError) else ""
    return f"  {kept}%tb shows all of this one."


def _caller(error: Exception) -> Location | None:
    """Return the user's line at which the error was raised."""
    own: Location | None = None
    for frame in traceback.extract_tb(error.__traceback__):
        location = Location(frame.filename, frame.lineno or 0, frame.name, (frame.line or "").strip())
        if location.is_own and "ipykernel/" not in location.file and "IPython/" not in location.file:
            own = location
    return own


def _is_plain() -> bool:
    shell = _shell()
    colours = str(getattr(shell, "colors", "")).lower()
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb" or colours == "nocolor"


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _is_tb_magic() -> bool:
    """Return whether the magic ``%tb`` is running."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == "tb" and "magics" in str(frame.f_globals.get("__name__")):
            return True
    return False


def _full_traceback(error: Exception) -> list[str]:
    shell = _shell()
    shown = getattr(shell, "InteractiveTB", None)
    if shown is None:
        return traceback.format_exception(error)
    lines: list[str] = shown.structured_traceback(type(error), error, error.__traceback__)
    return lines
