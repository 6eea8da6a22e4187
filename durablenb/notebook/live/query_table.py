"""A table of a query's rows with pages and a filter; it shows its SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from durablenb.analysis.text import quoted
from durablenb.notebook.html import Markup, block, fold, markup, table
from durablenb.notebook.live.interactive import field, pager, row
from durablenb.notebook.words import plural

if TYPE_CHECKING:
    from durablenb.analysis.sql import Relation

PAGE = 100
"""Rows per page."""

Row = tuple[Any, ...]
Ask = Callable[[str], "Relation"]


class QueryTable:
    """The rows of a query, filtered by words, in pages.

    Parameters
    ----------
    ask
        Runs a query in SQL.
    query
        The query, with a ``where`` clause.
    order
        The expressions of its ``order by``.
    searched
        The columns that the filter searches.
    noun
        The noun for a row.
    nouns
        Its plural; by default the noun with an s.
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
        """The query for all rows that match the filter."""
        return f"{self._query}{self._filter_conditions}\norder by {self._order}"

    @property
    def _filter_conditions(self) -> str:
        """The conditions of the filter."""
        conditions = ""
        for word in self.filter.lower().split():
            columns = (
                f"contains(lower(cast({column} as varchar)), {quoted(word)})" for column in self._searched
            )
            conditions += f"\n  and ({' or '.join(columns)})"
        return conditions

    def _total(self) -> int:
        """Return the number of rows."""
        return int(self._ask(f"select count(*) from ({self.sql})").fetchall()[0][0])

    def _rows(self) -> list[Row]:
        """Return the rows of the page."""
        return self._ask(f"{self.sql}\nlimit {PAGE} offset {self.first}").fetchall()

    def set_filter(self, words: str) -> None:
        """Show the rows that contain all of these words."""
        # A lone surrogate can't be encoded.
        self.filter, self.first = words.encode("utf-8", "replace").decode(), 0

    def turn(self, first: Any) -> None:
        """Show the page that begins after this many rows."""
        self.first = max(int(first), 0)

    def _with_more(
        self, rows: Sequence[Row], cells_of: Callable[[Row], Sequence[object]]
    ) -> Iterable[Sequence[object]]:
        """Return the cells of the page's rows; a subclass may add rows that belong to them."""
        return map(cells_of, rows)

    def html(
        self, header: Sequence[str], cells_of: Callable[[Row], Sequence[object]], *more: object
    ) -> Markup:
        """Return the filter, a page of rows, and the query.

        Parameters
        ----------
        header
            The header of the table.
        cells_of
            Returns the cells of a row.
        more
            More controls beside the filter.
        """
        total = self._total()
        self.first = min(self.first, max(total - 1, 0) // PAGE * PAGE)
        rows = self._rows() if total else []
        words = field("filter", f"filter {self._nouns} by words", self.filter, sets=True, is_filter=True)
        return markup(
            row(words, plural(total, self._noun, self._nouns), *more),
            markup(
                '<div class="dnb-scroll" data-scroll>',
                table(header, self._with_more(rows, cells_of)),
                "</div>",
            )
            if rows
            else markup(
                '<p class="dnb-muted">', "None passes the filter." if self.filter else "None yet.", "</p>"
            ),
            pager("turn", self.first, len(rows), total, PAGE),
            fold("SQL", block(self.sql, 4_000)),
        )
