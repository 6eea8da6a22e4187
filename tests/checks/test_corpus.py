"""The checker against a corpus: what it has to find, what it may not, and what it is known to miss.

A line of `corpus/bad.py` that is wrong says so: ``# finds DNB101``. One on which the checker can't see what
is wrong says ``# misses DNB101``. In `corpus/good.py` all is sound.
"""

import importlib
import re
from pathlib import Path

import pytest

import durablenb as df
from durablenb.checks.files import check_files

CORPUS = Path(__file__).parent / "corpus"


def marked(name, word):
    """The lines that say this of themselves, each with its code."""
    lines = (CORPUS / f"{name}.py").read_text(encoding="utf-8").splitlines()
    return {
        (number, code)
        for number, line in enumerate(lines, start=1)
        for codes in re.findall(rf"# {word} (DNB\d+(?:, DNB\d+)*)", line)
        for code in codes.split(", ")
    }


def found_in_file(name):
    return {(one.line, one.code) for one in check_files([CORPUS / f"{name}.py"]).findings}


def found_in_functions(name):
    module = importlib.import_module(f"tests.checks.corpus.{name}")
    orchestrators = [one for one in module.bp.get_functions() if one.kind == "orchestrator"]
    return {(one.line, one.code) for function in orchestrators for one in df.check(function)}


@pytest.fixture(params=[found_in_file, found_in_functions], ids=["file", "functions"])
def found_in(request):
    return request.param


def test_it_finds_what_is_wrong_and_nothing_else(found_in):
    assert found_in("bad") == marked("bad", "finds")


def test_it_finds_nothing_in_what_is_sound(found_in):
    assert found_in("good") == set()


def test_what_it_misses_is_little():
    found, missed = marked("bad", "finds"), marked("bad", "misses")
    assert not found & missed
    assert len(found) / (len(found) + len(missed)) > 0.95


def test_the_corpus_is_large_enough_to_mean_something():
    assert check_files([CORPUS / "bad.py"]).orchestrators >= 60
    assert check_files([CORPUS / "good.py"]).orchestrators >= 60


def test_libraries_are_known_that_are_not_installed():
    assert found_in_file("elsewhere") == marked("elsewhere", "finds")
