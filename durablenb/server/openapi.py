"""The OpenAPI document, made from the table of operations."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from durablenb.model.address import MANAGEMENT
from durablenb.model.status import OrchestrationRuntimeStatus
from durablenb.server.operations import ApiOperation
from durablenb.server.parameters import Parameter, Schema

_URLS = [
    "id",
    "statusQueryGetUri",
    "sendEventPostUri",
    "terminatePostUri",
    "rewindPostUri",
    "purgeHistoryDeleteUri",
    "restartPostUri",
    "suspendPostUri",
    "resumePostUri",
]
_ERROR = ("Message", "ExceptionMessage", "ExceptionType", "StackTrace")

_SCHEMAS: dict[str, Schema] = {
    "Status": {
        "type": "object",
        "required": [
            "name",
            "instanceId",
            "runtimeStatus",
            "input",
            "customStatus",
            "output",
            "createdTime",
            "lastUpdatedTime",
        ],
        "properties": {
            "name": {"type": "string"},
            "instanceId": {"type": "string"},
            "runtimeStatus": {"enum": [*map(str, OrchestrationRuntimeStatus)]},
            "input": {},
            "customStatus": {},
            "output": {},
            "createdTime": {"type": "string", "format": "date-time"},
            "lastUpdatedTime": {"type": "string", "format": "date-time"},
            "historyEvents": {"type": "array", "items": {"type": "object", "required": ["EventType"]}},
        },
    },
    "ManagementUrls": {
        "type": "object",
        "required": _URLS,
        "properties": {name: {"type": "string"} for name in _URLS},
    },
    "Purged": {
        "type": "object",
        "required": ["instancesDeleted"],
        "properties": {"instancesDeleted": {"type": "integer", "minimum": 0}},
    },
    "Entity": {
        "type": "object",
        "required": ["entityId", "lastOperationTime", "state"],
        "properties": {
            "entityId": {
                "type": "object",
                "required": ["name", "key"],
                "properties": {"name": {"type": "string"}, "key": {"type": "string"}},
            },
            "lastOperationTime": {"type": "string", "format": "date-time"},
            "state": {},
        },
    },
    "JournalPage": {
        "type": "object",
        "required": ["rows", "held", "is_whole", "format", "server", "now", "ticks"],
        "properties": {
            "rows": {"type": "array", "items": {"type": "array"}},
            "held": {"type": "integer", "minimum": 0},
            "is_whole": {"type": "boolean"},
            "format": {"type": "integer"},
            "server": {"type": "string"},
            "now": {"type": "string", "format": "date-time"},
            "ticks": {"type": "boolean"},
            "standing": {"type": "object"},
        },
    },
    "Error": {
        "type": "object",
        "required": [*_ERROR],
        "properties": {name: {"type": "string"} for name in _ERROR},
    },
}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(*required: str) -> Schema:
    return {"type": "object", "required": list(required)}


def _array(name: str) -> Schema:
    return {"type": "array", "items": _ref(name)}


_TEXT: Schema = {"type": "string"}
_FAILURE: Schema = {"anyOf": [_ref("Error"), _TEXT]}

_RESPONSES: dict[tuple[str, int], Schema] = {
    ("start", 200): {},
    ("start", 202): _ref("ManagementUrls"),
    ("startWithId", 200): {},
    ("startWithId", 202): _ref("ManagementUrls"),
    ("restart", 200): {},
    ("restart", 202): _ref("ManagementUrls"),
    ("fork", 202): _ref("ManagementUrls"),
    ("cleanEntityStorage", 200): _object("emptyEntitiesRemoved", "orphanedLocksReleased"),
    ("listInstances", 200): _array("Status"),
    ("status", 200): _ref("Status"),
    ("status", 202): _ref("Status"),
    ("status", 500): _ref("Status"),
    ("purge", 200): _ref("Purged"),
    ("purgePastGenerations", 200): _object("generationsDeleted"),
    ("purgeInstances", 200): _ref("Purged"),
    ("purgeInstances", 404): _ref("Purged"),
    ("listEntities", 200): _array("Entity"),
    ("listEntitiesOfName", 200): _array("Entity"),
    ("readEntity", 200): {},
    ("startMany", 202): _object("ids"),
    ("journal", 200): _ref("JournalPage"),
    ("journalOfInstance", 200): _ref("JournalPage"),
    ("beside", 200): _object("forks", "queues"),
    ("log", 200): {"type": "array", "items": {"type": "object"}},
    ("outputs", 200): {"type": "array", "items": {"type": "object"}},
    ("source", 200): _TEXT,
    ("sql", 200): _object("columns", "types", "rows"),
}
"""The schemas of responses that have a body and aren't errors, by operation and status code."""

GUARD = {
    401: "The key is missing or wrong.",
    403: "A page of another site sent the request.",
    405: "The path doesn't have this method.",
    408: "The head or the body did not arrive in time.",
    413: "The body is too large.",
    414: "The URL is too long.",
    421: "The Host header names another server.",
    431: "The headers are too large.",
    503: "The journal can't be written now.",
}
"""The meaning of the status codes that any request may get."""


def document(operations: Iterable[ApiOperation], origin: str) -> dict[str, Any]:
    """Return the OpenAPI document of the operations.

    Parameters
    ----------
    operations
        The operations.
    origin
        The scheme, host and port of the server.
    """
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = MANAGEMENT + operation.path.replace(":path", "")
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "durablenb",
            "version": "1",
            "description": "The management API of Azure Durable Functions for a hub of durablenb. As in "
            "Azure, a parameter that Azure has too is ignored if its value has the wrong type.",
        },
        "servers": [{"url": origin}],
        "security": [{"header": []}, {"code": []}],
        "paths": paths,
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "header": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
                "code": {"type": "apiKey", "in": "query", "name": "code"},
            },
        },
    }


def _operation(operation: ApiOperation) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)(?::path)?\}", operation.path)
    path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in names
    ]
    responses = {**GUARD, **operation.responses}
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.text,
        "parameters": [*path, *map(_parameter, operation.parameters)],
        "responses": {str(code): _response(operation, code, responses[code]) for code in sorted(responses)},
    }
    if operation.body is not None:
        content: dict[str, Any] = {"application/json": {"schema": {}}}
        if operation.body == "any":
            content["text/plain"] = {"schema": {"type": "string"}}
        described["requestBody"] = {"required": operation.body == "json", "content": content}
    return described


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "header" if parameter.is_header else "query",
        "required": parameter.is_required,
        "description": parameter.text,
        "schema": parameter.schema,
    }


def _response(operation: ApiOperation, code: int, text: str) -> dict[str, Any]:
    schema = _RESPONSES.get((operation.name, code), _FAILURE if code >= HTTPStatus.BAD_REQUEST else None)
    described: dict[str, Any] = {"description": text}
    if schema is not None:
        described["content"] = {"application/json": {"schema": schema}}
    return described
