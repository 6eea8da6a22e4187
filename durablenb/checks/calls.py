"""Calls: of what is not for orchestrators, of the context, and of helpers, which are looked into."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from durablenb.checks import contexts, events, helpers, state
from durablenb.checks.catalogue import GENERATORS, code_of
from durablenb.checks.rules import RULES
from durablenb.checks.values import (
    Arrived,
    Context,
    Data,
    Drawn,
    Function,
    Given,
    Instance,
    Made,
    Member,
    Named,
    Proxy,
    SetOf,
    Task,
    Value,
)

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
"""Give the same whatever the order of what they are given."""

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
"""Go through what they are given from first to last."""

_PRINTING = ("builtins.print", "logging.", "warnings.warn", "pprint.pprint")

_RESULTS: dict[str, Value] = {
    "builtins.set": SetOf(),
    "builtins.frozenset": SetOf(is_frozen=True),
    "builtins.list": Data("list"),
    "builtins.sorted": Data("list"),
    "builtins.dict": Data("dict"),
    "builtins.tuple": Data("tuple"),
    "builtins.str": Data("str"),
    "builtins.repr": Data("str"),
    "builtins.int": Data("int"),
    "builtins.len": Data("int"),
    "builtins.range": Data("range"),
    "builtins.iter": Drawn(),
    "itertools.count": Drawn(),
    "itertools.cycle": Drawn(),
    "collections.deque": Data("deque"),
    "collections.defaultdict": Data("dict"),
    "collections.Counter": Data("dict"),
    "collections.OrderedDict": Data("dict"),
    "logging.getLogger": Instance("logging.Logger"),
    "pathlib.Path.cwd": Instance("pathlib.Path"),
    "pathlib.Path.home": Instance("pathlib.Path"),
    "requests.session": Instance("requests.Session"),
    "pandas.read_csv": Instance("pandas.DataFrame"),
    "pandas.read_parquet": Instance("pandas.DataFrame"),
    "numpy.random.default_rng": Instance("numpy.random.default_rng"),
}

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
"""Methods of a path that give another one."""

_ASKING = {
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
"""What the context is asked for in an order that is recorded."""


def called(reader: Expressions, node: ast.Call) -> Value:
    """What a call gives; the rules see it, and what is in it."""
    owner: Value = None
    if isinstance(node.func, ast.Attribute):
        owner = reader.value(node.func.value)
        target = reader.attribute(owner, node.func)
    else:
        target = reader.value(node.func)
    path = target.path if isinstance(target, Named) else ""
    is_orderless = path in _ORDERLESS or (
        reader.is_orderless and path in {f"builtins.{name}" for name in _LISTS}
    )
    values: dict[int, Value] = {}
    with reader.harmlessly(path.startswith(_PRINTING)):
        for argument in (*node.args, *(one.value for one in node.keywords)):
            values[id(argument)] = reader.value(argument, is_orderless=is_orderless)
    first = values[id(node.args[0])] if node.args else None
    if path:
        _check_path(reader, node, path, first, list(values.values()))
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if path in _READING or (isinstance(owner, Data) and method in ("join", "extend")):
        for argument in node.args:
            reader.went_through(node, values[id(argument)], is_orderless=is_orderless)
    state.check_call(reader, node, owner, path, first)
    if isinstance(first, Arrived):
        events.check_call(reader, node, path)
    if isinstance(owner, Task) and method == "get_result":
        return owner.gives
    match target:
        case Member():
            if target.name == "entity":
                contexts.entity_named(reader, node, lambda one: values[id(one)])
            return contexts.asked(reader, node, target.name, lambda one: values[id(one)])
        case Named() if reader.names is not None and reader.names.is_activity(target):
            return _directly(reader, node, path.rpartition(".")[2])
        case Named():
            if path.endswith(".EntityId"):
                contexts.entity_named(reader, node, lambda one: values[id(one)])
            return _result(path, target, first)
        case Function():
            return _given(reader, node, target, values)
    if isinstance(owner, SetOf) and isinstance(node.func, ast.Attribute):
        return _set_method(reader, node, owner, node.func.attr)
    return None


def _check_path(reader: Expressions, node: ast.Call, path: str, first: Value, given: Sequence[Value]) -> None:
    constant = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
    code = code_of(path, len(node.args) + len(node.keywords), constant)
    if code is None and _is_shared_generator(reader, node, path):
        code = "DNB102"
    if code is not None:
        has_coroutines = any(isinstance(one, Made) and one.function.is_async for one in given)
        instead = instead_of(code, path, has_coroutines=has_coroutines)
        reader.report(code, node, f"{shown(path)} is called.", instead)
    elif path == "builtins.id":
        reader.report("DNB105", node, "id() is another one in every process.")
    elif path == "builtins.hash" and not (isinstance(first, Data) and first.kind in ("int", "float", "bool")):
        reader.report("DNB105", node, "hash() of a text is another one in every process.")
    elif path == "builtins.next" and isinstance(node.args[0] if node.args else None, ast.Name):
        state.check_drawn(reader, node, first)


def _is_shared_generator(reader: Expressions, node: ast.Call, path: str) -> bool:
    """Whether it draws from a generator of random numbers that others draw from, too."""
    return (
        path.partition("().")[0] in GENERATORS
        and "()." in path
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and reader.is_shared(node.func.value.id)
    )


def shown(path: str) -> str:
    """A call as it is told of."""
    return f"{path.removeprefix('builtins.').replace('()', '')}()"


def instead_of(code: str, path: str, *, has_coroutines: bool = False) -> str | None:
    """What to write instead of calling it, where that is more than the rule says.

    With `has_coroutines` it gets some of the user's own, which are no tasks of the context.
    """
    if code == "DNB205" and has_coroutines:
        return (
            "The context waits for its own tasks only, not for coroutines. Make each of them a "
            "sub-orchestration: await context.task_all([context.call_sub_orchestrator(...), ...])."
        )
    if path in ("uuid.uuid1", "uuid.uuid4"):
        return "Take context.new_uuid(), or context.new_guid() for a uuid.UUID."
    if path == "asyncio.gather":
        return "Wait for all of them: await context.task_all([...])."
    if path in ("asyncio.wait", "asyncio.as_completed"):
        return "Wait for the first one: context.task_any([...])."
    if path in ("asyncio.wait_for", "asyncio.timeout"):
        return "Wait for the task or a timer: context.task_any([task, context.create_timer(...)])."
    if path == "asyncio.Lock":
        return "Lock entities: async with context.lock([...])."
    return None


def _result(path: str, target: Named, first: Value) -> Value:
    if path in ("builtins.set", "builtins.frozenset") and isinstance(first, SetOf):
        return first
    if path == "builtins.set" and isinstance(first, Data) and first.kind == "range":
        return SetOf(is_stable=True)
    if path in _RESULTS:
        return _RESULTS[path]
    owner, _, name = path.rpartition(".")
    if owner == "pathlib.Path()" and name in _PATHS:
        return Instance("pathlib.Path")
    if isinstance(target.object, type) or (name[:1].isupper() and not owner.endswith("()")):
        return Instance(path)
    return Instance("datetime.timedelta") if path == "datetime.timedelta" else None


def _set_method(reader: Expressions, node: ast.Call, owner: SetOf, method: str) -> Value:
    if method == "pop" and not owner.is_stable:
        reader.report("DNB104", node, "pop() takes any of a set.", "Take min(...) or sorted(...)[0].")
    return SetOf(owner.is_stable) if method in _SAME_SET else None


def _given(reader: Expressions, node: ast.Call, function: Function, values: dict[int, Value]) -> Value:
    is_activity = function.kind == "activity" or (
        reader.names is not None and function.kind is None and reader.names.is_activity(function)
    )
    if is_activity:
        return _directly(reader, node, function.name)
    if function.kind is None:
        is_waited = node is reader.awaited
        given = [values[id(one)] for one in node.args]
        helpers.follow(reader, node, function, given, is_waited=is_waited)
    return Made(function) if function.is_generator or function.is_async else None


def _directly(reader: Expressions, node: ast.Call, name: str) -> Value:
    """An activity is called as what it is, a function."""
    reader.report("DNB208", node, *directly(name))
    return Given(name)


def directly(name: str) -> tuple[str, str]:
    """What is told of an activity that an orchestrator calls itself, and what to write instead."""
    instead = RULES["DNB208"].instead.replace("call_activity(...)", f"call_activity({name}, ...)")
    return f"{name}() is an activity, and is called directly.", instead


def asks_context(reader: Expressions, node: ast.expr) -> bool:
    """Whether the context is asked for something in this expression, or it waits."""
    return any(
        isinstance(one, ast.Yield | ast.YieldFrom | ast.Await)
        or (isinstance(one, ast.Attribute) and one.attr in _ASKING and _is_context(reader, one.value))
        for one in ast.walk(node)
    )


def _is_context(reader: Expressions, node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        return reader.known.get(node.id) == Context()
    return isinstance(reader.known.get(getattr(node, "id", "")), Proxy)


def is_id(node: ast.expr) -> bool:
    """Whether this is ``id(...)``."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "id"
