"""Purges of ended instances, in portions, so that no other request waits long for one.

The calling thread reads which instances to delete, beside the engine. Each portion is a command and a
transaction of its own; other requests have their turn between two portions. A family goes in one portion,
unless it is larger than that. Then the deepest members go first and the top last: what a crash leaves still
hangs together, and purging the top once more deletes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from durablenb.core.ports.store import InstanceQuery, Store
from durablenb.engine import locks
from durablenb.engine.messages import Purge

AT_FIRST = 1_000
AT_LEAST = 500
AT_MOST = 20_000
"""Instances of a portion."""

PORTION_SECONDS = 0.05
"""How long a portion should take."""


def purge(
    store: Store, request: Callable[[Purge], int], instance_ids: Sequence[str], *, is_recursive: bool
) -> int:
    """Delete those of these instances that have ended; return how many were deleted.

    Parameters
    ----------
    store
        Where they are.
    request
        Sends the engine a command, and returns its answer.
    instance_ids
        Existing instances. A single one need not exist; if it does, it must have ended.
    is_recursive
        Whether to delete their sub-orchestrations with them, and theirs.

    Raises
    ------
    InstanceStateError
        If a single one was given, and it is open.
    StoreError
        If the journal can't be written or read now. What was deleted by then stays deleted.
    """
    plan = PurgePlan(store, instance_ids, is_recursive=is_recursive)
    deleted, size = 0, AT_FIRST
    while (message := plan.take(size)) is not None:
        began = locks.monotonic()
        deleted += request(message)
        seconds = max(locks.monotonic() - began, 0.001)
        size = round(min(max(size * min(PORTION_SECONDS / seconds, 2), AT_LEAST), AT_MOST))
    return deleted


class PurgePlan:
    """The families to delete, each with its deepest members first.

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
        imported = {origin.instance_id for origin in store.imports()}
        tops = list(dict.fromkeys(instance_ids))
        if self._only is not None and not _exists(store, self._only, imported):
            tops = []
        links = store.links(tops) if is_recursive else []
        self._families = families(tops, [link for link in links if _are_kin(*link, imported)])
        self._families.reverse()  # portions are taken from the end
        self._is_first = True

    def take(self, size: int) -> Purge | None:
        """Return the command for the next portion, of about so many instances; None if that was all."""
        portion: list[str] = []
        left = self._families
        while left and (not portion or len(portion) + len(left[-1]) <= size):
            if len(left[-1]) > size:
                portion, left[-1] = left[-1][:size], left[-1][size:]
                break
            portion += left.pop()
        if not (portion or (self._is_first and self._only)):
            return None
        self._is_first = False
        return Purge(portion, self._only, self._as_of)


def families(instance_ids: Sequence[str], links: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Return the families of these instances, each with its deepest members first.

    Parameters
    ----------
    instance_ids
        The tops of the families; one that is in the family of another has none of its own.
    links
        All members below them, each with its parent.
    """
    children: dict[str, list[str]] = {}
    for child, parent in links:
        children.setdefault(parent, []).append(child)
    below = {child for child, _ in links}
    tops = [instance_id for instance_id in instance_ids if instance_id not in below]
    seen: set[str] = set()
    found = []
    for top in (*tops, *instance_ids):  # the second time those that are below each other, in a circle
        if top in seen:
            continue
        seen.add(top)
        family = [top]
        for member in family:  # it grows meanwhile
            for child in children.get(member, ()):
                if child not in seen:
                    seen.add(child)
                    family.append(child)
        found.append(family[::-1])
    return found


def _exists(store: Store, instance_id: str, imported: set[str]) -> bool:
    """Return True if there is such an instance; an entity counts if it was imported."""
    return instance_id in imported or bool(store.ids(InstanceQuery(instance_ids=(instance_id,))))


def _are_kin(child: str, parent: str, imported: set[str]) -> bool:
    """Return False for a child that was imported and a parent that was not."""
    return parent in imported or child not in imported
