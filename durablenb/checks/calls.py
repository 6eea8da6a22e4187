"""Checks calls: of forbidden functions, of activities, of the context, and of helpers, which are read too."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from durablenb.checks import context_calls, outside_state, tasks
from durablenb.checks.abstract_values import (
    ActivityResult,
    ContextMember,
    ContextValue,
    EntityProxyValue,
    EventData,
    Function,
    InstanceValue,
    LiveIterator,
    NamedObject,
    PlainData,
    SetValue,
    TaskValue,
    Unstarted,
    Value,
)
from durablenb.checks.forbidden_calls import GENERATORS, rule_for_call
from durablenb.checks.rules import RULES, is_silenced

if TYPE_CHECKING:
    from durablenb.checks.expressions import Expressions

_ORDERLESS = {
    "builtins.all",
    "builtins.any",
    "builtins.frozenset",
    "builtins.len",
    "builtins.max",
    "builtins.min",
    "builtins.set",
    "builtins.sorted",
    "builtins.sum",
    "collections.Counter",
    "math.fsum",
    "math.prod",
    "statistics.mean",
    "statistics.median",
}
"""Functions whose result doesn't depend on the order of their argument's items."""

_LISTS = {"list", "tuple", "map", "filter"}

_READING = {f"builtins.{name}" for name in (*_LISTS, "enumerate", "zip", "iter", "dict")} | {
    "collections.deque",
    "functools.reduce",
    "itertools.chain",
    "itertools.islice",
    "itertools.product",
    "itertools.permutations",
    "itertools.combinations",
    "itertools.groupby",
    "itertools.accumulate",
    "itertools.cycle",
    "random.Random().choice",
    "random.Random().sample",
    "json.dumps",
    "numpy.array",
    "pandas.DataFrame",
    "pandas.Series",
}
"""Functions that iterate over their arguments."""

_PRINTING = ("builtins.print", "logging.", "warnings.warn", "pprint.pprint")

_RESULTS: dict[str, Value] = {
    "builtins.set": SetValue(),
    "builtins.frozenset": SetValue(is_frozen=True),
    "builtins.list": PlainData("list"),
    "builtins.sorted": PlainData("list"),
    "builtins.dict": PlainData("dict"),
    "builtins.tuple": PlainData("tuple"),
    "builtins.str": PlainData("str"),
    "builtins.repr": PlainData("str"),
    "builtins.int": PlainData("int"),
    "builtins.len": PlainData("int"),
    "builtins.range": PlainData("range"),
    "builtins.iter": LiveIterator(),
    "itertools.count": LiveIterator(),
    "itertools.cycle": LiveIterator(),
    "collections.deque": PlainData("deque"),
    "collections.defaultdict": PlainData("dict"),
    "collections.Counter": PlainData("dict"),
    "collections.OrderedDict": PlainData("dict"),
    "logging.getLogger": InstanceValue("logging.Logger"),
    "pathlib.Path.cwd": InstanceValue("pathlib.Path"),
    "pathlib.Path.home": InstanceValue("pathlib.Path"),
    "requests.session": InstanceValue("requests.Session"),
    "pandas.read_csv": InstanceValue("pandas.DataFrame"),
    "pandas.read_parquet": InstanceValue("pandas.DataFrame"),
    "numpy.random.default_rng": InstanceValue("numpy.random.default_rng"),
}

_IN_MEMORY = (
    InstanceValue("io.StringIO"),
    InstanceValue("io.BytesIO"),
    InstanceValue("pandas.ExcelWriter"),  # its own file is judged where it is opened
)
"""Targets of reads and writes that aren't files."""

_SAME_SET = ("union", "intersection", "difference", "symmetric_difference", "copy")

_PATHS = {
    "absolute",
    "expanduser",
    "joinpath",
    "relative_to",
    "resolve",
    "with_name",
    "with_stem",
    "with_suffix",
}
"""Methods of a path that return another path."""

_SCHEDULING = {
    "call_activity",
    "call_activity_with_retry",
    "call_entity",
    "call_http",
    "call_sub_orchestrator",
    "call_sub_orchestrator_with_retry",
    "create_timer",
    "new_guid",
    "new_uuid",
    "signal_entity",
    "wait_for_external_event",
}
"""Methods of the context whose calls are recorded in order."""


def check_call(reader: Expressions, node: ast.Call) -> Value:
    """Check a call and its arguments; return its result's value."""
    owner, target = _callee(reader, node.func)
    path = target.path if isinstance(target, NamedObject) else ""
    is_orderless = path in _ORDERLESS or (
        reader.is_orderless and path in {f"builtins.{name}" for name in _LISTS}
    )
    with reader.harmless_if(path.startswith(_PRINTING)):
        values = _argument_values(reader, node, is_orderless=is_orderless)
    first = values[id(node.args[0])] if node.args else None
    if path:
        _check_path(reader, node, path, first, list(values.values()))
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if path in _READING or (isinstance(owner, PlainData) and method in ("join", "extend")):
        for argument in node.args:
            reader.check_iteration(node, values[id(argument)], is_orderless=is_orderless)
    outside_state.check_method(reader, node, owner)
    if isinstance(first, EventData):
        context_calls.check_event_data_call(reader, node, path)
    if isinstance(owner, TaskValue) and method == "get_result":
        return owner.result
    match target:
        case ContextMember():
            if target.name == "entity":
                context_calls.check_entity_name(reader, node, lambda argument: values[id(argument)])
            return context_calls.check_context_call(
                reader, node, target.name, lambda argument: values[id(argument)]
            )
        case NamedObject() if reader.names is not None and reader.names.is_activity(target):
            return _check_direct_call(reader, node, path.rpartition(".")[2])
        case NamedObject():
            if path.endswith(".EntityId"):
                context_calls.check_entity_name(reader, node, lambda argument: values[id(argument)])
            return _result(path, target, first)
        case Function():
            return _check_function_call(reader, node, target, values)
    if isinstance(owner, SetValue) and isinstance(node.func, ast.Attribute):
        return _set_method(reader, node, owner, node.func.attr)
    return None


def _callee(reader: Expressions, node: ast.expr) -> tuple[Value, Value]:
    """Return the object whose method is called, None for a plain function, and what is called."""
    if isinstance(node, ast.Attribute):
        owner = reader.value(node.value)
        return owner, reader.attribute(owner, node)
    return None, reader.value(node)


def _argument_values(reader: Expressions, node: ast.Call, *, is_orderless: bool) -> dict[int, Value]:
    """Return the values of a call's arguments, by the ids of their nodes."""
    arguments = (*node.args, *(keyword.value for keyword in node.keywords))
    return {id(argument): reader.value(argument, is_orderless=is_orderless) for argument in arguments}


def _check_path(
    reader: Expressions, node: ast.Call, path: str, first: Value, arguments: Sequence[Value]
) -> None:
    constant = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
    code = rule_for_call(path, len(node.args) + len(node.keywords), constant, has_loop=reader.has_loop)
    if code == "DNB201" and first in _IN_MEMORY:
        return
    if code is None and _is_shared_generator(reader, node, path):
        code = "DNB102"
    if code is not None:
        has_coroutines = any(
            isinstance(argument, Unstarted) and argument.function.is_async for argument in arguments
        )
        advice = special_advice(code, path, has_coroutines=has_coroutines)
        reader.report(code, node, f"{call_text(path)} is called.", advice)
    elif path in ("asyncio.wait", "asyncio.as_completed") and tasks.holds_tasks(first):
        text = f"{path}() takes asyncio's tasks, not the context's."
        reader.report("DNB205", node, text, "Pass asyncio.ensure_future(task) for each of them.")
    elif path == "builtins.id":
        reader.report("DNB105", node, "id() differs in every process.")
    elif path == "builtins.hash" and not (
        isinstance(first, PlainData) and first.kind in ("int", "float", "bool")
    ):
        reader.report("DNB105", node, "hash() of text differs in every process.")
    elif path == "builtins.next" and isinstance(node.args[0] if node.args else None, ast.Name):
        outside_state.check_next(reader, node, first)


def _is_shared_generator(reader: Expressions, node: ast.Call, path: str) -> bool:
    """Tell whether a call draws from a random number generator outside the orchestrator."""
    return (
        path.partition("().")[0] in GENERATORS
        and "()." in path
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and reader.is_shared(node.func.value.id)
    )


def call_text(path: str) -> str:
    """Return a call as messages show it."""
    return f"{path.removeprefix('builtins.').replace('()', '')}()"


def special_advice(code: str, path: str, *, has_coroutines: bool = False) -> str | None:
    """Return the advice against a call where that is more specific than the rule's, or None.

    With `has_coroutines`, an argument is a coroutine of the user's, which is no task of the context.
    """
    if code == "DNB205" and has_coroutines:
        return (
            "Only an async def orchestrator runs coroutines. Write it as one, or turn each coroutine into a "
            "sub-orchestration: yield context.task_all([context.call_sub_orchestrator(...), ...])."
        )
    if path in ("uuid.uuid1", "uuid.uuid4"):
        return "Use context.new_uuid(), or context.new_guid() for a uuid.UUID."
    if path == "asyncio.gather":
        return "Wait for all of them: yield context.task_all([...])."
    if path in ("asyncio.wait", "asyncio.as_completed"):
        return "Wait for the first one: context.task_any([...])."
    if path in ("asyncio.wait_for", "asyncio.timeout"):
        return "Wait for the task or a timer: context.task_any([task, context.create_timer(...)])."
    if path.startswith(("subprocess.", "os.")) and code == "DNB204":
        return RULES["DNB201"].instead
    if path == "asyncio.Lock":
        return "Lock entities: with (yield context.lock([...])):"
    if path in ("asyncio.run", "asyncio.Runner"):
        return "Write the orchestrator as an async def, and await the coroutine."
    return None


def _result(path: str, target: NamedObject, first: Value) -> Value:
    if path in ("builtins.set", "builtins.frozenset") and isinstance(first, SetValue):
        return first
    if path == "builtins.set" and isinstance(first, PlainData) and first.kind == "range":
        return SetValue(is_stable=True)
    if path in _RESULTS:
        return _RESULTS[path]
    owner, _, name = path.rpartition(".")
    if owner == "pathlib.Path()" and name in _PATHS:
        return InstanceValue("pathlib.Path")
    if isinstance(target.object, type) or (name[:1].isupper() and not owner.endswith("()")):
        return InstanceValue(path)
    return InstanceValue("datetime.timedelta") if path == "datetime.timedelta" else None


def _set_method(reader: Expressions, node: ast.Call, owner: SetValue, method: str) -> Value:
    if method == "pop" and not owner.is_stable:
        reader.report(
            "DNB104", node, "pop() removes an arbitrary item of the set.", "Use min(...) or sorted(...)[0]."
        )
    return SetValue(owner.is_stable) if method in _SAME_SET else None


def _check_function_call(
    reader: Expressions, node: ast.Call, function: Function, values: dict[int, Value]
) -> Value:
    is_activity = function.kind == "activity" or (
        reader.names is not None and function.kind is None and reader.names.is_activity(function)
    )
    if is_activity:
        return _check_direct_call(reader, node, function.name)
    if function.kind is None:
        arguments = [values[id(argument)] for argument in node.args]
        _check_helper(reader, node, function, arguments, is_awaited=node is reader.awaited)
    return Unstarted(function) if function.is_generator or function.is_async else None


def _check_direct_call(reader: Expressions, node: ast.Call, name: str) -> Value:
    reader.report("DNB208", node, *direct_call_texts(name))
    return ActivityResult(name)


def direct_call_texts(name: str) -> tuple[str, str]:
    """Return the message about an activity that is called directly, and the advice."""
    instead = RULES["DNB208"].instead.replace("call_activity(...)", f"call_activity({name}, ...)")
    return f"{name}() is an activity, and is called directly.", instead


def schedules(reader: Expressions, node: ast.expr) -> bool:
    """Tell whether an expression schedules something through the context, or awaits."""
    return any(
        isinstance(child, ast.Yield | ast.YieldFrom | ast.Await)
        or (
            isinstance(child, ast.Attribute)
            and child.attr in _SCHEDULING
            and _is_context(reader, child.value)
        )
        for child in ast.walk(node)
    )


def _is_context(reader: Expressions, node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        return reader.known.get(node.id) == ContextValue()
    return isinstance(reader.known.get(getattr(node, "id", "")), EntityProxyValue)


def is_id(node: ast.expr) -> bool:
    """Tell whether an expression is ``id(...)``."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "id"


# -- helpers: functions of the user that an orchestrator calls ------------------------------------

MOST_DEPTH = 3
"""The most calls between an orchestrator and a helper that is read."""

_HELPER_RULES = "123"
"""The hundreds of the rules for a helper that doesn't await."""


def _check_helper(
    reader: Expressions, node: ast.Call, function: Function, arguments: Sequence[Value], *, is_awaited: bool
) -> None:
    """Report the findings in a helper, and in those that it calls, at its call.

    Parameters
    ----------
    arguments
        Its positional arguments.
    is_awaited
        True if the orchestrator awaits the call, so that each ``yield`` inside is the orchestrator's.
    """
    is_awaited = is_awaited or (function.is_async and reader.has_loop)  # as a task of the loop
    if reader.depth >= MOST_DEPTH or reader.muted or (function.is_async and not is_awaited):
        return
    body = function.load()
    if body is None:
        return
    gets_context = ContextValue() in arguments
    is_part = gets_context and is_awaited and (function.is_generator or function.is_async)
    findings: list[tuple[str, ast.AST, str, str | None]] = []

    def sink(code: str, at: ast.AST, text: str, instead: str | None) -> None:
        applies = is_part or code[3] in _HELPER_RULES or (gets_context and code[3] == "5")
        if applies and not is_silenced(body.lines, code, at):
            findings.append((code, at, text, instead))

    reader.read_helper(body, sink, arguments, waits=is_part)
    for code, at, text, instead in findings:
        line = getattr(at, "lineno", 1) + body.shift
        reader.report(code, node, f"In {function.name}(), line {line}: {text}", instead)
