"""Whatever Python's grammar has can be read: new statements, odd ones, and the whole of some libraries."""

import ast
import asyncio
import contextlib
import enum
import statistics
import tokenize
import traceback
from pathlib import Path

import pytest

from durablenb.checks.abstract_values import Body
from durablenb.checks.checker import check_body
from durablenb.checks.orchestrator_finder import OrchestratorFinder, evaluate
from durablenb.checks.registered_names import RegisteredNames
from durablenb.checks.source_scope import SourceScope

EVERYTHING = """
@hub.orchestrator
async def everything(context, /, one=1, *more, named=2, **others):
    x: int = 1
    y: int
    x += 1
    [a, *b] = [1, 2, 3]
    (c := a)
    del b[0], x
    with context.lock([]) as held, context.lock([]):
        pass
    async with context.lock([]) as (d, e):
        pass
    async for f in context.get_input():
        continue
    else:
        pass
    for g, (h, i) in {}.items():
        if g and not h or i:
            break
        elif g is None:
            raise ValueError from None
    while c < 3 <= 4 != 5:
        c -= ~1
    try:
        assert c, "text"
    except* ValueError as error:
        print(error)
    else:
        pass
    finally:
        pass
    match c:
        case [1, *rest] | (1, rest) if rest:
            pass
        case {"a": 1, **kept}:
            pass
        case df.EntityId(name="a") as found:
            pass
        case _:
            pass

    class Inner:
        z = 1

    def inner(p=1, *, q=2):
        yield
        yield from [p, q]
        return (lambda *r, **s: (r, s))(*more, **others)

    j = [k async for k in inner() if k][1:2][::3]
    table[1:2, ..., ::3]
    m = {**{}, "n": f"{c!r:>{a}}"}, {*[]}, {o: 1 for o in "ab"}
    return (await context.call_activity("a")) if j else (1, m, one, named, held, f, kept, found, Inner)
"""

LIBRARIES = [asyncio, contextlib, enum, statistics, tokenize, traceback]


def test_every_statement_and_every_expression_can_be_read():
    names = RegisteredNames()
    ((place, body),) = OrchestratorFinder([("everything", EVERYTHING)], names).orchestrators
    assert check_body(body, place, names) == []


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda one: one.__name__)
def test_any_function_can_be_read_as_if_it_were_an_orchestrator(library):
    file = Path(library.__file__)
    files = file.parent.glob("*.py") if file.name == "__init__.py" else [file]
    read = 0
    for one in files:
        text = one.read_text(encoding="utf-8")
        tree, lines = ast.parse(text), tuple(text.splitlines())
        scope = SourceScope(lines, None, evaluate)
        scope.read(tree.body)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                found = check_body(Body(node, scope, lines), "")
                assert all(1 <= finding.line <= len(lines) for finding in found)
                read += 1
    assert read > 10
