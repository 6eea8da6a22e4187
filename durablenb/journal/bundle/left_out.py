"""Histories without their values: names, times, code and the order of events stay."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from durablenb.core.ports.store import HistoryBundle
from durablenb.model.events import VALUES, Event
from durablenb.model.failures import FailureDetails
from durablenb.model.payloads import LEFT_OUT

_WORDS = "(left out)"


def without_values(bundle: HistoryBundle) -> HistoryBundle:
    """Return a bundle without inputs, results, messages of errors, log lines and outputs.

    Reading a value that was left out raises a `DurableError` that says so. The code with which the instances
    began stays.
    """
    records = [record._replace(event=event_without_values(record.event)) for record in bundle.records]
    return bundle._replace(records=records, blobs=(), lines=(), outputs=())


def event_without_values(event: Event) -> Event:
    """Return an event without its value; of a failure, the type of the error stays."""
    changes: dict[str, Any] = {}
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name in VALUES and isinstance(value, str):
            changes[field.name] = LEFT_OUT
        elif field.name == "reason" and value:
            changes[field.name] = _WORDS
        elif isinstance(value, FailureDetails):
            changes[field.name] = failure_without_values(value)
    return replace(event, **changes) if changes else event


def failure_without_values(failure: FailureDetails) -> FailureDetails:
    """Return a failure, and those that caused it, without their messages and tracebacks."""
    inner = None if failure.inner is None else failure_without_values(failure.inner)
    return replace(failure, message=_WORDS, stack_trace="", inner=inner)
