"""Options of the activities of an agent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypedDict, cast

from durablenb.model.queues import Queue
from durablenb.model.retries import RetryOptions

METADATA_KEY = "durablenb"
"""The key of a tool's metadata that has its own options; False there runs the tool in the orchestrator."""


class ActivityOptions(TypedDict, total=False):
    """The options of model requests or tool calls of an agent.

    Parameters
    ----------
    retry_options
        The retry policy of a call; without one, a call that fails isn't repeated.
    timeout
        The longest time that a call may run, in seconds or as a `timedelta`.
    heartbeat_timeout
        The longest time that a running call may report nothing.
    priority
        The priority of a call among those that wait for a place in its queue.
    queue
        The `Queue` in which calls wait for a place, or its name.
    max_concurrency
        The number of calls that may run at a time.
    """

    retry_options: RetryOptions
    timeout: float | timedelta
    heartbeat_timeout: float | timedelta
    priority: int
    queue: Queue | str
    max_concurrency: int


_OF_REGISTRATION = ("queue", "max_concurrency")


def checked_options(given: Mapping[str, Any] | None, what: str) -> ActivityOptions:
    """Return options that were given.

    Raises
    ------
    TypeError
        If one of them has an unknown name.
    """
    known = ActivityOptions.__annotations__
    for name in given or {}:
        if name not in known:
            raise TypeError(f"{what} has the unknown option {name!r}; expected some of {', '.join(known)}.")
    return cast(ActivityOptions, dict(given or {}))


def merged(common: ActivityOptions, own: ActivityOptions) -> ActivityOptions:
    """Return the options of a tool: its own ones win, and its own queue or limit replaces the common one."""
    has_place = any(name in own for name in _OF_REGISTRATION)
    kept = {name: value for name, value in common.items() if not (has_place and name in _OF_REGISTRATION)}
    return cast(ActivityOptions, {**kept, **own})


def of_registration(options: ActivityOptions) -> dict[str, Any]:
    """Return the options with which an activity is registered."""
    return {name: value for name, value in options.items() if name in _OF_REGISTRATION}


def of_call(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a call, without its retry policy."""
    return {
        name: value
        for name, value in options.items()
        if name not in _OF_REGISTRATION and name != "retry_options"
    }
