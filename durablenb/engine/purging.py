"""Deleting ended instances in portions, so that nobody waits long beside it.

Which instances go is read in the thread that asks, beside the engine. Each portion is a message and a
transaction of its own, and between two portions everybody else has their turn. A family goes in one portion,
unless it is larger than that. Then the deepest members go first and the top last: what is left after a crash
still hangs together, and purging the top once more deletes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from durablenb.core.ports.store import InstanceQuery, Store
from durablenb.engine import locks
from durablenb.engine.messages import Purge

if TYPE_CHECKING:
    from durablenb.engine.engine import Engine

AT_FIRST = 1_000
AT_LEAST = 500
AT_MOST = 20_000
"""Instances of a portion."""

PORTION_SECONDS = 0.05
"""How long a portion is to take."""


def purge(engine: Engine, instance_ids: Sequence[str], *, is_recursive: bool) -> int:
    """Delete those of these instances that have ended; return how many were deleted.

    Parameters
    ----------
    engine
        Whose instances they are.
    instance_ids
        Which ones, all of which there are. One alone need not be there; if it is, it must have ended.
    is_recursive
        Whether their sub-orchestrations go with them, and theirs.

    Raises
    ------
    InstanceStateError
        If it is one alone, and it is open.
    StoreError
        If the journal can't be written or read now. What was deleted by then stays deleted.
    """
    plan = PurgePlan(engine.store, instance_ids, is_recursive=is_recursive)
    deleted, size = 0, AT_FIRST
    while (message := plan.take(size)) is not None:
        began = locks.monotonic()
        deleted += engine.request(message)
        taken = max(locks.monotonic() - began, 0.001)
        size = round(min(max(size * min(PORTION_SECONDS / taken, 2), AT_LEAST), AT_MOST))
    return deleted


class PurgePlan:
    """The families that are to be deleted, each with its deepest members first.

    Parameters
    ----------
    store
        Where they are.
    instance_ids, is_recursive
        As for `purge`.
    """

    def __init__(self, store: Store, instance_ids: Sequence[str], *, is_recursive: bool) -> None:
        self._as_of = store.last_seq()
        self._only = instance_ids[0] if len(instance_ids) == 1 else None
        imported = {one.instance_id for one in store.imports()}
        wanted = list(dict.fromkeys(instance_ids))
        if self._only is not None and not _is_there(store, self._only, imported):
            wanted = []
        links = store.links(wanted) if is_recursive else []
        self._families = families_of(wanted, [link for link in links if _are_kin(*link, imported)])
        self._families.reverse()  # it is taken from the end
        self._is_first = True

    def take(self, size: int) -> Purge | None:
        """What is to be deleted next, about so many instances; None if that was all."""
        taken: list[str] = []
        families = self._families
        while families and (not taken or len(taken) + len(families[-1]) <= size):
            if len(families[-1]) > size:
                taken, families[-1] = families[-1][:size], families[-1][size:]
                break
            taken += families.pop()
        if not (taken or (self._is_first and self._only)):
            return None
        self._is_first = False
        return Purge(taken, self._only, self._as_of)


def families_of(wanted: Sequence[str], links: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Return the families below these, each with its deepest members first.

    Parameters
    ----------
    wanted
        Whose families; one that is in the family of another one has none of its own.
    links
        All members below them, each with its parent.
    """
    children: dict[str, list[str]] = {}
    for child, parent in links:
        children.setdefault(parent, []).append(child)
    below = {child for child, _ in links}
    tops = [one for one in wanted if one not in below]
    seen: set[str] = set()
    families = []
    for top in (*tops, *wanted):  # the second time those that are below each other, in a circle
        if top in seen:
            continue
        seen.add(top)
        family = [top]
        for member in family:  # it grows meanwhile
            for child in children.get(member, ()):
                if child not in seen:
                    seen.add(child)
                    family.append(child)
        families.append(family[::-1])
    return families


def _is_there(store: Store, instance_id: str, imported: set[str]) -> bool:
    """Whether there is such an instance; an entity of the hub's own is none."""
    return instance_id in imported or bool(store.ids(InstanceQuery(instance_ids=(instance_id,))))


def _are_kin(child: str, parent: str, imported: set[str]) -> bool:
    """Whether they go together: what was imported isn't the child of what was not."""
    return parent in imported or child not in imported
