"""A hub, live: its instances and entities, how fast it works, and each of them beside the list."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from durablenb.analysis.fleet import Fleet, HubPace
from durablenb.analysis.instances import LATEST_FIRST, id_condition, ids_mentioning, latest_page
from durablenb.analysis.text import quoted
from durablenb.model.display import HubView
from durablenb.notebook.fleet import fleet_svg
from durablenb.notebook.html import Markup, code, line, markup, unbroken
from durablenb.notebook.live.beside import Beside, still_of
from durablenb.notebook.live.entity import TICK, EntitySight, LiveEntity
from durablenb.notebook.live.instance import LiveInstance
from durablenb.notebook.live.pane import PAGE, Ask, Pane, Row
from durablenb.notebook.live.parts import badge, choice, figure, mark, row
from durablenb.notebook.live.sight import Sight
from durablenb.notebook.live.widget import LiveView
from durablenb.notebook.pace import pace_svg
from durablenb.notebook.palette import look_of
from durablenb.notebook.words import lasting, moment

if TYPE_CHECKING:
    import pandas

_STATUSES = ("Running", "Pending", "Suspended", "Failed", "Completed", "Terminated")
_ENDED = ("Failed", "Completed", "Terminated")
_COLUMNS = "instance_id, name, status, created_time, last_updated_time, duration"
_SEARCHED = ("instance_id", "name", "custom_status")
_ENTITIES = """
select instance_id, entity_exists, state, operations, failures, queue_length, locked_by, last_modified
from entities
where true
""".strip()
_ENTITIES_SEARCHED = ("instance_id", "state", "locked_by")
_ENTITIES_HEADER = ("entity", "state", "operations", "failed", "waiting", "locked by", "last heard of (UTC)")
_HEADER = ("instance", "orchestrator", "status", "created (UTC)", "last heard of (UTC)", "took")


@dataclass(frozen=True)
class HubSight:
    """A hub, as a live view has it.

    Parameters
    ----------
    written
        Gives another value once something was written or purged.
    shown
        All that there is to draw of it.
    pace
        How fast it works.
    ask
        Answers a query in SQL.
    instance
        Gives the sight of an instance.
    entity
        Gives the sight of an entity, by the id ``@name@key``.
    trouble
        Tells what keeps news from coming; of a hub of this process nothing does.
    """

    written: Callable[[], tuple[int, int]]
    shown: Callable[[], HubView]
    pace: Callable[[], HubPace]
    ask: Ask
    instance: Callable[[str], Sight]
    entity: Callable[[str], EntitySight]
    trouble: Callable[[], str] = str


class InstancesPane(Pane):
    """The instances of a hub, those last heard of first."""

    def __init__(self, ask: Ask) -> None:
        super().__init__(ask, "", LATEST_FIRST, _SEARCHED, "instance")
        self._fleet = Fleet({}, ())
        self._among: list[str] | None = None
        self.choose("")

    def choose(self, status: str) -> None:
        """Show instances of one status, or all."""
        self.status, self.first = status if status in _STATUSES else "", 0
        where = f"status = {quoted(self.status)}" if self.status else "true"
        self._query = f"select {_COLUMNS}\nfrom instances\nwhere {where}"

    def instances(self, fleet: Fleet) -> Markup:
        """Return a page of instances; `fleet` says how many there are of all."""
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
        sql = f"{self._query}\n  and {id_condition(self._among)}{self._has_words}"
        return int(self._found(f"select count(*) from ({sql})")[0][0])

    def _rows(self) -> list[Row]:
        return latest_page(
            self._found,
            _COLUMNS,
            self.status,
            f"true{self._has_words}",
            among=self._among if self.filter.split() else None,
            count=PAGE,
            offset=self.first,
        )

    def _found(self, sql: str) -> list[Row]:
        return self._ask(sql).fetchall()


def _row(found: Row) -> Sequence[object]:
    instance_id, name, status, created, updated, duration = found
    return (
        mark(instance_id, f"instance {instance_id}"),
        line(name or "", 60),
        badge(look_of(status)),
        unbroken(moment(created)),
        unbroken(moment(updated)),
        lasting(duration) if status in _ENDED else "",
    )


class EntitiesPane(Pane):
    """The entities of a hub, those last heard of first."""

    def __init__(self, ask: Ask) -> None:
        order = "last_modified desc, instance_id"
        super().__init__(ask, _ENTITIES, order, _ENTITIES_SEARCHED, "entity", "entities")

    def entities(self) -> Markup:
        """Return a page of entities."""
        return self.html(_ENTITIES_HEADER, _entity_row)


def _entity_row(found: Row) -> Sequence[object]:
    instance_id, exists, state, operations, failures, waiting, locked_by, modified = found
    return (
        mark(instance_id, f"entity {instance_id}"),
        code(state, 60) if exists else "none",
        f"{operations:,}",
        f"{failures:,}" if failures else "",
        f"{waiting:,}" if waiting else "",
        line(locked_by or "", 60),
        unbroken(moment(modified)),
    )


class HubList(LiveView):
    """The lists of a hub's instances and of its entities, with the hub's figures above them.

    Parameters
    ----------
    sight
        The hub.
    traits
        What a widget takes.
    """

    REGIONS = ("head", "fleet", "pace", "instances", "entities")
    TABS = ("instances", "entities")

    head = traitlets.Bytes().tag(sync=True)
    fleet = traitlets.Bytes().tag(sync=True)
    pace = traitlets.Bytes().tag(sync=True)
    instances = traitlets.Bytes().tag(sync=True)
    entities = traitlets.Bytes().tag(sync=True)

    def __init__(self, sight: HubSight, **traits: Any) -> None:
        self._sight = sight
        self._written: tuple[int, int] | None = None
        self._drawn_at = 0.0
        self._fleet = Fleet({}, ())
        self.pane = InstancesPane(sight.ask)
        self._entities = EntitiesPane(sight.ask)
        self.whole: Beside | None = None
        """The widget that is displayed."""
        super().__init__(**traits)

    def draw(self, is_stale: bool) -> Mapping[str, str]:
        """Return the HTML of the list, if anything was written or asked for, and of the figures above it."""
        written = self._sight.written()
        is_new, self._written = written != self._written, written
        if not (is_new or is_stale):
            return {}
        self.has_news |= is_new
        is_due = time.monotonic() - self._drawn_at >= TICK
        regions = self._figures() if is_new or is_due else {}  # nothing that is asked for here changes them
        if self.tab == "entities":
            regions["entities"] = self._entities.entities()
        else:
            regions["instances"] = self.pane.instances(self._fleet)
        return regions

    def _figures(self) -> dict[str, str]:
        self._drawn_at = time.monotonic()
        shown = self._sight.shown()
        assert isinstance(shown.fleet, Fleet)
        self._fleet = shown.fleet
        drawn = fleet_svg(self._fleet)
        self.label = drawn[1]
        return {
            "head": row(markup("<b>", line(shown.text.strip("<>")), "</b>")),
            "fleet": figure(drawn),
            "pace": figure(pace_svg(self._sight.pace())),
        }

    @property
    def _shown_pane(self) -> Pane:
        return self._entities if self.tab == "entities" else self.pane

    def keep(self) -> None:
        """Renew the still picture of the whole, of which this is a part."""
        if self.whole is not None:
            self.whole.keep()

    def keep_now(self) -> None:
        """Renew it now."""
        if self.whole is not None:
            self.whole.keep_now()

    def trouble(self) -> str:
        """Return what keeps news from coming."""
        return self._sight.trouble()

    def still(self) -> dict[str, str]:
        """Return the still picture of the hub."""
        return still_of(self._sight.shown())

    def do_set(self, name: str = "", value: str = "", **_: Any) -> None:
        """Filter."""
        if name == "filter":
            self._shown_pane.set_filter(str(value))
        elif name == "status":
            self.pane.choose(str(value))

    def do_turn(self, first: Any = 0, **_: Any) -> None:
        """Show another page."""
        self._shown_pane.turn(first)


class LiveHub(Beside, ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A hub, followed; `hub.watch()` gives it. What is clicked in the list is shown below it.

    Parameters
    ----------
    sight
        The hub.
    """

    def __init__(self, sight: HubSight) -> None:
        self._sight = sight
        self.list = HubList(sight)
        self.instance: LiveInstance | None = None
        """The instance that was clicked."""
        self.entity: LiveEntity | None = None
        """The entity that was clicked."""
        super().__init__([self.list])
        self.list.observe(self._open, ["selected"])
        self.list.whole = self

    @property
    def sql(self) -> str:
        """The query for the instances that the list shows."""
        return self.list.pane.sql

    def df(self) -> pandas.DataFrame:
        """Return those instances as a data frame."""
        return self._sight.ask(self.sql).df()

    def still(self) -> dict[str, str]:
        """Return the still picture of the hub."""
        return self.list.still()

    def _open(self, change: Any) -> None:
        kind, _, found_id = change["new"].partition(" ")
        for view in self._opened:
            view.close()
        self.instance = (
            LiveInstance(self._sight.instance(found_id), freeze=False) if kind == "instance" else None
        )
        self.entity = LiveEntity(self._sight.entity(found_id)) if kind == "entity" else None
        self.children = [self.list, *self._opened]

    @property
    def _opened(self) -> list[LiveView]:
        return [view for view in (self.instance, self.entity) if view is not None]

    def freeze(self) -> None:
        """Become the still picture; what was displayed is replaced by it."""
        for view in (self.list, *self._opened):
            view.freeze()
        super().freeze()

    def close(self) -> None:
        """Take the view off the page, and draw it no more."""
        for view in self.children:
            view.close()
        super().close()

    def __repr__(self) -> str:
        return f"<live view: {self.list.label}>"
