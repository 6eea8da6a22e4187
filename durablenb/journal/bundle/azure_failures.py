"""Failures as Azure tells them: texts that several layers have put something in front of."""

from __future__ import annotations

import builtins
import re
from typing import Any

from durablenb.journal.bundle.reading import Fields
from durablenb.model.failures import CHAIN_LIMIT, FailureDetails

_IN_FRONT = re.compile(r"^(?:Activity|Orchestrator|Entity) function '[^']*' failed: ")
_OF_WORKER = re.compile(r"(?:^|\n)Exception: (.*?)(?:\n\s*Stack:(.*))?$", re.DOTALL)
_TYPE = re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt)): ?(.*)$", re.DOTALL)
_OUT_OF_PROCESS = "$OutOfProcData$"


def failure_in(entry: Fields, otherwise: object = None) -> FailureDetails:
    """The failure that an event of Azure's tells of.

    Parameters
    ----------
    entry
        The event.
    otherwise
        Its text, if the event has none.
    """
    details = entry.get("FailureDetails")
    if isinstance(details, dict):
        return _details(details, CHAIN_LIMIT)
    reason = next((text for text in (entry.get("Reason"), otherwise) if isinstance(text, str)), "")
    trace = entry.get("Details")
    return _from_text(reason, trace if isinstance(trace, str) else "")


def _details(fields: dict[str, Any], depth: int) -> FailureDetails:
    inner = fields.get("InnerFailure")
    return FailureDetails(
        _qualified(_text(fields.get("ErrorType")) or "Exception"),
        _text(fields.get("ErrorMessage")),
        _text(fields.get("StackTrace")),
        _details(inner, depth - 1) if isinstance(inner, dict) and depth > 1 else None,
        fields.get("IsNonRetriable") is True,
    )


def _from_text(reason: str, trace: str) -> FailureDetails:
    text = _IN_FRONT.sub("", reason.partition(_OUT_OF_PROCESS)[0].rstrip())
    of_worker = _OF_WORKER.search(text)
    if of_worker is not None:
        text, trace = of_worker[1], of_worker[2] or trace
    found = _TYPE.match(text)
    if found is None:
        return FailureDetails("builtins.Exception", text, trace)
    return FailureDetails(_qualified(found[1]), found[2], trace)


def _qualified(name: str) -> str:
    """The type's name, with its module where it is one of Python's own."""
    kind = getattr(builtins, name, None)
    return f"builtins.{name}" if isinstance(kind, type) and issubclass(kind, BaseException) else name


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
