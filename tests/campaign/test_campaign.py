"""The campaign overlooks no failure; `.ci/run` runs a slice of each of its rows."""

import pytest

from tests.campaign import mutants
from tests.campaign.__main__ import main
from tests.campaign.others import repeated
from tests.campaign.planted import PLANTED, Planted
from tests.campaign.row import HEAD, Figures, Row, line
from tests.campaign.rows import ROWS


def test_a_failure_is_told_and_so_is_a_row_that_tried_nothing(capsys, monkeypatch):
    monkeypatch.setitem(ROWS, "broken", Row("what breaks", 100, lambda n, seed: Figures(n, [f"seed {seed}"])))
    monkeypatch.setitem(ROWS, "empty", Row("what isn't there", 100, lambda n, seed: Figures()))
    monkeypatch.setitem(ROWS, "mistaken", Row("what raises", 100, lambda n, seed: Figures(n // 0)))
    assert main(["broken", "empty", "mistaken", "--scale", "0.5", "--seed", "7"]) == 1
    printed = capsys.readouterr().out
    assert "| `broken` | what breaks | 50 | 1 |" in printed
    assert "broken (again: python -m tests.campaign broken --scale 0.5 --seed 7):\n  seed 7" in printed
    assert "nothing was tried" in printed
    assert "ZeroDivisionError" in printed


def test_a_row_that_finds_nothing_is_a_line_of_the_table(capsys):
    assert main(["schedules", "--scale", "0.0005", "--seed", "3"]) == 0
    *head, row = capsys.readouterr().out.splitlines()
    assert head == HEAD.splitlines()
    assert row.startswith(f"| `schedules` | {ROWS['schedules'].what} | 1 | 0 |")


def test_a_row_that_there_is_not_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["kill"])
    assert "there is no row 'kill'; there are: kills," in capsys.readouterr().err


def test_a_row_shows_what_was_tried_and_what_came_of_it():
    row = Row("what", 1, lambda n, seed: Figures(n))
    figures = Figures(40_126, ["lost"], "two disks", 3.6)
    assert line("name", row, figures, 5) == "| `name` | what: two disks | 40,126 | 1 | 4 | 5 |"


def test_a_crash_of_the_tests_tells_where_it_was(tmp_path):
    (tmp_path / "test_crash.py").write_text(
        "import os, signal\n\ndef test_that_crashes():\n    os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    [failure] = repeated(str(tmp_path))(1, 0).failures
    assert failure.startswith("Fatal Python error: Segmentation fault")
    assert "in test_that_crashes" in failure
    assert "_pytest" not in failure


# -- planted faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.what)
def test_every_planted_fault_fits_the_code_and_compiles(fault):
    compile(mutants.text_with(fault, mutants.ROOT), fault.file, "exec")
    assert all((mutants.ROOT / place).exists() for place in fault.tests.split())


def test_a_fault_that_no_longer_fits_is_an_error_and_not_a_fault_that_was_caught(tmp_path):
    (tmp_path / "module.py").write_text("a = 1\nb = 1\n")
    for old, count in (("c = 1", 0), (" = 1", 2)):
        with pytest.raises(mutants.StaleFaultError, match=rf"module.py has {count} places for .*'wrong'"):
            mutants.text_with(Planted("wrong", "module.py", old, "", "tests"), tmp_path)


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "module.py").write_text("def double(n):\n    return 2 * n\n")
    (tmp_path / "test_module.py").write_text(
        "from module import double\n\ndef test_double():\n    assert double(3) == 6\n"
    )
    return tmp_path


def fault(new, tests="test_module.py"):
    return Planted("wrong", "module.py", "2 * n", new, tests)


def test_a_fault_is_caught_if_a_test_fails_and_the_tree_is_whole_afterwards(tree):
    before = (tree / "module.py").read_text()
    assert mutants.is_caught(fault("3 * n"), tree)
    assert not mutants.is_caught(fault("n + n"), tree)
    assert (tree / "module.py").read_text() == before


def test_where_no_test_could_run_nothing_was_caught(tree):
    with pytest.raises(mutants.StaleFaultError, match="answered"):
        mutants.is_caught(fault("3 * n", "test_elsewhere.py"), tree)


def test_the_page_explains_every_row_and_shows_what_came_of_some():
    page = (mutants.ROOT / "docs/explanation/reliability.md").read_text(encoding="utf-8")
    explained, shown = (
        [row.split("`")[1] for row in part.splitlines() if row.startswith("| `")]
        for part in page.split("## The last campaign")
    )
    assert explained == list(ROWS)
    assert HEAD in page
    assert shown == [name for name in ROWS if name in shown] != []
