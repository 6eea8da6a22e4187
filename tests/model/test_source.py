"""The source texts of functions: read once, and again when their file has changed."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

from durablenb.model.source import read_source

ONE = "def steps(context):\n    return 1  # one\n\n\nother = 1\n"
TWO = ONE.replace("one", "two")


def steps_in(path: Path) -> Any:
    return runpy.run_path(str(path))["steps"]


def text_of(function: Any) -> str:
    source = read_source(function)
    assert source is not None
    assert source.first_line == 1
    return source.text


def test_it_is_the_same_each_time(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text(ONE)
    steps = steps_in(path)
    assert [text_of(steps) for _ in range(3)] == [ONE[: ONE.index("\n\n") + 1]] * 3
    assert text_of(steps_in(path)) == text_of(steps)


def test_functions_of_the_same_code_in_two_files_have_their_own(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one.py", "two.py")]
    for path, text in zip(paths, (ONE, TWO), strict=True):
        path.write_text(text)
    functions = [steps_in(path) for path in paths]
    assert functions[0].__code__ == functions[1].__code__
    for _ in range(2):
        assert ["two" in text_of(function) for function in functions] == [False, True]


def test_a_file_that_was_edited_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text(ONE)
    steps = steps_in(path)
    assert "one" in text_of(steps)
    path.write_text(TWO)
    os.utime(path, (1, 1))  # a clock too coarse to tell the two apart would hide the edit
    assert "two" in text_of(steps)
    path.unlink()
    assert read_source(steps) is None
