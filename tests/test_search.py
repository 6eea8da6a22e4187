"""The search of the documentation shows the page for a common task among its first two hits."""

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

DOCS = Path(__file__).parent.parent / "docs"
MOST_OF_A_TITLE_OR_AN_OBJECT = 26
"""The highest score that Sphinx's search gives to anything but an index entry: an object by its full name."""

TASKS = {
    "retry": "how-to/handle-failures",
    "cancel": "how-to/stop-an-activity",
    "dask": "how-to/run-activities-on-a-cluster",
    "stuck": "how-to/find-out-why-it-is-stuck",
    "deploy": "how-to/deploy-to-azure",
    "idempotent": "how-to/make-an-activity-idempotent",
    "deadlock": "how-to/lock-several-entities",
    "saga": "how-to/handle-failures",
    "debug": "how-to/find-out-why-it-is-stuck",
    "quickstart": "tutorial/quickstart",
    "agent": "how-to/run-an-agent",
    "llm": "how-to/run-an-agent",
    "budget": "how-to/watch-what-an-agent-does",
    "twice": "how-to/make-an-activity-idempotent",
    "figure": "how-to/put-a-picture-into-a-paper",
    "handout": "tutorial/teaching",
    "export": "how-to/export-histories",
}


@pytest.fixture(scope="module")
def search_words():
    path = DOCS / "_ext" / "search_words.py"
    spec = importlib.util.spec_from_file_location("search_words", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def title_of(page):
    return re.search(r"^# (.+)$", (DOCS / f"{page}.md").read_text("utf-8"), re.MULTILINE)[1]


def hits(words, query):
    """The main index entries that a query finds, by the rules of Sphinx's searchtools.js: score and page."""
    glossary = (DOCS / "glossary.md").read_text("utf-8").partition(":::{glossary}\n")[2]
    terms = [term for line in re.findall(r"^\w.*$", glossary, re.MULTILINE) for term in line.split(", ")]
    entries = [(word, page) for page, found in words.items() for word in found]
    entries += [(term.lower(), "glossary") for term in terms]
    found = {
        (round(100 * len(query) / len(entry)), page)
        for entry, page in entries
        if query in entry and len(query) >= len(entry) / 2
    }
    return sorted(found, key=lambda hit: (-hit[0], title_of(hit[1]).lower()))


def test_each_page_with_search_words_exists_and_each_word_is_lower_case(search_words):
    assert [page for page in search_words.WORDS if not (DOCS / f"{page}.md").exists()] == []
    words = [word for found in search_words.WORDS.values() for word in found]
    assert [word for word in words if word != word.lower()] == []
    assert len(set(words)) == len(words)


@pytest.mark.parametrize(("query", "page"), TASKS.items())
def test_the_page_is_among_the_first_two_hits(search_words, query, page):
    first = hits(search_words.WORDS, query)[:2]
    assert page in [found for _, found in first]
    assert min(score for score, _ in first) > MOST_OF_A_TITLE_OR_AN_OBJECT


def test_the_words_of_a_page_are_main_entries_of_it(search_words):
    from docutils.utils import new_document

    document = new_document("page")
    search_words.add(SimpleNamespace(env=SimpleNamespace(docname="how-to/deploy-to-azure")), document)
    (index,) = document
    assert ("single", "deploy", "", "main", None) in index["entries"]

    document = new_document("page")
    search_words.add(SimpleNamespace(env=SimpleNamespace(docname="changelog")), document)
    assert list(document) == []
