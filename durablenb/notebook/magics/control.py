"""The commands of `%durable` that change something. Each prints what it did."""

from __future__ import annotations

import os
import signal
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from IPython.core.error import StdinNotImplementedError, UsageError

from durablenb.analysis.text import plural
from durablenb.hub.hub_file import HubFile
from durablenb.hub.instance import Handle
from durablenb.hub.task_hub import TaskHub
from durablenb.model.errors import InstanceStateError, NonDeterminismError
from durablenb.notebook.magics.parsing import parse_value, unquoted

_CONFIRMATION = "yes"


def run_command(hub: TaskHub | HubFile, options: Namespace, variables: dict[str, Any]) -> Handle | None:
    """Carry out a command; return the new instance of a restart or a fork.

    Raises
    ------
    UsageError
        If the command can't be carried out; the message says what to do.
    """
    if isinstance(hub, HubFile):
        raise UsageError(
            f"{hub.path} is only read, so {options.instance} can't be changed. Open it as a hub: "
            "durablenb.TaskHub(path)."
        )
    handle = hub.handle(options.instance)
    try:
        if options.command == "raise":
            _raise(handle, options, variables)
            return None
        if options.command == "fork":
            return _fork(handle, options, variables)
        return _COMMANDS[options.command](handle, options)
    except InstanceStateError as error:
        raise UsageError(str(error)) from None


def _raise(handle: Handle, options: Namespace, variables: dict[str, Any]) -> None:
    value = parse_value(options.rest, variables)
    handle.raise_event(options.event, value)
    print(f"{handle.id} was sent {options.event}{'' if value is None else f' with {value!r}'}.")


def _fork(handle: Handle, options: Namespace, variables: dict[str, Any]) -> Handle:
    event = _event_id(options.event)
    more: dict[str, Any] = {}
    if options.rest.startswith("--"):
        raise UsageError(f"{options.rest.split()[0]} must come before the event; a result follows it.")
    if options.rest:
        more["results"] = {event: parse_value(options.rest, variables)}
    elif isinstance(event, str):
        raise UsageError(f"Task {event} needs a result. Add it: JSON, or $name for a variable.")
    if options.input is not None:
        more["input"] = parse_value(options.input, variables)
    try:
        made = handle.fork(None if isinstance(event, str) else event, instance_id=options.id, **more)
    except (ValueError, NonDeterminismError) as error:
        raise UsageError(str(error)) from None
    print(f"{handle.id} was forked at event {made.status().forked_at:,}, as {made.id}.")
    return made


def _event_id(event: str | None) -> int | str | None:
    """Return the id of an event as a number, or a task such as ``#3`` as it is."""
    if event is None or event.startswith("#"):
        return event
    if not event.isdecimal():
        raise UsageError(
            f"{event!r} isn't an event. Expected its number in the history, or a task, such as #3."
        )
    return int(event)


def _cancel(handle: Handle, options: Namespace) -> None:
    _check_open(handle, "canceled")
    reason = unquoted(options.rest)
    handle.cancel(reason)
    print(f"{handle.id} is to cancel itself where it waits{_because(reason)}.")


def _terminate(handle: Handle, options: Namespace) -> None:
    before = handle.status().runtime_status
    reason = unquoted(options.rest)
    handle.terminate(reason)
    if before is not None and before.is_terminal:
        print(f"{handle.id} had ended already, it is {before}; what was open below it was terminated.")
    else:
        print(f"{handle.id} was terminated, with its sub-orchestrations{_because(reason)}.")


def _suspend(handle: Handle, options: Namespace) -> None:
    _check_open(handle, "suspended")
    reason = unquoted(options.rest)
    handle.suspend(reason)
    print(f"{handle.id} is suspended{_because(reason)}. Resume it with: %durable resume {handle.id}")


def _resume(handle: Handle, options: Namespace) -> None:
    _check_open(handle, "resumed")
    handle.resume(unquoted(options.rest))
    print(f"{handle.id} was resumed.")


def _rewind(handle: Handle, options: Namespace) -> None:
    handle.rewind(unquoted(options.rest))
    print(f"{handle.id} was rewound: what failed is retried, what succeeded is kept.")


def _restart(handle: Handle, options: Namespace) -> Handle:
    if options.same_id and not _is_over(handle):
        raise UsageError(
            f"{handle.id} is {handle.status().runtime_status}: it has to end first, see %durable terminate; "
            "or leave --same-id out."
        )
    made = handle.restart(restart_with_new_instance_id=not options.same_id)
    print(f"{handle.id} was started again, with its input, as {made.id}.")
    return made


def _purge(handle: Handle, _: Namespace) -> None:
    below = handle.purge() - 1
    more = f", and {plural(below, 'sub-orchestration')}" if below > 0 else ""
    print(f"{handle.id} was deleted with its history{more}.")


_COMMANDS: dict[str, Callable[[Handle, Namespace], Handle | None]] = {
    "cancel": _cancel,
    "terminate": _terminate,
    "suspend": _suspend,
    "resume": _resume,
    "rewind": _rewind,
    "restart": _restart,
    "purge": _purge,
}


def _is_over(handle: Handle) -> bool:
    status = handle.status().runtime_status
    return status is not None and status.is_terminal


def _check_open(handle: Handle, done: str) -> None:
    if _is_over(handle):
        raise UsageError(f"{handle.id} is {handle.status().runtime_status} and can't be {done} any more.")


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def crash(options: Namespace) -> None:
    """Kill this process as a power cut would, after a confirmation."""
    if not options.yes:
        question = (
            "This kills the kernel at once, with all variables, as a power cut would. Type yes to do it: "
        )
        try:
            answer = input(question)
        except (StdinNotImplementedError, EOFError):
            raise UsageError(
                "This kills the kernel at once, with all variables. Nobody can be asked here: confirm it "
                "with %durable crash --yes."
            ) from None
        if answer.strip().casefold() != _CONFIRMATION:
            print("The kernel keeps running.")
            return
    os.kill(os.getpid(), signal.SIGKILL)
