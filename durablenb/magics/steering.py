"""The commands of `%durable` that change something; each says what it did."""

from __future__ import annotations

import os
import signal
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from IPython.core.error import StdinNotImplementedError, UsageError

from durablenb.handle import Handle
from durablenb.hub import TaskHub
from durablenb.magics.parsing import value_of, words_of
from durablenb.model.errors import InstanceStateError
from durablenb.queries.file.file import HubFile

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
        return _DOING[options.command](handle, options)
    except InstanceStateError as error:
        raise UsageError(str(error)) from None


def _raise(handle: Handle, options: Namespace, variables: dict[str, Any]) -> None:
    value = value_of(options.rest, variables)
    handle.raise_event(options.event, value)
    print(f"{handle.id} was sent {options.event}{'' if value is None else f' with {value!r}'}.")


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
