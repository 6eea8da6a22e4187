"""Checks the use of the context: known names, fitting arguments, the data of external events."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from durablenb.checks.abstract_values import (
    ContextMember,
    EntityProxyValue,
    EventData,
    Function,
    InstanceValue,
    Kind,
    PlainData,
    SetValue,
    TaskValue,
    Value,
    with_article,
)
from durablenb.checks.registered_names import did_you_mean
from durablenb.core.context import DurableOrchestrationContext

if TYPE_CHECKING:
    from durablenb.checks.expressions import Expressions

OPERATION = "an entity's operation"
"""Stands for a method of an entity's proxy, ``context.entity(...)``."""

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

_RECORDED = (_TASKS - {"task_all", "task_any"}) | {"new_guid", "new_uuid", "signal_entity"}
"""Methods whose calls a replay has to repeat."""

_RESULTS: dict[str, Value] = {
    "entity": EntityProxyValue(),
    "get_input": PlainData("input"),
    "new_guid": InstanceValue("uuid.UUID"),
    "new_uuid": PlainData("str"),
    "set_custom_status": PlainData("None"),
    "signal_entity": PlainData("None"),
}

_PROPERTIES: dict[str, Value] = {
    "current_utc_datetime": PlainData("datetime"),
    "instance_id": PlainData("str"),
    "is_replaying": PlainData("bool"),
    "logger": InstanceValue("logging.Logger"),
}

_CODES: dict[Kind, str] = {"activity": "DNB501", "orchestrator": "DNB502", "entity": "DNB503"}


def member(reader: Expressions, node: ast.Attribute) -> Value:
    """Check an attribute of the context; return its value."""
    name = node.attr
    if name in _PROPERTIES:
        return _PROPERTIES[name]
    if name not in _known() and not name.startswith("_") and name not in reader.stored:
        reader.report("DNB504", node, f"The context has no {name!r}.{did_you_mean(name, _known())}")
    return ContextMember(name)


@cache
def _known() -> frozenset[str]:
    return frozenset(name for name in dir(DurableOrchestrationContext) if not name.startswith("_"))


@cache
def _signature(name: str) -> inspect.Signature | None:
    method = getattr(DurableOrchestrationContext, name, None)
    return inspect.signature(method) if inspect.isfunction(method) else None


def check_context_call(
    reader: Expressions, node: ast.Call, name: str, value_of_argument: Callable[[ast.expr], Value]
) -> Value:
    """Check a call of a context's method; return its result's value."""
    arguments = _bind(reader, node, name)
    if reader.first_runs and name in _RECORDED:
        reader.report("DNB408", node, f"{name}() is only called if the code isn't replayed.")
    if arguments is not None:
        if name in _CALLED:
            _check_target(reader, node, _CALLED[name], arguments, value_of_argument)
        for parameter, check in _CHECKS.get(name, {}).items():
            if parameter in arguments:
                check(reader, node, name, value_of_argument(arguments[parameter]))
    if name == "wait_for_external_event" and "expected_type" not in (arguments or {}):
        return TaskValue(name, result=EventData())
    return TaskValue(name) if name in _TASKS else _RESULTS.get(name)


def _bind(reader: Expressions, node: ast.Call, name: str) -> dict[str, Any] | None:
    """Return the arguments by the names of their parameters, or None if that is unknown."""
    signature = _signature(name)
    has_stars = any(isinstance(argument, ast.Starred) for argument in node.args) or any(
        keyword.arg is None for keyword in node.keywords
    )
    if signature is None or has_stars:
        return None
    named: dict[str, Any] = {
        keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None
    }
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
    arguments: dict[str, Any],
    value_of_argument: Callable[[ast.expr], Value],
) -> None:
    target = value_of_argument(arguments["name"])
    named: str | None = None
    function: Function | None = None
    if isinstance(target, Function):
        named, function = target.called, target
    elif isinstance(target, PlainData) and target.text:
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
        _check_arguments(reader, node, named, function.parameters, arguments, value_of_argument)


def _check_arguments(
    reader: Expressions,
    node: ast.Call,
    name: str,
    signature: inspect.Signature,
    arguments: dict[str, Any],
    value_of_argument: Callable[[ast.expr], Value],
) -> None:
    """Report arguments that don't fit an activity's parameters."""
    named: dict[str, ast.expr] = arguments.get("named", {})
    positional = _further_positional(node, arguments, value_of_argument)
    if positional is None:
        return
    if not positional and not named:
        _check_input(reader, node, name, signature, arguments.get("input_"))
        return
    count = len(positional) + ("input_" in arguments)
    try:
        signature.bind(*[None] * count, **dict.fromkeys(named))
    except TypeError as error:
        reader.report("DNB405", node, f"The activity {name!r} gets arguments that don't fit: {error}.")


def _further_positional(
    node: ast.Call, arguments: dict[str, Any], value_of_argument: Callable[[ast.expr], Value]
) -> list[ast.expr] | None:
    """Return the arguments after the input, or None if one of them may be the expected type."""
    more: list[ast.expr] = list(arguments.get("more", ()))
    expected = arguments.get("expected_type")
    if expected is None or _is_named(node, "expected_type"):
        return more
    if more:
        return [expected, *more]
    value = value_of_argument(expected)
    if value is None or (isinstance(value, PlainData) and value.kind == "input"):
        return None
    return [expected] if isinstance(value, PlainData) and value.kind != "None" else []


def _is_named(node: ast.Call, name: str) -> bool:
    return any(keyword.arg == name for keyword in node.keywords)


def _check_input(
    reader: Expressions,
    node: ast.Call,
    name: str,
    signature: inspect.Signature,
    argument: ast.expr | None,
) -> None:
    has_input = argument is not None and not (isinstance(argument, ast.Constant) and argument.value is None)
    parameters = signature.parameters.values()
    required = [
        parameter
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    takes_input = any(
        parameter.kind not in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD) for parameter in parameters
    )
    if len(required) > 1:
        reader.report("DNB405", node, f"The activity {name!r} needs {len(required)} arguments and gets one.")
    elif not takes_input and has_input:
        reader.report("DNB405", node, f"The activity {name!r} takes no input: the argument is dropped.")


def check_entity_name(
    reader: Expressions, node: ast.Call, value_of_argument: Callable[[ast.expr], Value]
) -> None:
    """Check the name of an entity, the first argument of ``EntityId`` and of ``context.entity``."""
    first = value_of_argument(node.args[0]) if node.args else None
    named = first.called if isinstance(first, Function) else getattr(first, "text", None)
    if isinstance(named, str) and reader.names is not None:
        problem = reader.names.problem("entity", named)
        if problem is not None:
            reader.report("DNB503", node, problem)


def _check_expected_type(reader: Expressions, node: ast.Call, name: str, value: Value) -> None:
    if name in _TAKES_MORE and not _is_named(node, "expected_type"):
        return  # it is an argument
    if isinstance(value, PlainData) and value.kind not in ("input", "None"):
        text = f"context.{name}: expected_type is {with_article(value.kind)}, not a type."
        reader.report("DNB404", node, text)


def _check_task_list(reader: Expressions, node: ast.Call, name: str, value: Value) -> None:
    if isinstance(value, TaskValue):
        instead = f"Pass a list: context.{name}([...])."
        reader.report("DNB404", node, f"context.{name} takes a list of tasks, not one task.", instead)
    elif isinstance(value, SetValue):
        reader.check_iteration(node, value)


def _check_fire_at(reader: Expressions, node: ast.Call, name: str, value: Value) -> None:
    is_number = isinstance(value, PlainData) and value.kind in ("int", "float")
    if is_number or value == InstanceValue("datetime.timedelta"):
        instead = "Add it to the time: context.create_timer(context.current_utc_datetime + timedelta(...))."
        reader.report("DNB404", node, "context.create_timer takes a point in time, not a duration.", instead)


def _check_retry_options(reader: Expressions, node: ast.Call, name: str, value: Value) -> None:
    if isinstance(value, PlainData) and value.kind != "input":
        text = f"context.{name}: retry_options is {with_article(value.kind)}, not RetryOptions."
        reader.report("DNB404", node, text, f"Write context.{name}(name, RetryOptions(...), input_).")


_TAKES_MORE = ("call_activity", "call_activity_with_retry")
"""Methods that take further arguments for the function."""

_Check = Callable[["Expressions", ast.Call, str, Value], None]

_RETRY_CHECKS: dict[str, _Check] = {
    "retry_options": _check_retry_options,
    "expected_type": _check_expected_type,
}

_CHECKS: dict[str, dict[str, _Check]] = {
    "call_activity": {"expected_type": _check_expected_type},
    "call_activity_with_retry": {
        "retry_options": _check_retry_options,
        "expected_type": _check_expected_type,
    },
    "call_sub_orchestrator": {"expected_type": _check_expected_type},
    "call_sub_orchestrator_with_retry": {
        "retry_options": _check_retry_options,
        "expected_type": _check_expected_type,
    },
    "create_timer": {"fire_at": _check_fire_at},
    "task_all": {"activities": _check_task_list},
    "task_any": {"activities": _check_task_list},
}


# -- the data of external events -------------------------------------------------------------------


def check_event_data_as_value(reader: Expressions, node: ast.AST) -> None:
    """Report event data that is used as a value, where Azure's client may send it as JSON text."""
    if reader.body.scope.imports_azure:
        text = "The event's data is used as a value; Azure's client sends it as JSON text."
        reader.report("DNB407", node, text)


def check_event_data_call(reader: Expressions, node: ast.Call, path: str) -> None:
    """Report ``json.loads`` of event data that may be a value; code that checks its type is sound."""
    if path in ("builtins.isinstance", "builtins.type"):
        name: ast.expr = node.args[0]
        while isinstance(name, ast.Attribute):
            name = name.value
        if isinstance(name, ast.Name):
            reader.known[name.id] = None
    elif path == "json.loads" and not reader.tries:
        reader.report("DNB407", node, "The event's data is read as JSON text; it may be the value itself.")
