"""The engine's parts are wired by their constructors: none sets an attribute of a part that it was given."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import durablenb.engine

MODULES = sorted(Path(durablenb.engine.__file__).parent.rglob("*.py"))

Function = ast.FunctionDef | ast.AsyncFunctionDef


def set_attributes(node: ast.AST) -> Iterator[ast.Attribute]:
    """Yield the attributes that statements inside of this node assign or delete."""
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and not isinstance(part.ctx, ast.Load):
            yield part


def given_to(constructor: Function) -> tuple[set[str], set[str]]:
    """Return a constructor's parameters, and the attributes that hold them or parts of them."""
    arguments = constructor.args
    parameters = {one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    parameters.discard("self")
    held = set()
    for node in ast.walk(constructor):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(
            node.value, (ast.Name, ast.Attribute)
        ):
            names = {part.id for part in ast.walk(node.value) if isinstance(part, ast.Name)}
            if names & parameters:
                held |= {target.attr for target in set_attributes(node)}
    return parameters, held


def violations(source: str) -> list[str]:
    """Return the attributes of parts that a class was given and that it sets."""
    found = []
    for class_ in ast.walk(ast.parse(source)):
        if not isinstance(class_, ast.ClassDef):
            continue
        methods = [one for one in class_.body if isinstance(one, Function)]
        for constructor in [one for one in methods if one.name == "__init__"]:
            parameters, held = given_to(constructor)
            for target in set_attributes(constructor):
                if isinstance(target.value, ast.Name) and target.value.id in parameters:
                    found.append(f"{class_.name}: {ast.unparse(target)}")
            for target in set_attributes(class_):
                part = target.value
                if (
                    isinstance(part, ast.Attribute)
                    and ast.unparse(part.value) == "self"
                    and part.attr in held
                ):
                    found.append(f"{class_.name}: {ast.unparse(target)}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_part_of_the_engine_sets_an_attribute_of_a_part_that_it_was_given(path):
    assert violations(path.read_text("utf-8")) == []


WIRED = """
class Part:
    def __init__(self, other, services):
        self._other = other
        self._clock: Clock = services.clock
        self._own = Own(other)
        other.when_closed = self._closed

    def advance(self):
        self._own.is_busy = True
        self._other.is_busy = True
        self._clock.seconds += 1
        self.is_busy = True
"""


def test_hooks_and_flags_of_other_parts_are_found():
    assert violations(WIRED) == [
        "Part: other.when_closed",
        "Part: self._other.is_busy",
        "Part: self._clock.seconds",
    ]
