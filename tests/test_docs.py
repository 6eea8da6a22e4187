"""The documentation is complete, and its links lead somewhere."""

import ast
import re
import textwrap
from pathlib import Path

import pytest

import durablenb
from durablenb.model import errors

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
MADE = {
    DOCS / "_build",
    DOCS / "jupyter_execute",
    DOCS / "tutorial/lessons",
    DOCS / "reference/generated",
}
PAGES = sorted(page for page in DOCS.rglob("*.md") if MADE.isdisjoint(page.parents))
RECORDS = sorted((DOCS / "explanation" / "adr").glob("[0-9]*.md"))
TEXTS = [*PAGES, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md"))]

PYTHON_BLOCK = re.compile(r"^( *)```python\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)[^)]*\)")


def name_of(page):
    return str(page.relative_to(ROOT))


def read(page):
    return page.read_text(encoding="utf-8")


def linked_pages():
    """Every page that stands in the toctree of another."""
    for page in PAGES:
        for block in TOCTREE.findall(read(page)):
            for entry in block.split():
                yield (page.parent / f"{entry}.md").resolve()


def test_the_api_reference_lists_every_public_name():
    page = read(DOCS / "reference" / "api.md")
    listed = set(re.findall(r"^ {3}(\w+)$", page, re.MULTILINE))
    assert set(durablenb.__all__) - {"__version__"} <= listed


def test_the_error_reference_tells_of_every_error():
    page = read(DOCS / "reference" / "errors.md")
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    assert {name for name in kinds if f"`{name}`" not in page} == set()


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
    missing = [link for link in LINK.findall(read(page)) if not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_blocks_are_python(page):
    for _, block in PYTHON_BLOCK.findall(read(page)):
        ast.parse(textwrap.dedent(block))
