"""The table of traps is covered: each row that is built has a test that is named for it."""

import re
from pathlib import Path

BUILT = {*range(1, 37)}

TEST = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)
NAMED = re.compile(r"test_row_(\d\d)_\w+")


def names_of_tests():
    for file in sorted(Path(__file__).parent.glob("test_row_*.py")):
        yield from TEST.findall(file.read_text(encoding="utf-8"))


def test_every_row_has_a_test():
    rows = {int(NAMED.fullmatch(name)[1]) for name in names_of_tests()}
    assert rows == BUILT


def test_every_test_says_which_row_it_is_about():
    assert [name for name in names_of_tests() if not NAMED.fullmatch(name)] == []


def test_no_name_is_used_twice():
    names = list(names_of_tests())
    assert len(names) == len(set(names))
