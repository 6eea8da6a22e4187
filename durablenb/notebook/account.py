"""What a notebook tells of an error: what happened, at which line of yours, and what to do."""

from __future__ import annotations

import linecache
import os
import sys
import textwrap
import traceback
from typing import Any

from durablenb.analysis.text import shortened, table_text
from durablenb.model.errors import NonDeterminismError, TaskFailedError
from durablenb.model.failures import FailureDetails
from durablenb.notebook.traces import (
    Place,
    chain_of,
    excerpt_of,
    is_wrapper,
    operation_of,
    place_of,
    short_type,
)
from durablenb.notebook.words import bare

_RED, _BLUE, _DIM, _BOLD, _END = "\x1b[1;31m", "\x1b[34m", "\x1b[2m", "\x1b[1m", "\x1b[0m"
_WIDTH = 100
_FAILURES = 8


def account_of(error: Exception) -> list[str]:
    """Return a short account of an error, line by line; the whole traceback when ``%tb`` asks for it."""
    if _is_asked_for_all():
        return _whole(error)
    paint = _Paint(is_plain=_is_plain())
    message = _message(error)
    title = _first_sentence(message)
    lines = [paint.title(_name(error), title), ""]
    if isinstance(error, NonDeterminismError):
        lines += _mismatch(error, paint)
    elif message != title:
        lines += [*_wrapped(message), ""]
    if isinstance(error, TaskFailedError) and hasattr(error, "details"):
        lines += _failures(error.details, paint)
    caller = _caller(error)
    if caller is not None:
        lines += [*_place(paint, "you asked for it at", caller), ""]
    lines.append(paint.dim(_hint(error)))
    return lines


class _Paint:
    """Colours text, if colours are wanted."""

    def __init__(self, *, is_plain: bool) -> None:
        self._is_plain = is_plain

    def _painted(self, text: str, colour: str) -> str:
        return text if self._is_plain or not text else f"{colour}{text}{_END}"

    def title(self, name: str, text: str) -> str:
        """The first line."""
        return f"{self._painted(name, _RED)}{': ' if text else ''}{text}"

    def where(self, text: str) -> str:
        """A place."""
        return self._painted(text, _BLUE)

    def dim(self, text: str) -> str:
        """What matters less."""
        return self._painted(text, _DIM)

    def strong(self, text: str) -> str:
        """The line itself."""
        return self._painted(text, _BOLD)


def _name(error: Exception) -> str:
    is_mixed = isinstance(error, TaskFailedError) and type(error) is not TaskFailedError
    return type(error).__name__ + (" (also a TaskFailedError)" if is_mixed else "")


def _message(error: Exception) -> str:
    """Return what an error says for itself; of a failed task, what the original error said."""
    if isinstance(error, NonDeterminismError):
        return "The code no longer fits its history."
    if not (isinstance(error, TaskFailedError) and hasattr(error, "details")):
        return _printable(str(error)).strip()
    found = next((one for one in chain_of(error.details) if not is_wrapper(one)), error.details)
    return _printable(bare(found.message)).strip()


def _first_sentence(message: str) -> str:
    first = message.partition("\n")[0]
    if len(first) > _WIDTH:
        first = first.partition(". ")[0] + ("." if ". " in first else "")
    if len(first) > _WIDTH:
        clause, found, _ = first.partition(": ")
        first = f"{clause}." if found and len(clause) < _WIDTH else shortened(first, _WIDTH)
    return first


# -- failures ------------------------------------------------------------------------------------


def _failures(failure: FailureDetails, paint: _Paint) -> list[str]:
    """Return where it began, and through which of the user's lines it came here."""
    lines: list[str] = []
    chain = list(chain_of(failure))[::-1]
    for number, one in enumerate(chain[:_FAILURES]):
        place = place_of(one.stack_trace)
        kind = short_type(one)
        if number == 0:
            words = f"{kind} was raised at"
        elif is_wrapper(one):
            words = f"{shortened(operation_of(one) or 'it', 80)} was waited for at"
        else:
            words = f"then {kind} ({shortened(bare(one.message), 80)}) was raised at"
        if place is not None:
            lines += [*_place(paint, words, place), ""]
    return lines


def _place(paint: _Paint, words: str, place: Place) -> list[str]:
    lines = [f"  {words} {paint.where(shortened(place.where, 200))}"]
    for number, text in excerpt_of(place):
        text = _printable(text)
        text = text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
        if number == place.line:
            lines.append(f"  \N{RIGHTWARDS ARROW} {number:>4}  {paint.strong(text)}")
        else:
            lines.append(f"    {paint.dim(f'{number:>4}  {text}')}")
    return lines


# -- replay --------------------------------------------------------------------------------------


def _mismatch(error: NonDeterminismError, paint: _Paint) -> list[str]:
    """Return what was recorded against what was requested, and what to do."""
    lines: list[str] = []
    if error.line is not None and error.file is not None:
        source = linecache.getline(error.file, error.line).strip()
        place = Place(error.file, error.line, error.function or "the orchestrator", source)
        lines += [*_place(paint, "they part at", place), ""]
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
    """Return the text with nothing in it that a terminal would obey."""
    return "".join(
        character if character.isprintable() or character == "\n" else " " if character == "\t" else "�"
        for character in text
    )


def _hint(error: Exception) -> str:
    kept = "err.details.stack_trace has the traceback; " if isinstance(error, TaskFailedError) else ""
    return f"  {kept}%tb shows all of this one."


def _caller(error: Exception) -> Place | None:
    """Return the user's own line that met the error."""
    own: Place | None = None
    for frame in traceback.extract_tb(error.__traceback__):
        place = Place(frame.filename, frame.lineno or 0, frame.name, (frame.line or "").strip())
        if place.is_own and "ipykernel/" not in place.file and "IPython/" not in place.file:
            own = place
    return own


def _is_plain() -> bool:
    shell = _shell()
    colours = str(getattr(shell, "colors", "")).lower()
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb" or colours == "nocolor"


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _is_asked_for_all() -> bool:
    """Whether the magic ``%tb`` is at work."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == "tb" and "magics" in str(frame.f_globals.get("__name__")):
            return True
    return False


def _whole(error: Exception) -> list[str]:
    shell = _shell()
    shown = getattr(shell, "InteractiveTB", None)
    if shown is None:
        return traceback.format_exception(error)
    lines: list[str] = shown.structured_traceback(type(error), error, error.__traceback__)
    return lines
