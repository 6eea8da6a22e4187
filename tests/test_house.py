"""Rules of the house that no linter checks: functions, circles, first words, named files."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "durablenb"
TREES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(
        path.read_text(encoding="utf-8")
    )
    for path in sorted(PACKAGE.rglob("*.py"))
}
MOST_LINES = 40

Definition = ast.FunctionDef | ast.AsyncFunctionDef


def definitions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, Definition)]


def lines(function):
    """The lines of a function's code: without its signature, comments, blank lines, and docstrings."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    used = set()
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.expr | ast.stmt) and not isinstance(node, Definition):
                used |= {node.lineno, node.end_lineno}
                if isinstance(node, ast.Constant):
                    used |= set(range(node.lineno, node.end_lineno + 1))
    return len(used)


def imported_at_once(tree):
    """The modules that are imported while a module is loaded, and not only when a function is called."""
    pending = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending += node.orelse
        elif not isinstance(node, Definition):
            pending += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]


def test_no_function_is_long():
    long = {
        f"{module}.{function.name}": lines(function)
        for module, tree in TREES.items()
        for function in definitions(tree)
        if lines(function) > MOST_LINES
    }
    assert long == {}


def test_names_of_functions_dont_end_with_of():
    exceptions = {
        "durablenb.model.failures.exception_of",  # pickles in hubs' files name it
        "durablenb.hub.client.result_of",  # former names of public methods
        "durablenb.hub.client.status_of",
    }
    names = {
        f"{module}.{function.name}"
        for module, tree in TREES.items()
        for function in definitions(tree)
        if function.name.endswith("_of")
    }
    assert names == exceptions


def test_no_class_sets_an_attribute_of_a_part():
    """`self.part.x = ...` is a method of the part, or an argument of its constructor."""
    exceptions = {
        "self._close.atexit",  # of Python's `finalize`
        "self._processes.own",  # of a `threading.local`
        "self._uvicorn.should_exit",
        "self.future._asyncio_future_blocking",  # as asyncio's protocol for futures demands
        "self._codec.redact",  # a property
    }
    found = {
        ast.unparse(node)
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and not isinstance(node.ctx, ast.Load)
        and isinstance(node.value, ast.Attribute)
        and ast.unparse(node.value.value) == "self"
    }
    assert found == exceptions


def test_no_modules_wait_for_each_other_when_they_are_loaded():
    graph = {
        module: {
            name if name in TREES else name.rpartition(".")[0]
            for name in imported_at_once(tree)
            if name.startswith("durablenb.")
        }
        - {module}
        for module, tree in TREES.items()
    }
    assert "durablenb.engine.engine_loop" in graph["durablenb.engine.engine"]
    assert len(list(TopologicalSorter(graph).static_order())) >= len(TREES)


def test_docstrings_begin_with_what_you_get():
    paths = (ROOT / "tests").rglob("*.py")
    tests = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    documented = (
        (module, ast.get_docstring(node) or "")
        for module, tree in [*TREES.items(), *tests.items()]
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | Definition)
    )
    first = re.compile(r"(What|Who|Whose|Whether|Where)\b")
    assert [(module, text) for module, text in documented if first.match(text)] == []


def test_the_files_that_the_architecture_page_names_are_there():
    page = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    folder, missing, named = PACKAGE, [], re.findall(r"`([\w/]+\.py)`", page)
    for name in named:
        beside = folder / name  # `commands.py` after `engine/state.py`
        path = next((path for path in (PACKAGE / name, beside, ROOT / name) if path.is_file()), None)
        if path is None:
            missing.append(name)
        else:
            folder = path.parent
    assert len(named) > 40
    assert missing == []
