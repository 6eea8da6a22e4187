"""The live view of a hub: its figures, its instances and entities as tables, and the selected one below."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from durablenb.analysis.fleet import Fleet, HubPace, read_pace
from durablenb.analysis.instances import LATEST_FIRST, id_condition, ids_mentioning, latest_page
from durablenb.analysis.text import quoted
from durablenb.hub.hub import Hub
from durablenb.model.entities import EntityId
from durablenb.model.queues import QueueState
from durablenb.notebook.html import Markup, code, line, markup, unbroken
from durablenb.notebook.live.entity import TICK, LiveEntity
from durablenb.notebook.live.instance import LiveInstance
from durablenb.notebook.live.interactive import badge, choice, figure, keep_button, mark, row
from durablenb.notebook.live.query_table import PAGE, Ask, QueryTable, Row
from durablenb.notebook.live.static_fallback import StaticFallback, still_bundle
from durablenb.notebook.live.widget import LiveView
from durablenb.notebook.palette import status_look
from durablenb.notebook.still.hub import fleet_svg, pace_svg
from durablenb.notebook.still.queues import queues_svg
from durablenb.notebook.words import lasting, time_text

if TYPE_CHECKING:
    import pandas

_STATUSES = ("Running", "Pending", "Suspended", "Failed", "Completed", "Canceled", "Terminated")
_ENDED = ("Failed", "Completed", "Canceled", "Terminated")
_COLUMNS = "instance_id, name, status, created_time, last_updated_time, duration"
_SEARCHED = ("instance_id", "name", "custom_status")
_ENTITIES = """
select instance_id, entity_exists, state, operations, failures, queue_length, locked_by, last_modified
from entities
where true
""".strip()
_ENTITIES_SEARCHED = ("instance_id", "state", "locked_by")
_ENTITIES_HEADER = ("entity", "state", "operations", "failed", "waiting", "locked by", "last event (UTC)")
_HEADER = ("instance", "orchestrator", "status", "created (UTC)", "last event (UTC)", "took")


class InstancesTable(QueryTable):
    """The instances of a hub as a table, the most recently updated first."""

    def __init__(self, ask: Ask) -> None:
        super().__init__(ask, "", LATEST_FIRST, _SEARCHED, "instance")
        self._fleet = Fleet({}, ())
        self._among: list[str] | None = None
        self.choose("")

    def choose(self, status: str) -> None:
        """Show the instances of one status, or of all."""
        self.status, self.first = status if status in _STATUSES else "", 0
        where = f"status = {quoted(self.status)}" if self.status else "true"
        self._query = f"select {_COLUMNS}\nfrom instances\nwhere {where}"

    def instances(self, fleet: Fleet) -> Markup:
        """Return a page of instances; `fleet` has the counts."""
        self._fleet = fleet
        statuses = [("", "all statuses"), *((status, status) for status in _STATUSES)]
        return self.html(_HEADER, _row, choice("status", "status", statuses, self.status))

    def _total(self) -> int:
        words = self.filter.lower().split()
        if not words:
            if not self.status:
                return self._fleet.total
            return sum(by_status.get(self.status, 0) for by_status in self._fleet.counts.values())
        self._among = ids_mentioning(self._found, max(words, key=len))
        if self._among is None:
            return super()._total()
        sql = f"{self._query}\n  and {id_condition(self._among)}{self._filter_conditions}"
        return int(self._found(f"select count(*) from ({sql})")[0][0])

    def _rows(self) -> list[Row]:
        return latest_page(
            self._found,
            _COLUMNS,
            self.status,
            f"true{self._filter_conditions}",
            among=self._among if self.filter.split() else None,
            count=PAGE,
            offset=self.first,
        )

    def _found(self, sql: str) -> list[Row]:
        return self._ask(sql).fetchall()


def _row(values: Row) -> Sequence[object]:
    instance_id, name, status, created, updated, duration = values
    return (
        mark(instance_id, f"instance {instance_id}"),
        line(name or "", 60),
        badge(status_look(status)),
        unbroken(time_text(created)),
        unbroken(time_text(updated)),
        lasting(duration) if status in _ENDED else "",
    )


class EntitiesTable(QueryTable):
    """The entities of a hub as a table, the most recently updated first."""

    def __init__(self, ask: Ask) -> None:
        order = "last_modified desc, instance_id"
        super().__init__(ask, _ENTITIES, order, _ENTITIES_SEARCHED, "entity", "entities")

    def entities(self) -> Markup:
        """Return a page of entities."""
        return self.html(_ENTITIES_HEADER, _entity_row)


def _entity_row(values: Row) -> Sequence[object]:
    instance_id, exists, state, operations, failures, waiting, locked_by, modified = values
    return (
        mark(instance_id, f"entity {instance_id}"),
        code(state, 60) if exists else "none",
        f"{operations:,}",
        f"{failures:,}" if failures else "",
        f"{waiting:,}" if waiting else "",
        line(locked_by or "", 60),
        unbroken(time_text(modified)),
    )


class HubList(LiveView):
    """The tables of a hub's instances and entities, with the hub's figures above them.

    Parameters
    ----------
    hub
        An open hub, a file or a remote hub.
    traits
        Keyword arguments of `ipywidgets.Widget`.
    """

    REGIONS = ("head", "fleet", "queues", "pace", "instances", "entities")
    TABS = ("instances", "entities")
    SHARES = ("svg", "png", "html", "markdown", "query")

    head = traitlets.Bytes().tag(sync=True)
    fleet = traitlets.Bytes().tag(sync=True)
    queues = traitlets.Bytes().tag(sync=True)
    pace = traitlets.Bytes().tag(sync=True)
    instances = traitlets.Bytes().tag(sync=True)
    entities = traitlets.Bytes().tag(sync=True)

    def __init__(self, hub: Hub, **traits: Any) -> None:
        self._hub = hub
        self._journal = hub._journal
        self._written: tuple[object, ...] | None = None
        self._drawn_at = 0.0
        self._fleet = Fleet({}, ())
        self.pane = InstancesTable(hub._relation)
        self._entities = EntitiesTable(hub._relation)
        self.whole: StaticFallback | None = None
        """The displayed widget, which contains this one."""
        super().__init__(afterwards=self._journal.after_kernel, **traits)

    def shared(self, form: str) -> Hub:
        """Return the hub, which is saved or copied."""
        return self._hub

    def shared_name(self) -> str:
        """Return the name of a file."""
        return "hub"

    def shared_query(self) -> str:
        """Return the query for the instances that are shown, or for the entities."""
        return self._entities.sql if self.tab == "entities" else self.pane.sql

    def draw(self, is_stale: bool) -> Mapping[str, str]:
        """Return the HTML of the table and of the figures, if anything was written or requested."""
        self._journal.follow()
        is_displayed = self.whole is not None and self.whole.is_displayed
        written = (*self._journal.version(), self._queue_states(), is_displayed)
        is_new, self._written = written != self._written, written
        if not (is_new or is_stale):
            return {}
        self.has_news |= is_new
        is_due = time.monotonic() - self._drawn_at >= TICK
        regions = self._figures() if is_new or is_due else {}  # the user's actions don't change the figures
        if self.tab == "entities":
            regions["entities"] = self._entities.entities()
        else:
            regions["instances"] = self.pane.instances(self._fleet)
        return regions

    def _figures(self) -> dict[str, str]:
        self._drawn_at = time.monotonic()
        shown = self._hub._view()
        assert isinstance(shown.fleet, Fleet)
        self._fleet = shown.fleet
        drawn = fleet_svg(self._fleet)
        self.label = drawn[1]
        return {
            "head": row(
                markup("<b>", line(shown.text.strip("<>")), "</b>"),
                keep_button(is_displayed=self.whole is not None and self.whole.is_displayed),
            ),
            "fleet": figure(drawn),
            "queues": figure(queues_svg(shown.queues)) if shown.queues else "",
            "pace": figure(pace_svg(self._pace())),
        }

    def _queue_states(self) -> list[QueueState]:
        """Return the queues if they can change without an event: as an engine or a server knows them."""
        return self._journal.queues() if self._journal.is_live else []

    def _pace(self) -> HubPace:
        with self._journal.connection() as connection:
            return read_pace(connection)

    @property
    def _shown_pane(self) -> QueryTable:
        return self._entities if self.tab == "entities" else self.pane

    def refresh_still(self) -> None:
        """Refresh the still picture of the displayed widget."""
        if self.whole is not None:
            self.whole.refresh_still()

    def refresh_still_now(self) -> None:
        """Refresh it now."""
        if self.whole is not None:
            self.whole.refresh_still_now()

    def do_keep(self, **_: Any) -> None:
        """Replace the displayed widget by its still picture."""
        if self.whole is not None:
            self.whole.freeze()

    def trouble(self) -> str:
        """Return what keeps the view from being up to date, in a line; empty if nothing does."""
        return self._journal.trouble()

    def still(self) -> dict[str, str]:
        """Return the still picture of the hub, by MIME type."""
        return still_bundle(self._hub._view())

    def do_set(self, name: str = "", value: str = "", **_: Any) -> None:
        """Apply a filter."""
        if name == "filter":
            self._shown_pane.set_filter(str(value))
        elif name == "status":
            self.pane.choose(str(value))

    def do_turn(self, first: Any = 0, **_: Any) -> None:
        """Show another page."""
        self._shown_pane.turn(first)


class LiveHub(StaticFallback, ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The live view of a hub, which `hub.watch()` returns. A click in the table shows the details below.

    Parameters
    ----------
    hub
        An open hub, a file or a remote hub.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.list = HubList(hub)
        self.instance: LiveInstance | None = None
        """The view of the clicked instance."""
        self.entity: LiveEntity | None = None
        """The view of the clicked entity."""
        super().__init__([self.list])
        self.list.observe(self._open, ["selected"])
        self.list.whole = self

    @property
    def sql(self) -> str:
        """The query for the instances in the table."""
        return self.list.pane.sql

    def df(self) -> pandas.DataFrame:
        """Return those instances as a data frame."""
        return self._hub._relation(self.sql).df()

    def still(self) -> dict[str, str]:
        """Return the still picture of the hub, by MIME type."""
        return self.list.still()

    def _open(self, change: Any) -> None:
        kind, _, found_id = change["new"].partition(" ")
        for view in self._opened:
            view.close()
        self.instance = LiveInstance(self._hub.handle(found_id), freeze=False) if kind == "instance" else None
        self.entity = (
            LiveEntity(self._hub.entity(EntityId.get_entity_id(found_id))) if kind == "entity" else None
        )
        self.children = [self.list, *self._opened]

    @property
    def _opened(self) -> list[LiveView]:
        return [view for view in (self.instance, self.entity) if view is not None]

    def freeze(self) -> None:
        """Replace the displayed view by its still picture."""
        for view in (self.list, *self._opened):
            view.freeze()
        super().freeze()

    def close(self) -> None:
        """Remove the view from the page and stop drawing it."""
        for view in self.children:
            view.close()
        super().close()

    def __repr__(self) -> str:
        return f"<live view: {self.list.label}>"
