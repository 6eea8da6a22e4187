"""Rows as text."""

import pytest

from durablenb.analysis.text import display_width, shortened, table_text


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("short", 10, "short"),
        ("exactly ten", 11, "exactly ten"),
        ("longer than that", 10, "longer th…"),
        ("two\n  lines", 20, "two lines"),
        ("東京は日本の首都", 8, "東京は…"),
        ("\x1b[2Jgone\x07", 20, "\ufffd[2Jgone\ufffd"),
        ("", 5, ""),
    ],
)
def test_shortened_text_is_one_harmless_line_that_fits(text, width, expected):
    assert shortened(text, width) == expected
    assert display_width(shortened(text, width)) <= width


def test_shortening_a_megabyte_is_quick():
    assert shortened("東" * 1_000_000, 9) == "東東東東…"


def test_east_asian_characters_take_two_columns_and_accents_none():
    assert display_width("東京") == 4
    assert display_width("e\u0301te\u0301") == 3


def test_a_table_has_its_numbers_on_the_right():
    rows = [("Tokyo", 1, 0.5, True), ("東京", 1_000, None, False), (None, None, 1e-9, None)]
    assert table_text(("city", "rides", "share", "open"), rows).splitlines() == [
        "city   rides  share  open",
        "─────  ─────  ─────  ─────",
        "Tokyo      1    0.5  True",
        "東京    1000         False",
        "              1e-09",
    ]


def test_a_table_without_rows_has_its_header():
    assert table_text(("a", "bc"), []).splitlines() == ["a  bc", "─  ──"]


def test_wide_columns_are_cut():
    assert table_text(("a",), [("x" * 100,)], width=5).splitlines()[-1] == "xxxx…"
