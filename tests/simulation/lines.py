"""The events of a simulation, as lines of text."""

from dataclasses import fields

from durablenb.core.ports.store import Record
from durablenb.engine import messages


def record_line(record: Record) -> str:
    """A record on one line."""
    event = record.event
    values = [f"{field.name}={getattr(event, field.name)!r}" for field in fields(event)[2:]]
    kind = type(event).__name__
    return f"{record.seq} {record.instance_id} {event.event_id} {kind} {event.timestamp} {' '.join(values)}"


def described(message: messages.ClientMessage) -> str:
    """A request on one line."""
    values = [getattr(message, field.name) for field in fields(message)[:-1]]
    return f"{type(message).__name__} {' '.join(map(repr, values))}"
