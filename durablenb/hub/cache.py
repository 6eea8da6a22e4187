"""The remembered results of a hub, as users hold them: `hub.cache`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from durablenb.analysis.cache import CacheEntry, read_entries
from durablenb.analysis.text import plural, table_text
from durablenb.core.registry import target_name
from durablenb.engine.messages import ClearCache

if TYPE_CHECKING:
    from pandas import DataFrame

    from durablenb.hub.hub import Hub


class HubCache:
    """The results of activities that a hub remembers, oldest first; `hub.cache` returns them.

    Parameters
    ----------
    hub
        The hub.

    Examples
    --------
    >>> import durablenb as df
    >>> hub = df.TaskHub(":memory:", mode="kernel")
    >>> @hub.activity(cache=True)
    ... def square(number):
    ...     print("squaring", number)
    ...     return number ** 2
    >>> @hub.orchestrator
    ... def squares(context):
    ...     return (yield context.task_all([context.call_activity(square, n) for n in context.get_input()]))
    >>> hub.run(squares, [2, 3, 2], instance_id="a")
    squaring 2
    squaring 3
    [4, 9, 4]
    >>> hub.cache
    <cache: 2 results, 1 hit>
    >>> print(hub.cache)
    activity  results  hits
    ────────  ───────  ────
    square          2     1
    >>> hub.handle("a").why("#2")
    #2 square didn't run: its result is that of #0 of a.
    >>> hub.cache.clear("square")
    2
    >>> hub.close()
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def entries(self) -> list[CacheEntry]:
        """Return the remembered results, oldest first."""
        with self._hub._reader() as connection:
            return read_entries(connection)

    def __iter__(self) -> Iterator[CacheEntry]:
        return iter(self.entries())

    def __len__(self) -> int:
        return len(self.entries())

    def df(self) -> DataFrame:
        """Return the view ``cached_results`` as a data frame; its results are JSON."""
        return self._hub._relation("select * from cached_results order by seq").df()

    def clear(self, activity: Any = None) -> int:
        """Forget the results of an activity, or all of them; return their number.

        Calls run again then. Histories stay as they are. Large values that only the cache referred to are
        deleted.

        Parameters
        ----------
        activity
            The activity, or its name, compared without case; None for all.

        Raises
        ------
        DurableError
            If the hub is a file that is only read.
        StoreError
            If the journal can't be written now.
        """
        name = None if activity is None else target_name(activity)
        return int(self._hub._control.request(ClearCache(name)))

    def __str__(self) -> str:
        entries = self.entries()
        counts = Counter(entry.name for entry in entries)
        hits: Counter[str] = Counter()
        for entry in entries:
            hits[entry.name] += entry.hits
        rows = [(name, count, hits[name]) for name, count in counts.items()]
        return table_text(("activity", "results", "hits"), rows) if rows else repr(self)

    def __repr__(self) -> str:
        entries = self.entries()
        return f"<cache: {plural(len(entries), 'result')}, {plural(sum(e.hits for e in entries), 'hit')}>"
