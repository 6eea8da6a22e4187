"""The parameters that operations of the management API share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from durablenb.model.ids import IfExists
from durablenb.model.status import OrchestrationRuntimeStatus
from durablenb.server import journal
from durablenb.server.instances import CONTINUATION
from durablenb.server.requests import LARGEST, PAGE, PAGE_LIMIT

Schema = dict[str, Any]


@dataclass(frozen=True)
class Parameter:
    """A parameter in the query or in a header."""

    name: str
    text: str
    schema: Schema
    is_header: bool = False
    is_required: bool = False


def flag(name: str, text: str, default: bool) -> Parameter:
    """Return a parameter that is true or false."""
    return Parameter(name, text, {"type": "boolean", "default": default})


def moment(name: str, text: str) -> Parameter:
    """Return a parameter that is a time."""
    return Parameter(name, text, {"type": "string", "format": "date-time"})


REASON = Parameter("reason", "The reason; it is kept in the history.", {"type": "string"})
WAIT = (
    Parameter("timeout", "Seconds to wait for the end; needs `pollingInterval`.", {"type": "number"}),
    Parameter(
        "pollingInterval",
        "A positive number of seconds; without it, `timeout` is ignored.",
        {"type": "number"},
    ),
    flag(
        "returnInternalServerErrorOnFailure",
        "Whether the status code for a failed orchestration is 500.",
        False,
    ),
)
RECURSIVE = flag("recursive", "Whether all its sub-orchestrations are included.", True)
FROM = moment("createdTimeFrom", "Only instances started at or after this time.")
STATUSES: Schema = {
    "type": "array",
    "items": {"type": "string", "enum": [*map(str, OrchestrationRuntimeStatus)]},
}
FILTER = (
    moment("createdTimeTo", "Only instances started at or before this time."),
    Parameter(
        "runtimeStatus",
        "Only instances with these statuses; repeat the parameter, or separate statuses by commas.",
        STATUSES,
    ),
)
LIST_PAGING = (
    Parameter(
        "top",
        f"The largest number of items; a page never has more than {PAGE_LIMIT:,}.",
        {"type": "integer", "minimum": 1, "default": PAGE},
    ),
    Parameter(
        CONTINUATION,
        "The position at which the list continues: this header of the previous response.",
        {"type": "string"},
        is_header=True,
    ),
)

_POSITION = {"type": "integer", "minimum": 0, "maximum": LARGEST}
JOURNAL_PAGING = (
    Parameter("after", "The position after which rows are returned; 0 for the beginning.", _POSITION),
    Parameter(
        "held",
        "The number of rows up to there that the client has; any other number is news.",
        _POSITION,
    ),
    Parameter(
        "Prefer",
        f"`wait=20`: wait up to 20 seconds for news; the limit is {journal.LONGEST_WAIT:g}.",
        {"type": "string"},
        is_header=True,
    ),
)

IF_EXISTS = Parameter(
    "ifExists",
    "The treatment of an existing instance with this id. `error`: 409 if it is open; if it has ended, it is "
    "replaced. `attach`: nothing is started, and the response is about the existing instance, which must "
    "have this orchestrator and input. `restart`: it is replaced; if it is open, it is terminated first.",
    {"type": "string", "enum": [*get_args(IfExists)], "default": "error"},
)

NEW = (
    Parameter("version", "The value of `context.version`.", {"type": "string"}),
    moment("startAt", "The time before which the orchestration doesn't start."),
    Parameter(
        "tags",
        'Names and values by which instances are found: a JSON object such as `{"team": "a"}`.',
        {"type": "string"},
    ),
    Parameter(
        "priority",
        "The default priority of its calls: among calls that wait for a place in a queue, those with a "
        "higher priority begin first.",
        {"type": "integer", "default": 0},
    ),
)
