"""The table of the management API's operations, from which routes, OpenAPI document and tests are made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from durablenb.server import entities, instances, journal, orchestrations
from durablenb.server.instances import CONTINUATION
from durablenb.server.parameters import (
    FILTER,
    FROM,
    IF_EXISTS,
    JOURNAL_PAGING,
    LIST_PAGING,
    NEW,
    REASON,
    RECURSIVE,
    STATUSES,
    WAIT,
    Parameter,
    flag,
    moment,
)
from durablenb.server.requests import Handler

Method = Literal["GET", "POST", "DELETE"]


@dataclass(frozen=True)
class ApiOperation:
    """One method of one path.

    Parameters
    ----------
    method
        The HTTP method.
    path
        The path under `durablenb.model.address.MANAGEMENT`; words in braces are parameters.
    name
        The operation's id in the OpenAPI document.
    handler
        The function that answers.
    text
        The description, a sentence.
    responses
        The meaning of each status code.
    parameters
        The parameters in the query and in headers.
    body
        The posted body: required JSON, optional JSON, JSON or text, or none.
    """

    method: Method
    path: str
    name: str
    handler: Handler
    text: str
    responses: dict[int, str]
    parameters: tuple[Parameter, ...] = ()
    body: Literal["json", "optional", "any", None] = None


_NO_INSTANCE = "There is no such instance."
_ON_DISK = "The request is accepted, and on disk."
_BAD_POSITION = "`after` or `held` is not a whole number."
_BAD_TOKEN = "The continuation token isn't one that this server gave."
_BAD_NAME = "The name can't be an entity's, or the continuation token isn't one that this server gave."
_STARTED = {
    200: "The orchestration ended within the timeout: its output, or its status if it did not complete.",
    202: "The orchestration has started: URLs to manage it; the URL to poll is in `Location`.",
    409: "An instance with this id is open.",
    500: "The orchestration failed within the timeout, and 500 was requested.",
}
_ID_IN_USE = "An instance with this id is open; with `attach`, it has another orchestrator or another input."


def _command(name: str, handler: Handler, text: str, *more: Parameter) -> ApiOperation:
    responses = {202: _ON_DISK, 404: _NO_INSTANCE, 410: "The instance has ended."}
    path = f"/instances/{{instance_id}}/{name}"
    return ApiOperation("POST", path, name, handler, text, responses, (REASON, *more))


def _start(path: str, name: str, text: str, *more: Parameter) -> ApiOperation:
    """Return an operation that starts an orchestration; with an id in the path, it has more parameters."""
    parameters = (*NEW, *more, *WAIT)
    responses = _STARTED | {400: "There is no such orchestrator, or the id or the input is invalid."}
    if more:
        responses |= {409: _ID_IN_USE}
    return ApiOperation("POST", path, name, orchestrations.start, text, responses, parameters, "optional")


def _list_entities(path: str, name: str, text: str, bad_request: str) -> ApiOperation:
    responses = {
        200: f"The entities; if there are more, `{CONTINUATION}` is the token for the next page.",
        400: bad_request,
    }
    parameters = (
        moment("lastOperationTimeFrom", "Only entities whose last operation was at or after this time."),
        moment("lastOperationTimeTo", "Only entities whose last operation was at or before this time."),
        flag("fetchState", "Whether states are included.", False),
        *LIST_PAGING,
    )
    return ApiOperation("GET", path, name, entities.list_entities, text, responses, parameters)


OPERATIONS = (
    _start("/orchestrators/{name}", "start", "Start an orchestration; the body is its input."),
    _start(
        "/orchestrators/{name}/{instance_id}",
        "startWithId",
        "Start an orchestration with an id; the body is its input.",
        IF_EXISTS,
        Parameter(
            "dedupeStatuses",
            "Statuses in which an ended instance with this id isn't replaced either: 409.",
            STATUSES,
        ),
    ),
    ApiOperation(
        "POST",
        "/startMany/{name}",
        "startMany",
        orchestrations.start_many,
        "Start an orchestration for each input, all in one commit; the body is an object with `inputs` and, "
        "optionally, `instanceIds`.",
        {
            202: "All of them have started: their ids.",
            400: "There is no such orchestrator, or an id or an input is invalid. None was started.",
            409: "One of the ids is in use. None was started.",
        },
        (*NEW, IF_EXISTS),
        "json",
    ),
    ApiOperation(
        "GET",
        "/instances",
        "listInstances",
        instances.list_instances,
        "List instances, oldest first.",
        {
            200: f"The statuses; if there are more, `{CONTINUATION}` is the token for the next page.",
            400: _BAD_TOKEN,
        },
        (
            Parameter(
                "instanceIdPrefix", "Only instances whose ids begin with this text.", {"type": "string"}
            ),
            FROM,
            *FILTER,
            flag("showInput", "Whether inputs are included.", True),
            *LIST_PAGING,
        ),
    ),
    ApiOperation(
        "DELETE",
        "/instances",
        "purgeInstances",
        instances.purge_many,
        "Purge the ended instances that meet the conditions; `createdTimeFrom` is required.",
        {
            200: "The number of purged instances.",
            400: "`createdTimeFrom` is missing.",
            404: "No instance meets the conditions.",
        },
        (replace(FROM, is_required=True), *FILTER, RECURSIVE),
    ),
    ApiOperation(
        "GET",
        "/instances/{instance_id}",
        "status",
        instances.status,
        "Return the status of an instance.",
        {
            200: "The instance has ended.",
            202: "The instance is open; poll the URL in `Location` after the seconds in `Retry-After`.",
            404: _NO_INSTANCE,
            500: "The instance failed, and 500 was requested.",
        },
        (
            flag("showHistory", "Whether the history is included.", False),
            flag("showHistoryOutput", "Whether the results in the history are included.", False),
            flag("showInput", "Whether the input and the inputs in the history are included.", True),
            WAIT[-1],
        ),
    ),
    ApiOperation(
        "DELETE",
        "/instances/{instance_id}",
        "purge",
        instances.purge,
        "Purge an instance that has ended, and its sub-orchestrations.",
        {200: "The number of purged instances.", 404: _NO_INSTANCE, 412: "The instance is open."},
        (RECURSIVE,),
    ),
    ApiOperation(
        "DELETE",
        "/instances/{instance_id}/pastGenerations",
        "purgePastGenerations",
        instances.purge_past,
        "Purge the past generations of an orchestration that continues as new, or earlier parts of an "
        "entity's history; the instance may be open.",
        {
            200: "The number of purged generations.",
            400: "`keep` is not a whole number.",
            404: "There is no such instance or entity.",
            410: "The instance was imported: it can only be purged as a whole.",
        },
        (
            Parameter(
                "keep",
                "The number of past generations that are kept, beside the current one.",
                {"type": "integer", "minimum": 0, "default": 0},
            ),
        ),
    ),
    ApiOperation(
        "POST",
        "/instances/{instance_id}/raiseEvent/{event_name:path}",
        "raiseEvent",
        orchestrations.raise_event,
        "Raise an external event; the body is its value.",
        {
            202: _ON_DISK,
            400: "The body isn't JSON, or its content type isn't.",
            404: _NO_INSTANCE,
            410: "The instance has ended.",
        },
        body="json",
    ),
    _command(
        "cancel",
        orchestrations.cancel,
        "Request that an orchestration cancels itself; it may first undo what it has done.",
    ),
    _command(
        "terminate",
        orchestrations.terminate,
        "Terminate an orchestration and its sub-orchestrations.",
        RECURSIVE,
    ),
    _command("suspend", orchestrations.suspend, "Suspend an orchestration until it is resumed."),
    _command("resume", orchestrations.resume, "Resume a suspended orchestration."),
    ApiOperation(
        "POST",
        "/instances/{instance_id}/rewind",
        "rewind",
        orchestrations.rewind,
        "Rewind a failed orchestration: its failed tasks run again.",
        {
            202: _ON_DISK,
            400: "The code of the orchestration isn't registered.",
            404: _NO_INSTANCE,
            412: "The instance did not fail, or failed where rewinding can't help.",
        },
        (REASON,),
    ),
    ApiOperation(
        "POST",
        "/instances/{instance_id}/restart",
        "restart",
        orchestrations.restart,
        "Start an orchestration again with its input.",
        _STARTED | {400: "There is no such instance, or its code isn't registered."},
        (flag("restartWithNewInstanceId", "Whether the new instance gets a new id.", True), *WAIT),
    ),
    ApiOperation(
        "POST",
        "/instances/{instance_id}/fork",
        "fork",
        orchestrations.fork,
        "Fork an instance: start another one that shares its history up to an event.",
        {
            202: "The fork has started: URLs to manage it; the URL to poll is in `Location`.",
            400: "The body is invalid, or the fork isn't possible; the message says why.",
            404: _NO_INSTANCE,
            409: "An instance with this id is open.",
        },
        body="json",
    ),
    _list_entities("/entities", "listEntities", "List the entities that exist, ordered by id.", _BAD_TOKEN),
    _list_entities(
        "/entities/{name}",
        "listEntitiesOfName",
        "List the entities with this name that exist, ordered by key.",
        _BAD_NAME,
    ),
    ApiOperation(
        "GET",
        "/entities/{name}/{key}",
        "readEntity",
        entities.read,
        "Return the state of an entity.",
        {
            200: "The state.",
            400: "The name or the key can't be an entity's.",
            404: "There is no such entity.",
        },
    ),
    ApiOperation(
        "POST",
        "/entities/{name}/{key}",
        "signalEntity",
        entities.signal,
        "Signal an operation to an entity; the body is its input, as JSON or as text.",
        {202: _ON_DISK, 400: "There is no such entity function, or the request is invalid."},
        (
            Parameter(
                "op",
                "The operation's name; required.",
                {"type": "string", "minLength": 1},
                is_required=True,
            ),
            moment("at", "The time before which the entity doesn't process the operation."),
        ),
        "any",
    ),
    ApiOperation(
        "DELETE",
        "/entities/{name}/{key}",
        "deleteEntity",
        entities.delete,
        "Signal the operation `delete` to an entity.",
        {202: _ON_DISK, 400: "There is no such entity function, or the request is invalid."},
    ),
    ApiOperation(
        "POST",
        "/cleanEntityStorage",
        "cleanEntityStorage",
        entities.clean,
        "Remove empty entities and release orphaned locks.",
        {200: "The numbers of removed entities and of released locks."},
        (
            flag("removeEmptyEntities", "Whether entities without state are removed.", True),
            flag(
                "releaseOrphanedLocks",
                "Whether locks of orchestrations that don't exist any more are released.",
                True,
            ),
        ),
    ),
    ApiOperation(
        "GET",
        "/journal",
        "journal",
        journal.all_instances,
        "Return the rows after a position in the journal; long payloads are left out.",
        {200: "A page of the journal.", 400: _BAD_POSITION},
        JOURNAL_PAGING,
    ),
    ApiOperation(
        "GET",
        "/journal/{instance_id}",
        "journalOfInstance",
        journal.one_instance,
        "Return the rows of an instance or an entity after a position in the journal.",
        {200: "A page of the journal; it has no rows if there is no such instance.", 400: _BAD_POSITION},
        JOURNAL_PAGING,
    ),
    ApiOperation(
        "GET",
        "/journal/{instance_id}/beside",
        "beside",
        journal.related,
        "Return what other histories say of an instance; pictures show it beside the instance's own.",
        {200: "The ids of the instance's forks, and the queues of entities."},
        (
            Parameter(
                "entity",
                "The id of an entity whose queue is returned, `@name@key`; repeatable.",
                {"type": "string"},
            ),
        ),
    ),
    ApiOperation(
        "GET",
        "/journal/{instance_id}/log",
        "log",
        journal.log,
        "Return the log of an instance and its sub-orchestrations: what they printed.",
        {200: "The lines, oldest first.", 404: _NO_INSTANCE},
    ),
    ApiOperation(
        "GET",
        "/journal/{instance_id}/outputs",
        "outputs",
        journal.outputs,
        "Return the rich outputs of an instance and its sub-orchestrations: what they displayed.",
        {
            200: "The outputs, oldest first; long contents are blobs, given by their hashes.",
            404: _NO_INSTANCE,
        },
    ),
    ApiOperation(
        "GET",
        "/blobs/{hash}",
        "blob",
        journal.blob,
        "Return a blob, a large part of a value that a history refers to.",
        {200: "The bytes.", 404: "There is no blob with this hash."},
    ),
    ApiOperation(
        "GET",
        "/sources/{hash}",
        "source",
        journal.source,
        "Return the source text of an orchestrator at the start of an execution.",
        {200: "The text.", 404: "There is no source text with this hash."},
    ),
    ApiOperation(
        "POST",
        "/sql",
        "sql",
        journal.sql,
        "Run one SELECT over the hub's tables and views; the body is an object with `sql` and `params`.",
        {
            200: "The names and types of the columns, and the rows, each value as DuckDB writes it.",
            400: "The query isn't one SELECT, reads something else, takes too long or too much memory, or "
            "its result is too large.",
            403: "SQL isn't enabled on this server, or a browser sent the query.",
            503: "Queries aren't possible now: there is no room for the copy of the journal.",
        },
        body="json",
    ),
)
"""All operations."""
