"""Methods of an instance, an entity and a hub that draw or compute something from the journal.

The module is long because most of it is the reference of these methods.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, cast

from durablenb.model.display import Saved, views
from durablenb.model.entities import EntityId
from durablenb.model.errors import DurableError

if TYPE_CHECKING:
    import duckdb
    import networkx
    import pandas
    from matplotlib.axes import Axes

    from durablenb.analysis.history import History
    from durablenb.analysis.instance_card import InstanceCard
    from durablenb.analysis.sequence import SequenceDiagram
    from durablenb.model.events import Event


class InstanceFigures(Saved):
    """The graph, the timeline and the figures of one instance."""

    id: str

    def history(self) -> History:
        """Return the events of all executions."""
        raise NotImplementedError

    def _reader(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        raise NotImplementedError

    def _load(self, instance_ids: Sequence[str]) -> Mapping[str, Sequence[Event]]:
        raise NotImplementedError

    def sequence(self) -> SequenceDiagram:
        """Return the messages between the orchestration and its partners as a sequence diagram.

        Its `to_mermaid` gives the diagram in Mermaid's language.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.

        Examples
        --------
        >>> handle = hub.start("doubled", 21, instance_id="a")
        >>> handle.result()
        42
        >>> print(handle.sequence().to_mermaid())
        sequenceDiagram
            participant p0 as client
            participant p1 as doubled
            participant p2 as double
            p0->>p1: start
            p1->>p2: call
            p2-->>p1: result
            p1-->>p0: Completed
        """
        from durablenb.analysis.sequence import SequenceDiagram  # only needed for pictures

        return SequenceDiagram(self.id, self.history())

    def graph(self, depth: int = 0) -> networkx.DiGraph[Any]:
        """Return the last execution as a graph of its steps, a `networkx.DiGraph`.

        A step is all calls of one name at one point of the code. Edges lead from earlier steps to later ones.

        Parameters
        ----------
        depth
            The number of levels of sub-orchestrations that are shown, as nodes and with their own steps. By
            default, there are none; ``graph(depth=100)`` has all.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.

        Notes
        -----
        Nodes are named for the called function (``"charge"``, or ``"charge #4"`` if there are several steps).
        Other nodes are ``"start"``, ``"end"`` and ``"join #2"``, at which several calls were awaited
        together. Entities are nodes too, and so are the instances of sub-orchestrations down to `depth`. They
        are named for their ids.

        A notebook shows the graph as a picture. All nodes have their place in it, ``pos``:
        ``networkx.draw(graph, networkx.get_node_attributes(graph, "pos"))`` draws the same with Matplotlib.

        All nodes have ``kind``, ``name``, ``status``, ``count`` (of calls) and ``instance_id``. Steps have
        ``stage``, ``attempts`` (of all calls), ``asked`` and ``started`` (of the first call), ``ended`` (of
        the last one; for open calls, their last known event), which are aware datetimes, ``seconds``
        (in which at least one of the calls was running; canceled and abandoned calls don't count),
        ``event_ids``, and the number of calls in each state. Joins have ``came`` and ``of``.

        Edges have ``relation``: the target was ``"scheduled-by"`` the orchestrator after the source had
        ended, or ``"awaits"`` the source; the source ``"starts"`` an instance, or ``"calls"``, ``"signals"``
        or ``"locks"`` an entity. They have ``count``, ``is_back`` and the target's ``seconds``: their sum
        over a path is the duration of its steps.

        An edge that ``is_back`` begins another round of a loop. Without these edges, the graph has no cycles.

        The steps of a sub-orchestration follow the node of its instance, and have its id in their names,
        ``"child-1: charge"``. Their ``instance_id`` is the child's. The step that started the child has their
        time as well, so leave one of the two out of a sum.

        Examples
        --------
        >>> import durablenb as df
        >>> import networkx
        >>> clock = df.VirtualClock()
        >>> hub = df.TaskHub(":memory:", mode="kernel", clock=clock)
        >>> for name, seconds in {"bake": 40, "brew": 5, "serve": 2}.items():
        ...     hub.add_activity(lambda seconds: clock.advance(seconds=seconds), name=name)
        >>> @hub.orchestrator
        ... def breakfast(context):
        ...     both = [context.call_activity("brew", 5), context.call_activity("bake", 40)]
        ...     yield context.task_all(both)
        ...     for guest in range(4):
        ...         yield context.call_activity("serve", 2)
        >>> handle = hub.start(breakfast)
        >>> handle.result()
        >>> graph = handle.graph()
        >>> graph.nodes["serve"]["count"], graph.nodes["serve"]["seconds"]
        (4, 8.0)
        >>> onward = networkx.subgraph_view(graph, filter_edge=lambda *edge: not graph.edges[edge]["is_back"])
        >>> list(networkx.topological_generations(onward))
        [['start'], ['brew', 'bake'], ['join #1'], ['serve'], ['end']]
        >>> networkx.dag_longest_path(onward, weight="seconds")
        ['start', 'bake', 'join #1', 'serve']
        >>> sorted(networkx.descendants(onward, "bake"))
        ['end', 'join #1', 'serve']
        >>> hub.close()
        """
        from durablenb.analysis.graph import execution_graph  # only needed for pictures
        from durablenb.analysis.nesting import read_nested_graphs
        from durablenb.analysis.networkx_graphs import networkx_graph

        flow = execution_graph(self.history())
        return networkx_graph(flow, self.id, read_nested_graphs(self._load, flow, depth), depth)

    def timeline(self) -> pandas.DataFrame:
        """Return the calls of all executions as a data frame of pandas: a row for each attempt.

        The columns are those of the table `timeline(id)`: ``generation``, ``kind``, ``name``, ``attempt``,
        ``status``, ``scheduled``, ``started``, ``ended`` (UTC, without a zone), ``since_start``,
        ``queue_time`` and ``duration`` (timedeltas), and ``span_id``. `plot_timeline` draws the same.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.
        DurableError
            If pandas isn't installed.

        Examples
        --------
        >>> handle = hub.start("doubled", 21)
        >>> handle.result()
        42
        >>> handle.timeline()[["kind", "name", "status"]].to_dict("records")
        [{'kind': 'activity', 'name': 'double', 'status': 'Completed'}]
        """
        try:
            import pandas  # noqa: F401  # slow to import
        except ImportError:
            raise DurableError(
                "A data frame needs pandas: pip install pandas. The table timeline(id) does without."
            ) from None
        with self._reader() as connection:
            frame = connection.execute("from timeline(?)", [self.id]).df()
        if frame.empty:
            self.history()  # raises an error if there is no such instance
        return cast("pandas.DataFrame", frame)

    def plot_graph(self, ax: Axes | None = None) -> Axes:
        """Return Matplotlib axes with the steps of the last execution, as a notebook shows them.

        Parameters
        ----------
        ax
            The axes to draw on; the drawing is scaled to them. Without axes, a new figure of the right size
            is made, with letters of the size ``rcParams["font.size"]``.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.
        DurableError
            If Matplotlib isn't installed.

        Examples
        --------
        >>> handle = hub.start("doubled", 21)
        >>> handle.result()
        42
        >>> axes = handle.plot_graph()
        >>> axes.figure.savefig("graph.pdf")  # doctest: +SKIP
        """
        return views().plot("graph", self._shown(), ax)

    def plot_timeline(self, ax: Axes | None = None, *, by: Literal["name", "worker"] = "name") -> Axes:
        """Return Matplotlib axes with a bar for each attempt of each call, in a lane for each name or worker.

        The time axis is in seconds from the beginning. If more than four fifths of the time are idle, the
        idle time is folded, and a band marks it. Very short bars are drawn wide enough to be seen.

        Of more than 20,000 bars, those that nobody could tell apart are merged, and rows that would be too
        thin to see are thinned out. All failures have their crosses.

        Parameters
        ----------
        ax
            The axes to draw on; without them, a new figure is made.
        by
            ``"worker"``: a lane for each thread, process or cluster worker, with the attempts of activities
            that have ended, and the share of the time in which it was busy. The colour is the activity's
            name; failed attempts are red. A new figure has two axes more, which show the attempts that ended
            per second, and the distribution of their durations with the median and the 95th percentile.

        Raises
        ------
        ValueError
            If `by` is something else.
        InstanceNotFoundError
            If it was purged.
        DurableError
            If Matplotlib isn't installed.

        Examples
        --------
        >>> import durablenb as df
        >>> hub = df.TaskHub(":memory:")
        >>> hub.add_activity(lambda part: part * part, name="square")
        >>> @hub.orchestrator
        ... def squares(context):
        ...     yield context.task_all([context.call_activity("square", part) for part in range(20)])
        >>> handle = hub.start(squares)
        >>> handle.result()
        >>> axes = handle.plot_timeline(by="worker")
        >>> [axes.get_ylabel() for axes in axes.figure.axes]
        ['', 'finished/s', 'attempts']
        >>> hub.close()
        """
        if by not in ("name", "worker"):
            raise ValueError(f"A timeline is drawn by 'name' or by 'worker', not by {by!r}.")
        return views().plot("timeline" if by == "name" else "workers", self._shown(), ax)

    def card(self, orchestrator: Callable[..., Any] | None = None, *, values: bool = True) -> InstanceCard:
        """Return everything about the instance."""
        raise NotImplementedError

    def save(
        self,
        path: str | os.PathLike[str],
        orchestrator: Callable[..., Any] | None = None,
        *,
        values: bool = True,
    ) -> None:
        """Write the instance to a file, to look at it or to send it, and replace the file if it exists.

        Parameters
        ----------
        path
            The suffix chooses the format. ``.html``: a page that needs no other file and no network, with the
            graph, the timeline, the outputs, the history, the log, and the replays of the code step by step;
            `durablenb.open_history` reads the history in it. ``.svg``: graph and timeline, as a notebook
            shows them. ``.png``: the same, drawn by Matplotlib.
        orchestrator
            The code that is replayed in a page; by default the registered code. A file and a remote hub have
            none; without code the page has no replays, and says so.
        values
            False leaves inputs, results, variables, messages of errors, the log and outputs out. Names,
            times and the code stay.

        Raises
        ------
        ValueError
            If it has another suffix, or if large values for a page have more than 48 MB.
        InstanceNotFoundError
            If the instance was purged.
        DurableError
            If Matplotlib isn't installed, which a PNG needs.

        Notes
        -----
        Values are those of the journal, which a hub's `redact` has seen. It also sees the variables and the
        printed lines of replays, each as a text of the kind ``"log"``. A page has at most 20,000 awaits and
        100 executions to step through.

        Examples
        --------
        >>> import durablenb as df
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
        >>> hub.add_orchestrator(lambda context: 2 * context.get_input(), name="double")
        >>> handle = hub.start("double", 21, instance_id="a")
        >>> handle.result()
        42
        >>> with TemporaryDirectory() as folder:
        ...     page = Path(folder, "double.html")
        ...     handle.save(page)
        ...     with df.open_history(page) as file:
        ...         file.handle("a").result()
        42
        >>> hub.close()
        """
        self.card(orchestrator, values=values).save(path)


class EntityFigures(Saved):
    """The figures of one entity."""

    __slots__ = ()

    entity_id: EntityId

    def _reader(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        raise NotImplementedError

    def plot_state(self, ax: Axes | None = None) -> Axes:
        """Return Matplotlib axes with a line for a numeric state, or for each numeric field of the state.

        The lines are drawn over time, in steps; or over the number of operations if all ended at one moment.
        Crosses mark failed operations.

        Parameters
        ----------
        ax
            The axes to draw on; without them, a new figure is made.

        Raises
        ------
        ValueError
            If the state has no numbers.
        DurableError
            If Matplotlib isn't installed.

        Examples
        --------
        >>> hub.entity("Counter", "a").add(5)
        >>> while hub.step():
        ...     pass
        >>> axes = hub.entity("Counter", "a").plot_state()
        >>> axes.figure.savefig("state.pdf")  # doctest: +SKIP
        """
        from durablenb.analysis.number_series import read_state_numbers  # only needed for pictures

        with self._reader() as connection:
            numbers = read_state_numbers(connection, self.entity_id)
        return views().plot("state", numbers, ax)


class HubFigures(Saved):
    """The graph and the figures of a hub."""

    def _reader(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        raise NotImplementedError

    def graph(self) -> networkx.DiGraph[Any]:
        """Return a graph of the hub's instances and entities, with their starts, calls, signals and locks.

        Notes
        -----
        Nodes are named for ids. All have ``kind`` (``"orchestration"`` or ``"entity"``), ``name``, ``status``
        (of an entity ``"exists"`` or ``"deleted"``), ``created`` and ``last_updated``, aware datetimes. An
        edge has the numbers of its ``starts``, ``calls``, ``signals`` and ``locks``, as far as there are any,
        and ``count``, their sum. Purged instances that others refer to are nodes of the kind ``"purged"``.

        A notebook shows the graph as a picture, in which each node is at its ``pos``: instances are right of
        those that started them, entities right of all. Up to 300 nodes are drawn.

        There is a node for each instance. If your hub has millions of instances, use `sql` instead.

        Examples
        --------
        >>> import durablenb as df
        >>> import networkx
        >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
        >>> @hub.entity
        ... class Stock:
        ...     def __init__(self):
        ...         self.cups = 0
        ...     def take(self, count: int):
        ...         self.cups -= count
        >>> @hub.orchestrator
        ... def brew(context):
        ...     yield context.call_entity(df.EntityId("Stock", "kitchen"), "take", context.get_input())
        >>> @hub.orchestrator
        ... def breakfast(context):
        ...     for guest in range(2):
        ...         yield context.call_sub_orchestrator(brew, 1, f"brew-{guest}")
        >>> hub.run(breakfast, instance_id="monday")
        >>> graph = hub.graph()
        >>> sorted(networkx.ancestors(graph, "@stock@kitchen"))
        ['brew-0', 'brew-1', 'monday']
        >>> graph.edges["brew-0", "@stock@kitchen"]
        {'calls': 1, 'count': 1}
        >>> hub.close()
        """
        from durablenb.analysis.networkx_graphs import relations_graph

        with self._reader() as connection:
            return relations_graph(connection)

    def plot_throughput(self, ax: Axes | None = None) -> Axes:
        """Return Matplotlib axes with the number of calls of all instances that ended per second, over time.

        These are the calls of activities and the operations of entities. Each of the names with most calls
        has a layer. Crosses mark failures.

        Parameters
        ----------
        ax
            The axes to draw on; without them, a new figure is made.

        Raises
        ------
        DurableError
            If Matplotlib isn't installed.

        Examples
        --------
        >>> hub.run("doubled", 21)
        42
        >>> axes = hub.plot_throughput()
        >>> axes.figure.savefig("throughput.pdf")  # doctest: +SKIP
        """
        from durablenb.analysis.throughput import read_throughput  # only needed for pictures

        with self._reader() as connection:
            throughput = read_throughput(connection)
        return views().plot("throughput", throughput, ax)
