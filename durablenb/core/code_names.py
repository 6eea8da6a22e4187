"""The names that a function's code looks up outside of itself."""

from __future__ import annotations

import dis
from collections.abc import Iterator, Sequence
from types import CodeType
from typing import NamedTuple

_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_LOCALS = frozenset({"LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_FAST_CHECK", "LOAD_FAST_AND_CLEAR"})
_CLOSURES = frozenset({"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"})


class NameRead(NamedTuple):
    """A name that code reads, and the attributes of it that are read at once: ``numpy.linalg.norm``."""

    name: str
    attributes: tuple[str, ...] = ()


class ImportRead(NamedTuple):
    """An ``import`` inside of a function.

    Parameters
    ----------
    module, level
        The module's name, and the number of dots before it.
    names
        The names that ``from ... import`` takes; None for a plain ``import``.
    reads
        What the function reads of a module that it imports plainly; None if it does something else with it.
    """

    module: str
    level: int
    names: tuple[str, ...] | None
    reads: tuple[tuple[str, ...], ...] | None = None


def global_reads(code: CodeType) -> Iterator[NameRead]:
    """Yield the globals that a code reads, and those of the functions and classes inside it."""
    for inner in nested_codes(code):
        steps = list(dis.get_instructions(inner))
        own = {step.argval for step in steps if step.opname == "STORE_NAME"}  # a class's own names
        for position, step in enumerate(steps):
            if step.opname in _LOADS and step.argval not in own:
                yield NameRead(step.argval, _attributes(steps, position + 1))


def closure_reads(code: CodeType) -> Iterator[NameRead]:
    """Yield the variables of functions around it that a code, or one inside it, reads."""
    for inner in nested_codes(code):
        steps = list(dis.get_instructions(inner))
        for position, step in enumerate(steps):
            if step.opname in _CLOSURES:
                yield NameRead(step.argval, _attributes(steps, position + 1))


def stored_globals(code: CodeType) -> set[str]:
    """Return the globals that a code, or one inside it, assigns."""
    return {
        step.argval
        for inner in nested_codes(code)
        for step in dis.get_instructions(inner)
        if step.opname == "STORE_GLOBAL"
    }


def import_reads(code: CodeType) -> Iterator[ImportRead]:
    """Yield the imports of a code, and of the functions and classes inside it."""
    for inner in nested_codes(code):
        steps = list(dis.get_instructions(inner))
        for position, step in enumerate(steps):
            if step.opname == "IMPORT_NAME":
                level, names = steps[position - 2].argval, steps[position - 1].argval
                yield ImportRead(step.argval, level, names, _reads_of_import(steps, position, step.argval))


def nested_codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code, and those of the functions and classes inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested_codes(constant)


def _attributes(steps: Sequence[dis.Instruction], start: int) -> tuple[str, ...]:
    names = []
    for step in steps[start:]:
        if step.opname not in _ATTRIBUTES:
            break
        names.append(step.argval)
    return tuple(names)


def _reads_of_import(
    steps: Sequence[dis.Instruction], position: int, module: str
) -> tuple[tuple[str, ...], ...] | None:
    """Return what is read of the local variable that holds an imported module; None if that is unclear."""
    after = steps[position + 1] if position + 1 < len(steps) else None
    if "." in module or after is None or after.opname != "STORE_FAST":
        return None
    variable, reads = after.argval, []
    for place, step in enumerate(steps):
        if step.opname in _LOCALS and step.argval == variable:
            reads.append(_attributes(steps, place + 1))
        elif isinstance(step.argval, tuple) and variable in step.argval and "LOAD_FAST" in step.opname:
            return None  # two variables are loaded at once
    return tuple(reads) if all(reads) else None
