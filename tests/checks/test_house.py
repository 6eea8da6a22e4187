"""No false alarm in what the house itself shows: its lessons, its pages, Azure's listings, its own tests."""

import re
import textwrap
from pathlib import Path

import pytest

from durablenb.checks.checker import check_body
from durablenb.checks.files import check_files, source_texts
from durablenb.checks.orchestrator_finder import OrchestratorFinder
from durablenb.checks.registered_names import RegisteredNames
from tests import test_seed

ROOT = Path(__file__).parent.parent.parent
HERE = Path(__file__).parent
PAGES = sorted(
    page
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    if not {"_build", "lessons", "generated"} & set(page.parts) and page.name != "checks.md"
)
PYTHON_BLOCK = re.compile(r"^( *)```python\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)

OBSERVED = {"DNB302", "DNB401", "DNB405"}
"""What tests do in order to see something: note a replay in a list, leave a task alone, drop an input."""

LESSON_ON_MISTAKES = "04_break_determinism_and_mend_it.ipynb"

MEANT = {
    "azure/durabletask/test_orchestrations.py": {"DNB406"},
    "engine/test_turns.py": {"DNB106"},
    "faults/test_exceptions.py": {"DNB203", "DNB205", "DNB402", "DNB403"},
    "faults/test_payloads.py": {"DNB402"},
    "faults/test_poison.py": {"DNB403"},
    "schedules/scenarios.py": {"DNB406"},
    "traps/test_row_01_continue_as_new_carries_events.py": {"DNB203", "DNB204"},
    "traps/test_row_13_retries.py": {"DNB404"},
    "traps/test_row_14_missing_code.py": {"DNB501"},
    "traps/test_row_36_misuse.py": {"DNB203", "DNB402"},
}
"""Tests that are about a mistake, and which."""


def findings_of(texts):
    names = RegisteredNames()
    found = OrchestratorFinder(texts, names).orchestrators
    return len(found), [str(one) for place, body in found for one in check_body(body, place, names)]


def test_the_lessons_are_sound_where_they_are_not_about_mistakes():
    report = check_files([ROOT / "notebooks"])
    assert report.problems == []
    assert report.orchestrators >= 12
    told = [str(one) for one in report.findings]
    assert [one for one in told if LESSON_ON_MISTAKES not in one] == []


def test_the_lesson_on_mistakes_has_those_that_it_is_about():
    report = check_files([ROOT / "notebooks" / LESSON_ON_MISTAKES])
    assert [one.code for one in report.findings] == ["DNB102", "DNB104", "DNB102", "DNB101"]


def test_azures_listings_are_sound():
    listings = {
        name: text
        for name, text in vars(test_seed).items()
        if isinstance(text, str) and "import durablenb" in text
    }
    counts = []
    for name, text in listings.items():
        count, findings = findings_of([(name, text)])
        assert findings == []
        counts.append(count)
    assert sum(counts) >= 4


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_documentation_is_sound(page):
    blocks = [textwrap.dedent(block) for _, block in PYTHON_BLOCK.findall(page.read_text(encoding="utf-8"))]
    _, findings = findings_of([(f"block {number}", block) for number, block in enumerate(blocks)])
    assert findings == []


def test_the_tests_are_sound_where_they_are_not_about_mistakes():
    folder = ROOT / "tests"
    found = {}
    for file in sorted(folder.rglob("*.py")):
        if HERE not in file.parents:
            count, findings = findings_of(source_texts(file))
            if count:
                name = str(file.relative_to(folder))
                found[name] = {one.split()[1] for one in findings} - OBSERVED
    assert len(found) > 50
    assert {
        name: codes - MEANT.get(name, set())
        for name, codes in found.items()
        if codes - MEANT.get(name, set())
    } == {}
