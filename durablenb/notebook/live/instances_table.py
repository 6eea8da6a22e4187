"""The table of a hub's instances: a row for each root, with its sub-orchestrations folded under it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape

from durablenb.analysis.fleet import Fleet
from durablenb.analysis.instances import (
    LATEST_FIRST,
    LastEvent,
    id_condition,
    ids_mentioning,
    last_events,
    latest_page,
)
from durablenb.analysis.text import quoted
from durablenb.journal.port import Journal
from durablenb.notebook.html import Markup, line, markup, unbroken
from durablenb.notebook.live.interactive import badge, button, choice, mark
from durablenb.notebook.live.open_instances import OpenInstances, ago
from durablenb.notebook.live.query_table import PAGE, Ask, QueryTable, Row
from durablenb.notebook.palette import BLUE, GREEN, GREY, RED, status_look
from durablenb.notebook.still.running import bar, themed
from durablenb.notebook.words import lasting, time_text

_STATUSES = ("Running", "Pending", "Suspended", "Failed", "Completed", "Canceled", "Terminated")
_ENDED = ("Failed", "Completed", "Canceled", "Terminated")
_COLUMNS = "instance_id, name, status, created_time, last_updated_time, duration, custom_status"
_SEARCHED = ("instance_id", "name", "custom_status")
_SORTED = {
    "instance": "instance_id",
    "orchestrator": "name",
    "status": "status",
    "last event": "last_updated_time desc",
    "created": "created_time desc",
    "took": "duration desc",
}
"""The columns that order the rows, each with its first order."""

_FOLD_AT = 4
"""The column of what unfolds the sub-orchestrations."""

_BAR = 84.0
_MOST_CHILDREN = 50
_MOST_COUNTED = 2_000
"""The most sub-orchestrations on a page that are counted by status."""

_ROOTS = "parent_instance_id is null"
_ALL_CHILDREN = """
select count(distinct instance_id) from journal
where event_type = 'ExecutionStarted' and contains(attributes, '"parent"')
    and try_cast(attributes as json) -> 'parent' ->> 'instance_id' is not null
"""
_CHILDREN = """
select distinct instance_id, try_cast(attributes as json) ->> 'instance_id' from journal
where {} and event_type = 'SubOrchestrationInstanceCreated'
"""


class InstancesTable(QueryTable):
    """The instances of a hub as a table, those with the latest events first.

    Without a filter it has the roots, and the sub-orchestrations of those that are unfolded; with one, all
    instances that match.

    Parameters
    ----------
    ask
        Runs a query in SQL.
    journal
        The hub's journal.
    """

    def __init__(self, ask: Ask, journal: Journal) -> None:
        super().__init__(ask, "", LATEST_FIRST, _SEARCHED, "instance")
        self._journal = journal
        self._open = OpenInstances(journal)
        self._fleet = Fleet({}, ())
        self._children_of_all = 0, 0
        self._among: list[str] | None = None
        self._sorted = ""
        self._unfolded: set[str] = set()
        self._now = journal.now()
        self._events: Mapping[str, LastEvent] = {}
        self._words: Mapping[str, str] = {}
        self.choose("")

    def choose(self, status: str) -> None:
        """Show the instances of one status, or of all."""
        self.status, self.first = status if status in _STATUSES else "", 0

    def sort(self, column: str) -> None:
        """Order the rows by a column; by the same one again, in the opposite order."""
        order = _SORTED.get(column)
        if order is None:
            return
        opposite = order.removesuffix(" desc") if order.endswith(" desc") else f"{order} desc"
        order = opposite if self._sorted == order else order
        self._sorted, self.first = order, 0
        self._order = f"{order} nulls last, {LATEST_FIRST}"

    def unfold(self, instance_id: str) -> None:
        """Show the sub-orchestrations of an instance, or fold them."""
        self._unfolded ^= {instance_id}

    def instances(self, fleet: Fleet) -> Markup:
        """Return a page of instances; `fleet` has the counts."""
        self._fleet = fleet
        statuses = [("", "all statuses"), *((status, status) for status in _STATUSES)]
        header = [self._title(name) if name in _SORTED else name for name in self._header]
        return self.html(header, self._cells, choice("status", "status", statuses, self.status))

    # -- the query -------------------------------------------------------------------------------

    @property
    def _is_tree(self) -> bool:
        return not (self.status or self.filter.split())

    @property
    def sql(self) -> str:
        """The query for all rows that match the filter."""
        where = f"status = {quoted(self.status)}" if self.status else _ROOTS if self._is_tree else "true"
        query = f"select {_COLUMNS}\nfrom instances\nwhere {where}"
        return f"{query}{self._filter_conditions}\norder by {self._order}"

    def _total(self) -> int:
        words = self.filter.lower().split()
        if not words:
            if not self.status:
                return self._fleet.total - self._count_children()
            return sum(by_status.get(self.status, 0) for by_status in self._fleet.counts.values())
        self._among = ids_mentioning(self._found, max(words, key=len))
        if self._among is None:
            return super()._total()
        status = f" and status = {quoted(self.status)}" if self.status else ""
        where = f"{id_condition(self._among)}{status}{self._filter_conditions}"
        return int(self._found(f"select count(*) from instances where {where}")[0][0])

    def _count_children(self) -> int:
        if self._children_of_all[0] != self._fleet.total:
            self._children_of_all = self._fleet.total, int(self._found(_ALL_CHILDREN)[0][0])
        return self._children_of_all[1]

    def _rows(self) -> list[Row]:
        if self._sorted:
            return self._found(f"{self.sql}\nlimit {PAGE} offset {self.first}")
        return latest_page(
            self._found,
            _COLUMNS,
            self.status,
            f"{_ROOTS if self._is_tree else 'true'}{self._filter_conditions}",
            among=self._among if self.filter.split() else None,
            count=PAGE,
            offset=self.first,
        )

    def _found(self, sql: str) -> list[Row]:
        return self._ask(sql).fetchall()

    # -- the rows --------------------------------------------------------------------------------

    @property
    def _header(self) -> list[str]:
        tree = ["sub-orchestrations"] if self._is_tree else []
        return ["instance", "orchestrator", "status", "now", *tree, "last event", "created", "took"]

    def _title(self, name: str) -> Markup:
        order = _SORTED[name]
        arrow = "" if not self._sorted.startswith(order.removesuffix(" desc")) else _arrow(self._sorted)
        return button(f"{name}{arrow}", "sort", is_link=True, name=name)

    def _with_more(
        self, rows: Sequence[Row], cells_of: Callable[[Row], Sequence[object]]
    ) -> Iterable[Sequence[object]]:
        """Return the cells of the roots, and below each unfolded one those of its sub-orchestrations."""
        children = self._children([row[0] for row in rows]) if self._is_tree else {}
        below = {
            root: latest_page(self._found, _COLUMNS, among=ids, count=_MOST_CHILDREN)
            for root, ids in children.items()
            if root in self._unfolded
        }
        self._look([*rows, *(row for several in below.values() for row in several)])
        statuses = self._statuses(children)
        for row in rows:
            ids = children.get(row[0], [])
            cells = list(cells_of(row))
            if self._is_tree:
                cells.insert(_FOLD_AT, self._fold(row[0], ids, statuses) if ids else "")
            yield cells
            for child in below.get(row[0], ()):
                link, *others = cells_of(child)
                others.insert(_FOLD_AT - 1, "")
                yield [markup('<span class="dnb-below">', str(link), "</span>"), *others]
            if len(ids) > _MOST_CHILDREN and row[0] in self._unfolded:
                more = f"{len(ids) - _MOST_CHILDREN:,} more: choose a status, or filter"
                yield [more, *[""] * (len(self._header) - 1)]

    def _look(self, rows: Sequence[Row]) -> None:
        """Read what the open instances among these rows do now."""
        self._events = last_events(self._found, (row[0] for row in rows if row[2] not in _ENDED))
        self._now, self._words = self._journal.now(), self._open.words(self._events)

    def _children(self, ids: Sequence[str]) -> Mapping[str, list[str]]:
        children: dict[str, list[str]] = {}
        for parent, child in self._found(_CHILDREN.format(id_condition(ids))) if ids else ():
            children.setdefault(parent, []).append(child)
        return children

    def _statuses(self, children: Mapping[str, list[str]]) -> Mapping[str, str]:
        ids = [child for several in children.values() for child in several]
        if not ids or len(ids) > _MOST_COUNTED:
            return {}
        return dict(self._found(f"select instance_id, status from instances where {id_condition(ids)}"))

    def _fold(self, root: str, ids: Iterable[str], statuses: Mapping[str, str]) -> Markup:
        """Return what unfolds the sub-orchestrations of an instance, with a bar of their statuses."""
        ids = list(ids)
        sign = (
            "\N{BLACK DOWN-POINTING SMALL TRIANGLE}"
            if root in self._unfolded
            else "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}"
        )
        counts = Counter(statuses[child] for child in ids if child in statuses)
        opener = button(f"{sign} {len(ids):,}", "unfold", is_link=True, id=root)
        if not counts:
            return opener
        words = ", ".join(f"{counts[status]:,} {status.lower()}" for status in _STATUSES if counts[status])
        share = {
            RED: counts["Failed"] / len(ids),
            BLUE: (counts["Running"] + counts["Suspended"]) / len(ids),
            GREY: (counts["Canceled"] + counts["Terminated"] + counts["Pending"]) / len(ids),
            GREEN: counts["Completed"] / len(ids),
        }
        return markup(
            f'<span class="dnb-fold" title="{escape(words)}">',
            opener,
            " ",
            themed(bar(share, words, _BAR)),
            "</span>",
        )

    def _cells(self, row: Row) -> Sequence[object]:
        instance_id, name, status, created, updated, duration, custom = row
        event = self._events.get(instance_id)
        last = event.at if event is not None else updated.replace(tzinfo=UTC)
        about = [self._words.get(instance_id, ""), "" if custom is None else str(custom).strip('"')]
        return (
            mark(instance_id, f"instance {instance_id}"),
            line(name or "", 60),
            badge(status_look(status)),
            line(" \N{MIDDLE DOT} ".join(filter(None, about)), 90),
            _relative(last, self._now),
            _relative(created.replace(tzinfo=UTC), self._now),
            unbroken(lasting(duration)) if status in _ENDED else "",
        )


def _relative(when: datetime, now: datetime) -> Markup:
    """Return how long ago something was; the date shows under the pointer."""
    return markup(
        f'<span style="white-space:nowrap" title="{time_text(when)} UTC">', line(ago(when, now)), "</span>"
    )


def _arrow(order: str) -> str:
    return " \N{DOWNWARDS ARROW}" if order.endswith(" desc") else " \N{UPWARDS ARROW}"
