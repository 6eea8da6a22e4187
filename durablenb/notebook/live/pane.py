"""A table that SQL answers, page by page and filtered; the SQL is shown, and can be had."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from durablenb.analysis.text import quoted
from durablenb.notebook.html import Markup, block, fold, markup, table
from durablenb.notebook.live.parts import field, pager, row
from durablenb.notebook.words import plural

if TYPE_CHECKING:
    from durablenb.analysis.sql import Relation

PAGE = 100
"""Rows in a page."""

Row = tuple[Any, ...]
Ask = Callable[[str], "Relation"]


class Pane:
    """Rows of one query, filtered by words.

    Parameters
    ----------
    ask
        Answers a query.
    query
        What is chosen, with its ``where``.
    order
        In which order.
    searched
        The columns in which the words of the filter are looked for.
    noun
        What a row is.
    nouns
        What several are, if not that with an s.
    """

    def __init__(
        self,
        ask: Ask,
        query: str,
        order: str,
        searched: Sequence[str],
        noun: str,
        nouns: str | None = None,
    ) -> None:
        self._ask = ask
        self._query = query
        self._order = order
        self._searched = searched
        self._noun = noun
        self._nouns = nouns or f"{noun}s"
        self.filter = ""
        self.first = 0

    @property
    def sql(self) -> str:
        """The query for all rows that pass the filter."""
        return f"{self._query}{self._has_words}\norder by {self._order}"

    @property
    def _has_words(self) -> str:
        """The conditions that the filter adds."""
        found = ""
        for word in self.filter.lower().split():
            columns = (
                f"contains(lower(cast({column} as varchar)), {quoted(word)})" for column in self._searched
            )
            found += f"\n  and ({' or '.join(columns)})"
        return found

    def _total(self) -> int:
        """How many rows there are."""
        return int(self._ask(f"select count(*) from ({self.sql})").fetchall()[0][0])

    def _rows(self) -> list[Row]:
        """The rows of the page."""
        return self._ask(f"{self.sql}\nlimit {PAGE} offset {self.first}").fetchall()

    def set_filter(self, words: str) -> None:
        """Show what has all of these words in it."""
        self.filter, self.first = words.encode("utf-8", "replace").decode(), 0  # half a character isn't text

    def turn(self, first: Any) -> None:
        """Show the page that begins after so many rows."""
        self.first = max(int(first), 0)

    def html(self, header: Sequence[str], row_of: Callable[[Row], Sequence[object]], *more: object) -> Markup:
        """Return the filter, a page of rows, and the query.

        Parameters
        ----------
        header
            Of the table.
        row_of
            What is shown of a row.
        more
            What stands beside the filter.
        """
        total = self._total()
        self.first = min(self.first, max(total - 1, 0) // PAGE * PAGE)
        rows = self._rows() if total else []
        words = field("filter", f"filter {self._nouns} by words", self.filter, sets=True, is_filter=True)
        return markup(
            row(words, plural(total, self._noun, self._nouns), *more),
            markup('<div class="dnb-scroll" data-scroll>', table(header, map(row_of, rows)), "</div>")
            if rows
            else markup(
                '<p class="dnb-muted">', "None passes the filter." if self.filter else "None yet.", "</p>"
            ),
            pager("turn", self.first, len(rows), total, PAGE),
            fold("SQL", block(self.sql, 4_000)),
        )
