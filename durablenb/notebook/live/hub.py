"""The live view of a hub: its figures, its instances and entities as tables, and the selected one below."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from durablenb.analysis.fleet import Fleet, HubPace, PaceCounter
from durablenb.hub.hub import Hub
from durablenb.model.entities import EntityId
from durablenb.model.queues import QueueState
from durablenb.notebook.html import Markup, code, line, markup, unbroken
from durablenb.notebook.live.entity import TICK, LiveEntity
from durablenb.notebook.live.instance import LiveInstance
from durablenb.notebook.live.instances_table import InstancesTable
from durablenb.notebook.live.interactive import figure, keep_button, mark, row
from durablenb.notebook.live.query_table import Ask, QueryTable, Row
from durablenb.notebook.live.static_fallback import StaticFallback, still_bundle
from durablenb.notebook.live.widget import LiveView
from durablenb.notebook.still.hub import fleet_svg, hub_words, missing_words, pace_svg
from durablenb.notebook.still.queues import queues_svg
from durablenb.notebook.words import time_text

if TYPE_CHECKING:
    import pandas

_LIST_TICK = 5.0
"""Seconds after which the list is drawn again though nothing happened, since times are relative."""

_ENTITIES = """
select instance_id, entity_exists, state, operations, failures, queue_length, locked_by, last_modified
from entities
where true
""".strip()
_ENTITIES_SEARCHED = ("instance_id", "state", "locked_by")
_ENTITIES_HEADER = ("entity", "state", "operations", "failed", "waiting", "locked by", "last event (UTC)")


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
        self._listed_at = 0.0
        self._has_pace = False
        self._pace_counter = PaceCounter()
        self._fleet = Fleet({}, ())
        self.pane = InstancesTable(hub._relation, self._journal)
        self._entities = EntitiesTable(hub._relation)
        self._whole: StaticFallback | None = None
        super().__init__(afterwards=self._journal.after_kernel, **traits)

    def join(self, whole: StaticFallback) -> None:
        """Become a part of the widget that is displayed."""
        self._whole = whole

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
        is_displayed = self._whole is not None and self._whole.is_displayed
        written = (*self._journal.version(), self._queue_states(), is_displayed)
        is_new, self._written = written != self._written, written
        is_due = time.monotonic() - self._drawn_at >= TICK
        if not (is_new or is_stale):
            return self._by_time() if is_due else {}
        self.has_news |= is_new
        regions = self._figures() if is_new or is_due else {}  # a filter, say, doesn't change them
        if self.tab == "entities":
            regions["entities"] = self._entities.entities()
        else:
            regions["instances"] = self._instances()
        return regions

    def _by_time(self) -> dict[str, str]:
        """Return what changes though nothing was written: the pace, and how long ago something was."""
        self._drawn_at = time.monotonic()
        regions: dict[str, str] = {}
        if self._has_pace:
            regions["pace"] = figure(pace_svg(self._pace(), self._width))
        if self.tab == "instances" and self._drawn_at - self._listed_at >= _LIST_TICK:
            regions["instances"] = self._instances()
        return regions

    def _instances(self) -> Markup:
        self._listed_at = time.monotonic()
        return self.pane.instances(self._fleet)

    def _figures(self) -> dict[str, str]:
        self._drawn_at = time.monotonic()
        shown = self._hub._view(latest=0)
        assert isinstance(shown.fleet, Fleet)
        self._fleet = shown.fleet
        drawn = fleet_svg(self._fleet, self._width)
        self.label, words = drawn[1], missing_words(shown.missing)
        return {
            "head": markup(
                row(
                    markup("<b>", line(hub_words(shown.text)), "</b>"),
                    keep_button(is_displayed=self._whole is not None and self._whole.is_displayed),
                ),
                markup('<p class="dnb-note">', line(words, 400), "</p>") if words else "",
            ),
            "fleet": figure(drawn),
            "queues": figure(queues_svg(shown.queues, self._width)) if shown.queues else "",
            "pace": figure(pace_svg(self._pace(), self._width)),
        }

    def _queue_states(self) -> list[QueueState]:
        """Return the queues if they can change without an event: as an engine or a server knows them."""
        return self._journal.queues() if self._journal.is_live else []

    def _pace(self) -> HubPace:
        with self._journal.connection() as connection:
            pace = self._pace_counter.read(connection, self._journal.now())
        self._has_pace = any(pace.ended)
        return pace

    @property
    def _shown_pane(self) -> QueryTable:
        return self._entities if self.tab == "entities" else self.pane

    def refresh_still(self) -> None:
        """Refresh the still picture of the displayed widget."""
        if self._whole is not None:
            self._whole.refresh_still()

    def refresh_still_now(self) -> None:
        """Refresh it now."""
        if self._whole is not None:
            self._whole.refresh_still_now()

    def do_keep(self, **_: Any) -> None:
        """Replace the displayed widget by its still picture."""
        if self._whole is not None:
            self._whole.freeze()

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

    def do_sort(self, name: str = "", **_: Any) -> None:
        """Order the instances by another column; once more for the opposite order."""
        self.pane.sort(str(name))

    def do_unfold(self, id: str = "", **_: Any) -> None:
        """Show the sub-orchestrations of an instance below it, or fold them."""
        self.pane.unfold(str(id))

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
        self.list.join(self)

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
