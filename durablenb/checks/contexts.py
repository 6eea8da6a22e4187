"""What an orchestrator asks of its context: whether the names are known and the arguments fit."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from durablenb.checks.names import meant
from durablenb.checks.values import (
    Arrived,
    Data,
    Function,
    Instance,
    Kind,
    Member,
    Proxy,
    SetOf,
    Task,
    Value,
    a,
)
from durablenb.core.context import DurableOrchestrationContext

if TYPE_CHECKING:
    from durablenb.checks.expressions import Expressions

OPERATION = "an entity's operation"
"""Stands for a method of what ``context.entity(...)`` gives."""

_CALLED: dict[str, Kind] = {
    "call_activity": "activity",
    "call_activity_with_retry": "activity",
    "call_sub_orchestrator": "orchestrator",
    "call_sub_orchestrator_with_retry": "orchestrator",
}

_TASKS = {
    *_CALLED,
    "call_entity",
    "call_http",
    "create_timer",
    "lock",
    "task_all",
    "task_any",
    "wait_for_external_event",
    OPERATION,
}

_RESULTS: dict[str, Value] = {
    "entity": Proxy(),
    "get_input": Data("input"),
    "new_guid": Instance("uuid.UUID"),
    "new_uuid": Data("str"),
    "set_custom_status": Data("None"),
    "signal_entity": Data("None"),
}

_PROPERTIES: dict[str, Value] = {
    "current_utc_datetime": Data("datetime"),
    "instance_id": Data("str"),
    "is_replaying": Data("bool"),
    "logger": Instance("logging.Logger"),
}

_CODES: dict[Kind, str] = {"activity": "DNB501", "orchestrator": "DNB502", "entity": "DNB503"}


def member(reader: Expressions, node: ast.Attribute) -> Value:
    """What an attribute of the context is."""
    name = node.attr
    if name in _PROPERTIES:
        return _PROPERTIES[name]
    if name not in _known() and not name.startswith("_") and name not in reader.stored:
        reader.report("DNB504", node, f"The context has no {name!r}.{meant(name, _known())}")
    return Member(name)


@cache
def _known() -> frozenset[str]:
    return frozenset(name for name in dir(DurableOrchestrationContext) if not name.startswith("_"))


@cache
def _signature(name: str) -> inspect.Signature | None:
    method = getattr(DurableOrchestrationContext, name, None)
    return inspect.signature(method) if inspect.isfunction(method) else None


def asked(reader: Expressions, node: ast.Call, name: str, given: Callable[[ast.expr], Value]) -> Value:
    """What a call of the context's method gives; `given` tells what its arguments are."""
    arguments = _bound(reader, node, name)
    if arguments is not None:
        if name in _CALLED:
            _check_target(reader, node, _CALLED[name], arguments, given)
        for parameter, check in _CHECKS.get(name, {}).items():
            if parameter in arguments:
                check(reader, node, name, given(arguments[parameter]))
    if name == "wait_for_external_event" and "expected_type" not in (arguments or {}):
        return Task(name, gives=Arrived())
    return Task(name) if name in _TASKS else _RESULTS.get(name)


def _bound(reader: Expressions, node: ast.Call, name: str) -> dict[str, ast.expr] | None:
    """The arguments by the names of the parameters, or None if that isn't known."""
    signature = _signature(name)
    is_open = any(isinstance(one, ast.Starred) for one in node.args) or any(
        one.arg is None for one in node.keywords
    )
    if signature is None or is_open:
        return None
    named: dict[str, Any] = {one.arg: one.value for one in node.keywords if one.arg is not None}
    try:
        bound = signature.bind(None, *node.args, **named)
    except TypeError as error:
        reader.report("DNB404", node, f"context.{name}: {error}.")
        return None
    return {key: value for key, value in bound.arguments.items() if key != "self"}


def _check_target(
    reader: Expressions,
    node: ast.Call,
    kind: Kind,
    arguments: dict[str, ast.expr],
    given: Callable[[ast.expr], Value],
) -> None:
    target = given(arguments["name"])
    named: str | None = None
    function: Function | None = None
    if isinstance(target, Function):
        named, function = target.called, target
    elif isinstance(target, Data) and target.text:
        named = target.text
        function = reader.names.activities.get(named) if reader.names else None
    if named is None:
        return
    if isinstance(target, Function) and target.kind not in (kind, None):
        reader.report(_CODES[kind], node, f"{named!r} is registered as an {target.kind}, not as an {kind}.")
    elif reader.names is not None and (reader.names.is_complete or not isinstance(target, Function)):
        problem = reader.names.problem(kind, named)
        if problem is not None:
            reader.report(_CODES[kind], node, problem)
    if kind == "activity" and function is not None and function.parameters is not None:
        _check_input(reader, node, named, function.parameters, arguments.get("input_"))


def _check_input(
    reader: Expressions, node: ast.Call, name: str, parameters: tuple[int, int], given: ast.expr | None
) -> None:
    needed, taken = parameters
    is_given = given is not None and not (isinstance(given, ast.Constant) and given.value is None)
    if needed > 1:
        reader.report("DNB405", node, f"The activity {name!r} needs {needed} arguments and gets one.")
    elif taken == 0 and is_given:
        text = f"The activity {name!r} takes no input: what is handed over is dropped."
        reader.report("DNB405", node, text)


def entity_named(reader: Expressions, node: ast.Call, given: Callable[[ast.expr], Value]) -> None:
    """Checks the name of an entity, the first argument of ``EntityId`` and of ``context.entity``."""
    first = given(node.args[0]) if node.args else None
    named = first.called if isinstance(first, Function) else getattr(first, "text", None)
    if isinstance(named, str) and reader.names is not None:
        problem = reader.names.problem("entity", named)
        if problem is not None:
            reader.report("DNB503", node, problem)


def _no_data(reader: Expressions, node: ast.Call, name: str, value: Value) -> None:
    if isinstance(value, Data) and value.kind not in ("input", "None"):
        text = f"context.{name}: expected_type is {a(value.kind)}, no type: an activity gets one argument."
        reader.report("DNB404", node, text)


def _no_single(reader: Expressions, node: ast.Call, name: str, value: Value) -> None:
    if isinstance(value, Task):
        instead = f"Make a list of them: context.{name}([...])."
        reader.report("DNB404", node, f"context.{name} takes a list of tasks, not one task.", instead)
    elif isinstance(value, SetOf):
        reader.went_through(node, value)


def _no_span(reader: Expressions, node: ast.Call, name: str, value: Value) -> None:
    is_number = isinstance(value, Data) and value.kind in ("int", "float")
    if is_number or value == Instance("datetime.timedelta"):
        instead = "Add it to the time: context.create_timer(context.current_utc_datetime + timedelta(...))."
        reader.report("DNB404", node, "context.create_timer takes a moment, not a span of time.", instead)


def _no_input(reader: Expressions, node: ast.Call, name: str, value: Value) -> None:
    if isinstance(value, Data) and value.kind != "input":
        text = f"context.{name}: retry_options is {a(value.kind)}, not RetryOptions."
        reader.report("DNB404", node, text, f"Write context.{name}(name, RetryOptions(...), input_).")


_Check = Callable[["Expressions", ast.Call, str, Value], None]

_CHECKS: dict[str, dict[str, _Check]] = {
    "call_activity": {"expected_type": _no_data},
    "call_activity_with_retry": {"retry_options": _no_input, "expected_type": _no_data},
    "call_sub_orchestrator": {"expected_type": _no_data},
    "call_sub_orchestrator_with_retry": {"retry_options": _no_input, "expected_type": _no_data},
    "create_timer": {"fire_at": _no_span},
    "task_all": {"activities": _no_single},
    "task_any": {"activities": _no_single},
}
