"""The live view that belongs to a place in a hub's web page."""

from __future__ import annotations

from functools import partial

from durablenb.notebook.live.carried import Carried, Tell
from durablenb.notebook.live.entity import LiveEntity
from durablenb.notebook.live.hub import HubList, HubSight
from durablenb.notebook.live.instance import LiveInstance
from durablenb.notebook.live.selection import Selection
from durablenb.notebook.live.sight import Sight


class Apart(LiveInstance):
    """An instance in which nobody else selects anything: neither another page nor the notebook."""

    def _selection_of(self, sight: Sight) -> Selection:
        return Selection()


def view_at(sight: HubSight, place: str, tell: Tell) -> Carried:
    """Return the live view at a place, as `durablenb.notebook.page.HubPage.view` has it."""
    kind, _, rest = place.partition("/")
    if not place:
        return Carried(partial(HubList, sight), tell)
    if kind == "instances":
        return Carried(partial(Apart, sight.instance(rest), freeze=False), tell)
    if kind == "entities":
        name, _, key = rest.partition("/")
        return Carried(partial(LiveEntity, sight.entity(f"@{name}@{key}")), tell)
    raise ValueError(f"There is no page {place!r}.")
