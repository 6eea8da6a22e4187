"""The operations of the management API: the table that routes, OpenAPI document and tests are made from.

It is long because it is one table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from durablenb.model.ids import IfExists
from durablenb.model.status import OrchestrationRuntimeStatus
from durablenb.server import commands, entities, instances, journal, orchestrations, sql
from durablenb.server.asked import PAGE, PAGE_LIMIT, Handler
from durablenb.server.instances import CONTINUATION
from durablenb.server.journal import LARGEST

Schema = dict[str, Any]
Method = Literal["GET", "POST", "DELETE"]


@dataclass(frozen=True)
class Parameter:
    """What may be said in the query or in a header."""

    name: str
    text: str
    schema: Schema
    is_header: bool = False
    is_required: bool = False


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    Parameters
    ----------
    method, path
        Under `durablenb.model.address.MANAGEMENT`; parts in braces are the handler's.
    name
        In the OpenAPI document.
    handler
        What answers.
    text
        What it does, in a sentence.
    answers
        What each status code means.
    parameters
        What may be said beside the path.
    body
        What is posted: JSON that has to be there, JSON that may be, JSON or text, or nothing.
    """

    method: Method
    path: str
    name: str
    handler: Handler
    text: str
    answers: dict[int, str]
    parameters: tuple[Parameter, ...] = ()
    body: Literal["json", "optional", "any", None] = None


def _flag(name: str, text: str, default: bool) -> Parameter:
    return Parameter(name, text, {"type": "boolean", "default": default})


def _moment(name: str, text: str) -> Parameter:
    return Parameter(name, text, {"type": "string", "format": "date-time"})


_REASON = Parameter("reason", "Why; it is kept in the history.", {"type": "string"})
_WAIT = (
    Parameter("timeout", "Seconds to wait for the end; only with `pollingInterval`.", {"type": "number"}),
    Parameter("pollingInterval", "Seconds; only with `timeout`, which it turns on.", {"type": "number"}),
    _flag(
        "returnInternalServerErrorOnFailure", "Whether a failed orchestration is answered with 500.", False
    ),
)
_RECURSIVE = _flag("recursive", "Whether its sub-orchestrations go with it, and theirs.", True)
_FROM = _moment("createdTimeFrom", "Those only that were started then or later.")
_STATUSES: Schema = {
    "type": "array",
    "items": {"type": "string", "enum": [*map(str, OrchestrationRuntimeStatus)]},
}
_FILTER = (
    _moment("createdTimeTo", "Those only that were started then or earlier."),
    Parameter(
        "runtimeStatus",
        "Those of these statuses only; several, or one with commas.",
        _STATUSES,
    ),
)
_PAGES = (
    Parameter(
        "top",
        f"How many at the most; a page has up to {PAGE_LIMIT:,}, whatever is said.",
        {"type": "integer", "minimum": 1, "default": PAGE},
    ),
    Parameter(
        CONTINUATION, "Where to go on: that header of the last answer.", {"type": "string"}, is_header=True
    ),
)

_PLACE = {"type": "integer", "minimum": 0, "maximum": LARGEST}
_PLACES = (
    Parameter("after", "After which place in the journal; 0 for the beginning.", _PLACE),
    Parameter(
        "held",
        "How many rows up to there whoever asks has: another number is news.",
        _PLACE,
    ),
    Parameter(
        "Prefer",
        f"`wait=20`: wait so many seconds for news, {journal.LONGEST_WAIT:g} at the most.",
        {"type": "string"},
        is_header=True,
    ),
)

_NO_INSTANCE = "There is no such instance."
_NO_PLACE = "`after` or `held` is no whole number."
_NO_TOKEN = "The continuation token isn't one that this server gave."
_NO_NAME = "That can't be an entity's name, or the continuation token isn't one that this server gave."
_STARTED = {
    200: "It ended within the time: its output, or its status if it did not complete.",
    202: "It has started: URLs to manage it with, the one to ask in `Location`.",
    409: "An instance of that id is open.",
    500: "It failed within the time, and 500 was asked for.",
}
_TAKEN = "An instance of that id is open; with `attach`, it is of another orchestrator, or has another input."
_IF_EXISTS = Parameter(
    "ifExists",
    "What happens if an instance of that id exists. `error`: 409 if it is open; one that has ended is "
    "replaced. `attach`: nothing is started, the answer is about the instance that exists; it has to be of "
    "that orchestrator and input. `restart`: it is replaced, one that is open is terminated.",
    {"type": "string", "enum": [*get_args(IfExists)], "default": "error"},
)


def _command(word: str, handler: Handler, text: str, *more: Parameter) -> Operation:
    answers = {202: "It is on disk.", 404: _NO_INSTANCE, 410: "It has ended."}
    path = f"/instances/{{instance_id}}/{word}"
    return Operation("POST", path, word, handler, text, answers, (_REASON, *more))


def _start(path: str, name: str, text: str, *more: Parameter) -> Operation:
    """A start; with an id, more can be said about the instance that has it."""
    parameters = (
        Parameter("version", "What `context.version` gives.", {"type": "string"}),
        _moment("startAt", "Not before this time."),
        Parameter(
            "tags",
            'Names and values to find it by: a JSON object such as `{"team": "a"}`.',
            {"type": "string"},
        ),
        *more,
        *_WAIT,
    )
    answers = _STARTED | {400: "There is no such orchestrator, or the id or the input is invalid."}
    if more:
        answers |= {409: _TAKEN}
    return Operation("POST", path, name, orchestrations.start, text, answers, parameters, "optional")


OPERATIONS = (
    _start("/orchestrators/{name}", "start", "Start an orchestration; the body is its input."),
    _start(
        "/orchestrators/{name}/{instance_id}",
        "startWithId",
        "Start an orchestration under an id; the body is its input.",
        _IF_EXISTS,
        Parameter(
            "dedupeStatuses",
            "Statuses in which an ended instance of that id isn't replaced either: 409.",
            _STATUSES,
        ),
    ),
    Operation(
        "GET",
        "/instances",
        "listInstances",
        instances.list_instances,
        "List instances, oldest first.",
        {200: f"Their statuses; if there are more, the header `{CONTINUATION}` says where.", 400: _NO_TOKEN},
        (
            Parameter("instanceIdPrefix", "What their ids begin with.", {"type": "string"}),
            _FROM,
            *_FILTER,
            _flag("showInput", "Whether their inputs are shown.", True),
            *_PAGES,
        ),
    ),
    Operation(
        "DELETE",
        "/instances",
        "purgeInstances",
        instances.purge_many,
        "Delete all that is kept of instances that have ended; `createdTimeFrom` has to be given.",
        {200: "How many were deleted.", 400: "`createdTimeFrom` is missing.", 404: "There are none."},
        (replace(_FROM, is_required=True), *_FILTER, _RECURSIVE),
    ),
    Operation(
        "GET",
        "/instances/{instance_id}",
        "status",
        instances.status,
        "Tell where an instance stands.",
        {
            200: "It has ended.",
            202: "It is open; `Location` is where to ask again, `Retry-After` after how many seconds.",
            404: _NO_INSTANCE,
            500: "It failed, and 500 was asked for.",
        },
        (
            _flag("showHistory", "Whether its history is shown.", False),
            _flag("showHistoryOutput", "Whether the results in it are shown.", False),
            _flag("showInput", "Whether its input is shown, and those in its history.", True),
            _WAIT[-1],
        ),
    ),
    Operation(
        "DELETE",
        "/instances/{instance_id}",
        "purge",
        instances.purge,
        "Delete all that is kept of an instance that has ended, and of its sub-orchestrations.",
        {200: "How many were deleted.", 404: _NO_INSTANCE, 412: "It is open."},
        (_RECURSIVE,),
    ),
    Operation(
        "POST",
        "/instances/{instance_id}/raiseEvent/{event_name:path}",
        "raiseEvent",
        commands.raise_event,
        "Raise an external event; the body is its value.",
        {
            202: "It is on disk.",
            400: "The body isn't JSON, or isn't said to be.",
            404: _NO_INSTANCE,
            410: "The instance has ended.",
        },
        body="json",
    ),
    _command("terminate", commands.terminate, "End an orchestration and its sub-orchestrations.", _RECURSIVE),
    _command("suspend", commands.suspend, "Let an orchestration rest until it is resumed."),
    _command("resume", commands.resume, "Let a suspended orchestration go on."),
    Operation(
        "POST",
        "/instances/{instance_id}/rewind",
        "rewind",
        commands.rewind,
        "Do the failed tasks of a failed orchestration again.",
        {
            202: "It is on disk.",
            400: "Its code isn't registered.",
            404: _NO_INSTANCE,
            412: "It did not fail, or failed where it can't go on.",
        },
        (_REASON,),
    ),
    Operation(
        "POST",
        "/instances/{instance_id}/restart",
        "restart",
        orchestrations.restart,
        "Start an orchestration again with its input.",
        _STARTED | {400: "There is no such instance, or its code isn't registered."},
        (_flag("restartWithNewInstanceId", "Whether under an id of its own.", True), *_WAIT),
    ),
    Operation(
        "POST",
        "/instances/{instance_id}/fork",
        "fork",
        commands.fork,
        "Start an instance that shares the past of this one up to an event.",
        {
            202: "It has started: URLs to manage it with, the one to ask in `Location`.",
            400: "The body isn't right, or the fork can't be made; the message says why.",
            404: _NO_INSTANCE,
            409: "An instance of that id is open.",
        },
        body="json",
    ),
    Operation(
        "GET",
        "/entities",
        "listEntities",
        entities.list_entities,
        "List the entities that exist, by their ids.",
        {200: f"The entities; if there are more, the header `{CONTINUATION}` says where.", 400: _NO_TOKEN},
        (
            _moment("lastOperationTimeFrom", "Those only of which something was asked then or later."),
            _moment("lastOperationTimeTo", "Those only of which nothing was asked later."),
            _flag("fetchState", "Whether their states are shown.", False),
            *_PAGES,
        ),
    ),
    Operation(
        "GET",
        "/entities/{name}",
        "listEntitiesOfName",
        entities.list_entities,
        "List the entities of a name that exist.",
        {200: f"The entities; if there are more, the header `{CONTINUATION}` says where.", 400: _NO_NAME},
        (
            _moment("lastOperationTimeFrom", "Those only of which something was asked then or later."),
            _moment("lastOperationTimeTo", "Those only of which nothing was asked later."),
            _flag("fetchState", "Whether their states are shown.", False),
            *_PAGES,
        ),
    ),
    Operation(
        "GET",
        "/entities/{name}/{key}",
        "readEntity",
        entities.read,
        "Tell the state of an entity.",
        {200: "Its state.", 400: "That can't be an entity's name or key.", 404: "There is no such entity."},
    ),
    Operation(
        "POST",
        "/entities/{name}/{key}",
        "signalEntity",
        entities.signal,
        "Ask an entity for an operation; the body is its input, as JSON or as text.",
        {202: "It is on disk.", 400: "There is no such entity function, or something is invalid."},
        (
            Parameter(
                "op",
                "The operation's name; it has to be given.",
                {"type": "string", "minLength": 1},
                is_required=True,
            ),
            _moment("at", "Not before this time."),
        ),
        "any",
    ),
    Operation(
        "DELETE",
        "/entities/{name}/{key}",
        "deleteEntity",
        entities.delete,
        "Ask an entity for its operation `delete`.",
        {202: "It is on disk.", 400: "There is no such entity function, or something is invalid."},
    ),
    Operation(
        "POST",
        "/cleanEntityStorage",
        "cleanEntityStorage",
        entities.clean,
        "Delete what is left of entities that don't exist any more.",
        {200: "How many entities were deleted, and how many locks were released."},
        (
            _flag("removeEmptyEntities", "Whether entities without state are deleted.", True),
            _flag("releaseOrphanedLocks", "Whether locks are released whose orchestration is gone.", True),
        ),
    ),
    Operation(
        "GET",
        "/journal",
        "journal",
        journal.all_instances,
        "Tell what was written after a place in the journal; long payloads are left out.",
        {200: "A passage of the journal.", 400: _NO_PLACE},
        _PLACES,
    ),
    Operation(
        "GET",
        "/journal/{instance_id}",
        "journalOfInstance",
        journal.one_instance,
        "Tell what was written of an instance or an entity after a place in the journal.",
        {200: "A passage of the journal, without rows if there is no such instance.", 400: _NO_PLACE},
        _PLACES,
    ),
    Operation(
        "GET",
        "/journal/{instance_id}/beside",
        "beside",
        journal.beside,
        "Tell what a picture of an instance needs beside its own history.",
        {200: "The instances that were forked from it, and what entities have to do."},
        (Parameter("entity", "An entity's id, `@name@key`; several.", {"type": "string"}),),
    ),
    Operation(
        "GET",
        "/journal/{instance_id}/log",
        "log",
        journal.log,
        "Tell what an instance and its sub-orchestrations printed.",
        {200: "The lines, oldest first.", 404: _NO_INSTANCE},
    ),
    Operation(
        "GET",
        "/blobs/{hash}",
        "blob",
        journal.blob,
        "Give a large part of a value: what a history refers to.",
        {200: "Its bytes.", 404: "There is none of that hash."},
    ),
    Operation(
        "GET",
        "/sources/{hash}",
        "source",
        journal.source,
        "Give the source text that an orchestrator had when an execution began.",
        {200: "The text.", 404: "There is none of that hash."},
    ),
    Operation(
        "POST",
        "/sql",
        "sql",
        sql.answer,
        "Answer one SELECT over the hub's tables and views; the body is an object with `sql` and `params`.",
        {
            200: "The names and types of the columns, and the rows, each value as DuckDB writes it.",
            400: "It isn't one SELECT, reads something else, takes too long or too much memory, or has too "
            "large an answer.",
            403: "The server was not told to answer SQL, or a browser asked.",
            503: "No query can be answered now: there is no room for the copy of the journal.",
        },
        body="json",
    ),
)
"""All of them."""
