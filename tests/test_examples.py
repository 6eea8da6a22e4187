"""Each public member of what users hold has an example in its docstring, which the doctests run."""

import inspect

import pytest

import durablenb as df


def docstrings(cls):
    """The docstrings of the public methods and properties of a class, by their names."""
    for name in dir(cls):
        member = inspect.getattr_static(cls, name)
        is_descriptor = isinstance(member, property | staticmethod | classmethod)
        if not name.startswith("_") and (is_descriptor or inspect.isfunction(member)):
            yield name, inspect.getdoc(member)


@pytest.mark.parametrize("cls", [df.DurableOrchestrationContext, df.TaskHub, df.Handle, df.EntityHandle])
def test_each_public_member_has_an_example(cls):
    found = dict(docstrings(cls))
    assert len(found) >= 5
    assert [name for name, text in found.items() if ">>> " not in (text or "")] == []


def test_the_hub_of_the_examples_is_the_one_in_the_reference(pytestconfig):
    shown = (pytestconfig.rootpath / "docs/reference/api.md").read_text("utf-8")
    used = (pytestconfig.rootpath / "conftest.py").read_text("utf-8")
    functions = shown.partition("VirtualClock())\n")[2].partition("```")[0]
    assert "class Counter" in functions
    lines = [line.strip() for line in used.splitlines()]
    assert [line for line in functions.splitlines() if line.strip() not in lines] == []
