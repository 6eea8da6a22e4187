"""The commands of `%durable` that change something; each says what it did."""

from __future__ import annotations

import os
import signal
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from IPython.core.error import StdinNotImplementedError, UsageError

from durablenb.hub.instance import Handle
from durablenb.hub.recorded.hub import HubFile
from durablenb.hub.task_hub import TaskHub
from durablenb.model.errors import InstanceStateError, NonDeterminismError
from durablenb.notebook.magics.parsing import value_of, words_of

_CONFIRMATION = "yes"


def steer(hub: TaskHub | HubFile, options: Namespace, variables: dict[str, Any]) -> Handle | None:
    """Do what a line asks for; a restart gives the new instance.

    Raises
    ------
    UsageError
        If it can't be done; the message says what to do.
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
        return _DOING[options.command](handle, options)
    except InstanceStateError as error:
        raise UsageError(str(error)) from None


def _raise(handle: Handle, options: Namespace, variables: dict[str, Any]) -> None:
    value = value_of(options.rest, variables)
    handle.raise_event(options.event, value)
    print(f"{handle.id} was sent {options.event}{'' if value is None else f' with {value!r}'}.")


def _fork(handle: Handle, options: Namespace, variables: dict[str, Any]) -> Handle:
    place = _place_in(options.event)
    more: dict[str, Any] = {}
    if options.rest.startswith("--"):
        raise UsageError(f"{options.rest.split()[0]} has to stand before the event: a result is behind it.")
    if options.rest:
        more["results"] = {place: value_of(options.rest, variables)}
    elif isinstance(place, str):
        raise UsageError(f"What is to come of task {place}? Write it behind: a result in JSON, or $name.")
    if options.input is not None:
        more["input"] = value_of(options.input, variables)
    try:
        made = handle.fork(None if isinstance(place, str) else place, instance_id=options.id, **more)
    except (ValueError, NonDeterminismError) as error:
        raise UsageError(str(error)) from None
    print(f"{handle.id} was forked at event {made.status().forked_at:,}, as {made.id}.")
    return made


def _place_in(event: str | None) -> int | str | None:
    """The id of an event; or a task, as it is."""
    if event is None or event.startswith("#"):
        return event
    if not event.isdecimal():
        raise UsageError(f"{event!r} is no event. Expected its number in the history, or a task's, as #3.")
    return int(event)


def _terminate(handle: Handle, options: Namespace) -> None:
    before = handle.status().runtime_status
    reason = words_of(options.rest)
    handle.terminate(reason)
    if before is not None and before.is_terminal:
        print(f"{handle.id} had ended already, it is {before}; what was open below it was terminated.")
    else:
        print(f"{handle.id} was terminated, with its sub-orchestrations{_because(reason)}.")


def _suspend(handle: Handle, options: Namespace) -> None:
    _check_open(handle, "suspended")
    reason = words_of(options.rest)
    handle.suspend(reason)
    print(f"{handle.id} rests{_because(reason)}. It goes on with: %durable resume {handle.id}")


def _resume(handle: Handle, options: Namespace) -> None:
    _check_open(handle, "resumed")
    handle.resume(words_of(options.rest))
    print(f"{handle.id} goes on.")


def _rewind(handle: Handle, options: Namespace) -> None:
    handle.rewind(words_of(options.rest))
    print(f"{handle.id} does again what failed; what succeeded stays.")


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
    more = f", and {below:,} sub-orchestration{'' if below == 1 else 's'}" if below > 0 else ""
    print(f"{handle.id} was deleted with its history{more}.")


_DOING: dict[str, Callable[[Handle, Namespace], Handle | None]] = {
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
    """Kill this process as a power cut does, if that is confirmed."""
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
            print("The kernel goes on.")
            return
    os.kill(os.getpid(), signal.SIGKILL)
