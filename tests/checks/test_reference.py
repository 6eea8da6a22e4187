"""The reference of the checks: every code, what it says, and examples that the checker agrees with."""

import re
from pathlib import Path

import pytest

from durablenb.checks.checker import check_body
from durablenb.checks.orchestrator_finder import OrchestratorFinder
from durablenb.checks.registered_names import RegisteredNames
from durablenb.checks.rules import PAGE, RULES

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (DNB\d+): (.*?)(?=^\(dnb|^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
IN_FRONT = BLOCK.search(TEXT)[1]


def codes_in(example):
    names = RegisteredNames()
    found = OrchestratorFinder([("example", f"{IN_FRONT}\n{example}")], names).orchestrators
    assert found
    return {one.code for place, body in found for one in check_body(body, place, names)}


def test_every_code_has_a_section_and_a_place_to_link_to():
    assert list(SECTIONS) == list(RULES)
    assert re.findall(r"^\((dnb\d+)\)=$", TEXT, re.MULTILINE) == [code.lower() for code in RULES]


@pytest.mark.parametrize("code", RULES)
def test_a_section_says_what_the_rule_says(code):
    plain = SECTIONS[code].replace("`", "").lower()
    assert plain.startswith(RULES[code].title.lower())
    assert RULES[code].why.lower() in plain
    assert RULES[code].instead.lower() in plain


@pytest.mark.parametrize("code", RULES)
def test_the_first_example_breaks_the_rule_and_the_second_one_none(code):
    bad, good = BLOCK.findall(SECTIONS[code])
    assert codes_in(bad) == {code}
    assert codes_in(good) == set()
