"""The documentation is complete, its links lead somewhere, and what it says of names and tables is so."""

import argparse
import ast
import importlib
import re
import textwrap
from dataclasses import fields
from pathlib import Path

import nbformat
import pytest

import durablenb as df
from durablenb.cli import command_line
from durablenb.model import errors, events

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
MADE = {
    DOCS / "_build",
    DOCS / "jupyter_execute",
    DOCS / "tutorial/lessons",
    DOCS / "reference/generated",
    DOCS / "_static/house.svg",
}
PAGES = sorted(page for page in DOCS.rglob("*.md") if MADE.isdisjoint(page.parents))
RECORDS = sorted((DOCS / "explanation" / "adr").glob("[0-9]*.md"))
TEXTS = [*PAGES, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md"))]

PYTHON_BLOCK = re.compile(r"^( *)```python\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)[^)]*\)")
LISTED = re.compile(r"^(?:   |\.\. autoclass:: durablenb\.)((?:[a-z_]+\.)+[A-Z]\w+)(?:\(\))?$", re.MULTILINE)
ROW = re.compile(r"^\| `(\w+)` \|(.*)$", re.MULTILINE)


def name_of(page):
    return str(page.relative_to(ROOT))


def read(page):
    return page.read_text(encoding="utf-8")


def test_every_name_that_the_reference_lists_by_its_module_is_there():
    listed = LISTED.findall(read(DOCS / "reference/api.md"))
    assert len(listed) > 20
    for name in listed:
        module, _, attribute = f"durablenb.{name}".rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def reference(name):
    return read(DOCS / "reference" / name)


def section(page, title):
    """The text under a heading of the page."""
    return re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)[1]


def linked_pages():
    """Every page that stands in the toctree of another."""
    for page in PAGES:
        for block in TOCTREE.findall(read(page)):
            for entry in block.split():
                yield (page.parent / f"{entry}.md").resolve()


def test_the_api_reference_lists_every_public_name_and_no_other():
    listed = set(re.findall(r"^ {3}(\w+)$", reference("api.md"), re.MULTILINE))
    assert listed == set(df.__all__)


def test_the_error_reference_tells_of_every_error():
    page = reference("errors.md")
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    assert {name for name in kinds if f"`{name}`" not in page} == set()


def test_the_error_reference_names_the_builtin_kinds():
    for name, kind in ROW.findall(reference("errors.md")):
        (other,) = re.findall(r"^ (.+?) \|", kind)
        if other != "the original type":
            (parent,) = set(getattr(errors, name).__bases__) - {errors.DurableError}
            assert other == f"`{parent.__name__}`", name


def test_the_event_reference_has_every_event_with_its_fields():
    rows = dict(ROW.findall(reference("events.md")))
    common = {field.name for field in fields(events.Event)}
    assert {name for name in rows if name in common} == common
    kinds = {kind.__name__: kind for kind in events.ALL_EVENTS}
    assert set(rows) - common == set(kinds)
    for name, kind in kinds.items():
        cell = rows[name].split("|")[0]
        listed = re.findall(r"`(\w+)`", cell)
        assert listed == [field.name for field in fields(kind) if field.name not in common], name


def made_for_users(hub):
    """The tables, views and macros of a hub, and those of them that are durablenb's own."""
    views = "select view_name from duckdb_views() where not internal"
    macros = "select function_name || '(' || parameters[1] || ')' from duckdb_functions() where not internal"
    names = {name for (name,) in hub.sql(f"{views} union all {macros}").fetchall()}
    return names | {"journal"}, {"instance_states", "states_until(place)", "standing"}


def test_the_table_reference_has_every_column_with_its_type():
    page = reference("tables.md")
    with df.TaskHub(":memory:") as hub:
        names, own = made_for_users(hub)
        documented = re.findall(r"^## `([a-z_()]+)`$", page, re.MULTILINE)
        assert sorted(documented) == sorted(names - own)
        assert [name for name in own if f"`{name}`" not in page] == []
        for name in documented:
            rows = re.findall(r"^\| `(\w+)` \| `([\w\[\]]+)` \|", section(page, f"`{name}`"), re.MULTILINE)
            source = name.replace("(id)", "('')")
            described = hub.sql(f"select column_name, column_type from (describe from {source})").fetchall()
            assert rows == described, name


def test_the_queries_of_the_table_reference_answer():
    queries = re.findall(r"^```sql\n(.*?)^```", reference("tables.md"), re.MULTILINE | re.DOTALL)
    assert len(queries) == 3
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:

        @hub.activity
        def charge(amount):
            raise ValueError(f"{amount} is too much")

        @hub.activity
        def ship():
            return "shipped"

        @hub.orchestrator
        def order(context):
            try:
                yield context.call_activity_with_retry(charge, df.RetryOptions(1_000, 2), 7)
            except ValueError:
                yield context.call_activity(ship)

        hub.run(order, instance_id="order-7")
        hub.start(order, instance_id="order-8")
        hub.step()
        standing, failing, waiting = (hub.sql(query).fetchall() for query in queries)
    assert [row[:3] for row in standing] == [("order", "Completed", 1), ("order", "Running", 1)]
    assert failing == [("charge", "builtins.ValueError", 2, "7 is too much")]
    assert [row[:4] for row in waiting] == [("order-8", "charge", "7", 1)]


def test_the_command_reference_has_every_command_with_its_arguments():
    page = reference("command-line.md")
    (commands,) = (
        action.choices
        for action in command_line._parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    headings = dict(re.findall(r"^## `durablenb (\w+) ?(.*)`$", page, re.MULTILINE))
    assert set(headings) == set(commands)
    for name, command in commands.items():
        usage = " ".join(command.format_usage().split())
        for word in headings[name].replace("[", "").replace("]", "").split():
            assert word in usage
        assert len(headings[name].split()) == len(usage.split()) - 4  # "usage: durablenb NAME [-h]"


def test_every_page_is_in_a_toctree():
    assert set(PAGES) - {DOCS / "index.md"} <= set(linked_pages())


@pytest.mark.parametrize("record", RECORDS, ids=name_of)
def test_every_decision_record_is_listed_under_its_number(record):
    number = int(record.name[:4])
    assert number == RECORDS.index(record) + 1
    assert read(record).startswith(f"# {number}. ")
    assert record in set(linked_pages())


@pytest.mark.parametrize("page", TEXTS, ids=name_of)
def test_links_lead_to_files(page):
    places = {link: (page.parent / link).resolve() for link in LINK.findall(read(page))}
    assert [link for link, place in places.items() if not (place.exists() or place in MADE)] == []


def test_the_pages_that_the_changelog_names_are_there():
    lessons = [
        nbformat.read(path, as_version=4).cells[0].source for path in (ROOT / "notebooks").glob("*.ipynb")
    ]
    titles = tuple(re.findall(r"^# (.+)", "\n".join([*map(read, PAGES), *lessons]), re.MULTILINE))
    text = " ".join(read(ROOT / "CHANGELOG.md").partition("## 0.1.0")[0].split())
    named = {
        name for places in re.findall(r"\bSee (\*.+?\*)\.", text) for name in re.findall(r"\*(.+?)\*", places)
    }
    assert len(named) > 20
    assert [name for name in named if not any(title.startswith(name) for title in titles)] == []


def test_the_picture_of_the_architecture_has_every_room(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    house = importlib.import_module("house")
    package = ROOT / "durablenb"
    rooms = {path.stem for path in package.iterdir() if path.is_dir() or path.suffix == ".py"}
    rooms -= {"__init__", "__main__", "__pycache__"}
    picture = house.picture()
    assert {room for floor in house.floors() for room in floor} == rooms
    assert all(f">{room}</text>" in picture and house.size(room) in picture for room in rooms)
    assert house.imports()["notebook", "analysis"] > house.imports()["hub", "notebook"] > 0


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_blocks_are_python(page):
    for _, block in PYTHON_BLOCK.findall(read(page)):
        ast.parse(textwrap.dedent(block))
