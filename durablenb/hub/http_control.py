"""The control of a hub that another process serves: commands become requests of its management API."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import singledispatchmethod
from typing import Any, NoReturn
from uuid import uuid4

from durablenb.core.ports.store import InstanceQuery
from durablenb.engine import messages
from durablenb.hub.control import (
    Control,
    FixedClock,
    ForkInstance,
    PurgeInstance,
    PurgeInstances,
    PurgePastGenerations,
    RestartInstance,
)
from durablenb.journal.replica.history import WAIT
from durablenb.journal.replica.link import Reply, error_named
from durablenb.journal.replica.served import ServedJournal, checked_path_id
from durablenb.model.entities import CleanEntityStorageResult, EntityId
from durablenb.model.errors import (
    DurableError,
    FunctionNotFoundError,
    InstanceNotFoundError,
    InstanceStateError,
    NotSerializableError,
    WaitTimeoutError,
)
from durablenb.model.failures import FailureDetails
from durablenb.model.ids import checked_instance_id
from durablenb.model.payloads import Kind

AGAIN_SECONDS = 1.0
"""Seconds after which a blocked instance is checked again: the user may have fixed it meanwhile."""

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class HttpControl(Control):
    """Sends commands to a server. Values go as JSON; other values are refused.

    Parameters
    ----------
    journal
        The journal of the served hub, which knows the way to the server.
    """

    def __init__(self, journal: ServedJournal) -> None:
        self._journal = journal
        self._link = journal.link
        self.clock = FixedClock(journal.now, "The clock of a remote hub is moved where the hub is.")

    def request(self, command: Any) -> Any:
        """Send a command, and return the answer as soon as what it did is on the server's disk."""
        return self._send(command)

    @singledispatchmethod
    def _send(self, command: Any) -> Any:
        raise DurableError(f"A served hub doesn't support this: {type(command).__name__}.")

    @_send.register
    def _(self, command: messages.Start) -> str:
        query = _start_query(command) | {"dedupeStatuses": ",".join(command.dedupe) or None}
        path = ("orchestrators", command.name, checked_instance_id(command.instance_id))
        return _id_in(self._link.send("POST", *path, query=query, body=json.loads(command.input)))

    @_send.register
    def _(self, command: messages.StartMany) -> list[str]:
        if not command.starts:
            return []
        first = command.starts[0]
        body = {
            "instanceIds": [checked_instance_id(start.instance_id) for start in command.starts],
            "inputs": [json.loads(start.input) for start in command.starts],
        }
        reply = self._link.send("POST", "startMany", first.name, query=_start_query(first), body=body)
        return [str(instance_id) for instance_id in reply.json()["ids"]]

    @_send.register
    def _(self, command: messages.Raise) -> bool:
        self._post(command.instance_id, "raiseEvent", command.name, body=json.loads(command.input))
        return True

    @_send.register
    def _(self, command: messages.Cancel) -> bool:
        try:
            self._post(command.instance_id, "cancel", query={"reason": command.reason})
        except InstanceStateError:  # it has ended
            return False
        return True

    @_send.register
    def _(self, command: messages.Terminate) -> bool:
        query = {"reason": command.reason, "recursive": None if command.is_recursive else "false"}
        self._post(command.instance_id, "terminate", query=query)
        return True

    @_send.register
    def _(self, command: messages.Suspend) -> bool:
        self._post(command.instance_id, "suspend", query={"reason": command.reason})
        return True

    @_send.register
    def _(self, command: messages.Resume) -> bool:
        self._post(command.instance_id, "resume", query={"reason": command.reason})
        return True

    @_send.register
    def _(self, command: messages.Rewind) -> None:
        self._post(command.instance_id, "rewind", query={"reason": command.reason})

    @_send.register
    def _(self, command: RestartInstance) -> str:
        query = {"restartWithNewInstanceId": str(command.has_new_id).lower()}
        return _id_in(self._post(command.instance_id, "restart", query=query))

    @_send.register
    def _(self, command: ForkInstance) -> str:
        results = {
            str(key): {"failure": value.as_json()}
            if isinstance(value, FailureDetails)
            else {"value": json.loads(value)}
            for key, value in command.results.items()
        }
        body: dict[str, Any] = {"at": command.at, "results": results, "instanceId": command.fork_id}
        if command.input is not None:
            body["input"] = json.loads(command.input)
        return _id_in(self._post(command.instance_id, "fork", body=body))

    @_send.register
    def _(self, command: PurgeInstance) -> int:
        query = {"recursive": None if command.is_recursive else "false"}
        try:
            reply = self._link.send("DELETE", "instances", checked_path_id(command.instance_id), query=query)
        except InstanceNotFoundError:
            return 0
        return int(reply.json()["instancesDeleted"])

    @_send.register
    def _(self, command: PurgeInstances) -> int:
        wanted = command.query
        query = {
            "createdTimeFrom": (wanted.created_from or _EARLIEST).isoformat(),
            "createdTimeTo": None if wanted.created_to is None else wanted.created_to.isoformat(),
            "runtimeStatus": ",".join(wanted.statuses or ()),
            "recursive": None if command.is_recursive else "false",
        }
        try:
            reply = self._link.send("DELETE", "instances", query=query)
        except InstanceNotFoundError:
            return 0
        return int(reply.json()["instancesDeleted"])

    @_send.register
    def _(self, command: PurgePastGenerations) -> int:
        path = ("instances", checked_path_id(command.instance_id), "pastGenerations")
        reply = self._link.send("DELETE", *path, query={"keep": str(command.keep)})
        return int(reply.json()["generationsDeleted"])

    @_send.register
    def _(self, command: messages.Signal) -> None:
        entity_id = EntityId.get_entity_id(command.entity_id)
        query = {
            "op": command.name,
            "at": None if command.deliver_at is None else command.deliver_at.isoformat(),
        }
        path = ("entities", entity_id.name, entity_id.key)
        self._link.send("POST", *path, query=query, body=json.loads(command.input))

    @_send.register
    def _(self, command: messages.CleanEntities) -> CleanEntityStorageResult:
        query = {
            "removeEmptyEntities": str(command.removes_empty).lower(),
            "releaseOrphanedLocks": str(command.releases_locks).lower(),
        }
        answer = self._link.send("POST", "cleanEntityStorage", query=query).json()
        return CleanEntityStorageResult(answer["emptyEntitiesRemoved"], answer["orphanedLocksReleased"])

    def _post(
        self, instance_id: str, *words: str, query: Mapping[str, str | None] | None = None, body: Any = None
    ) -> Reply:
        path = ("instances", checked_path_id(instance_id), *words)
        return self._link.send("POST", *path, query=query or {}, body=body)

    # -- waiting ---------------------------------------------------------------------------------

    def wait(self, instance_id: str, timeout: float | None) -> None:
        """Wait until an instance has ended.

        Raises
        ------
        WaitTimeoutError
            If it doesn't end in time.
        HubUnreachableError
            If the server doesn't answer.
        DurableError
            If it is blocked at the server, of the type that a wait there would raise.
        """
        until = None if timeout is None else time.monotonic() + timeout
        last_reason: tuple[str, str] | None = None
        seconds = 0.0
        while True:
            self._journal.refresh(instance_id, seconds)
            if self._journal.existing(instance_id).status.is_terminal:
                return
            reason = self._journal.runtime_info(instance_id).reason
            if reason is not None and reason == last_reason:
                raise (error_named(reason[0]) or DurableError)(reason[1])
            last_reason = reason
            left = WAIT if until is None else until - time.monotonic()
            if left <= 0:
                raise WaitTimeoutError(
                    f"{instance_id} did not end within {timeout} s. It is unharmed: wait again."
                )
            seconds = min(left, WAIT if reason is None else AGAIN_SECONDS)

    def ended(self, instance_ids: Sequence[str], timeout: float | None) -> Iterator[str]:
        """Yield the ids of instances as these end, as the copy of the hub's journal has them.

        Blocked instances don't end the wait, since the copy doesn't know of them.
        """
        until = None if timeout is None else time.monotonic() + timeout
        pending = dict.fromkeys(instance_ids)
        seconds = 0.0
        while pending:
            self._journal.refresh(wait=seconds)
            states = self._journal.of().states(InstanceQuery(instance_ids=tuple(pending)))
            known = {state.instance_id for state in states}
            if unknown := [instance_id for instance_id in pending if instance_id not in known]:
                raise self._journal.unknown(unknown[0])
            for state in states:
                if state.status.is_terminal:
                    del pending[state.instance_id]
                    yield state.instance_id
            left = WAIT if until is None else until - time.monotonic()
            if pending and left <= 0:
                raise WaitTimeoutError(
                    f"{len(pending):,} instances did not end within {timeout} s. They are unharmed: wait "
                    "again."
                )
            seconds = min(left, WAIT)

    def streamed(self, instance_id: str, timeout: float | None) -> NoReturn:
        """Raise `DurableError`: streams aren't served."""
        raise DurableError(
            "What activities stream is handed out by the process that serves the hub: "
            f"hub.handle({instance_id!r}).stream(). Here handle.watch() shows the last characters, and "
            "handle.result() waits for the result."
        )

    # -- values that are sent --------------------------------------------------------------------

    def encode(self, value: Any, kind: Kind) -> str:
        """Return a value as JSON.

        Raises
        ------
        NotSerializableError
            If it would not arrive as the same value.
        """
        try:
            text = json.dumps(value, allow_nan=False)
            is_same = json.loads(text) == value
        except (TypeError, ValueError, RecursionError):
            is_same = False
        if not is_same:
            raise NotSerializableError(
                f"To a remote hub values go as JSON, and this {type(value).__name__} would arrive as "
                "another, or not at all. Send numbers, texts, lists, and dictionaries whose keys are texts."
            )
        return text

    def failure(self, error: BaseException) -> FailureDetails:
        """Return the details of an exception."""
        return self._journal.codec.failure(error)

    def new_id(self) -> str:
        """Return the id of a new instance."""
        return uuid4().hex

    def no_code(self, name: str, version: str | None) -> FunctionNotFoundError:
        """Return the error for code that isn't registered here: it is at the server."""
        return FunctionNotFoundError(
            f"The code of {name!r} is where the hub is. Define it here as it is there, or as you want it to "
            "be, and give it."
        )


def _start_query(start: messages.Start) -> dict[str, str | None]:
    return {
        "version": start.version,
        "ifExists": None if start.if_exists == "error" else start.if_exists,
        "startAt": None if start.start_at is None else start.start_at.isoformat(),
        "tags": json.dumps(start.tags) if start.tags else None,
        "priority": str(start.priority) if start.priority else None,
    }


def _id_in(reply: Reply) -> str:
    return str(reply.json()["id"])
