"""The handle of an instance, by which users wait for it, look at it and steer it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from durablenb.analysis.figures import InstanceFigures
from durablenb.hub.client import NOTHING_GIVEN
from durablenb.model.errors import DurableError
from durablenb.model.ids import asked_instance_id, task_number
from durablenb.model.status import DurableOrchestrationStatus

if TYPE_CHECKING:
    import duckdb

    from durablenb.analysis.approvals import Approval
    from durablenb.analysis.cache import Why
    from durablenb.analysis.history import History
    from durablenb.analysis.instance_card import InstanceCard
    from durablenb.analysis.logs import Log
    from durablenb.analysis.outputs import Outputs
    from durablenb.analysis.replays.replay import Replay
    from durablenb.analysis.snapshot import InstanceSnapshot
    from durablenb.core.ports.store import Record
    from durablenb.hub.handles import Handles
    from durablenb.hub.hub import Hub
    from durablenb.hub.progress import Progress
    from durablenb.model.activities import ActivityAttempt, TextStream
    from durablenb.model.events import Event
    from durablenb.notebook.live.explorer import LiveExplorer
    from durablenb.notebook.live.instance import LiveInstance

_HAS_TASK = "select 1 from journal where instance_id = ? and task_id = ? limit 1"


class Handle(InstanceFigures):
    """One instance; `hub.start` and `hub.handle` return it, of an open hub, a file or a remote hub.

    Examples
    --------
    >>> import durablenb as df
    >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    >>> @hub.orchestrator
    ... def approval(context):
    ...     return (yield context.wait_for_external_event("Approval"))
    >>> handle = hub.start(approval, instance_id="order-7")
    >>> handle
    <approval order-7: Pending>
    >>> handle.raise_event("Approval", "yes")
    >>> handle.result()
    'yes'
    >>> hub.close()
    """

    def __init__(self, hub: Hub, instance_id: str) -> None:
        self.hub = hub
        """The hub, the file or the remote hub that has the instance."""
        self.id = asked_instance_id(instance_id)
        """The instance's id."""

    def result(self, timeout: float | None = None) -> Any:
        """Wait until the orchestration has ended, and return what it returned.

        Parameters
        ----------
        timeout
            Seconds; None for no limit. Interrupting the wait harms nothing: wait again.

        Raises
        ------
        TaskFailedError
            If it failed; also of the original exception's type, if that is known.
        OrchestrationCanceledError
            If it was canceled.
        OrchestrationTerminatedError
            If it was terminated.
        WaitTimeoutError
            If it doesn't end in time, or if nothing is left that could end it.
        NonDeterminismError
            If it is held, because its code no longer fits its history.
        FunctionNotFoundError
            If it waits for code that isn't registered.
        StoreError
            If the journal can't be written now.

        Examples
        --------
        >>> handle = hub.start("doubled", 21)
        >>> handle.result()
        42
        """
        return self.hub.client.result(self.id, timeout)

    def wait(self, timeout: float | None = None) -> DurableOrchestrationStatus:
        """Wait until the orchestration has ended, and return its status, whichever it is; see `result`.

        Examples
        --------
        >>> handle = hub.start("doubled", "a text")
        >>> handle.wait().runtime_status.name
        'Completed'
        """
        return self.hub.client.wait_for_completion(self.id, timeout)

    def __await__(self) -> Generator[Any, Any, Any]:
        outcome = yield from self.hub._control.wait_async(self.id, None).__await__()
        return self.hub.client.outcome_value(self.id, outcome)

    def stream(self, timeout: float | None = None) -> TextStream:
        """Return the texts that activities stream while they run, until the orchestration has ended.

        Read them with ``for``, or with ``async for``, which doesn't block the event loop; a notebook has one.
        An activity streams with `ActivityContext.stream`; those of sub-orchestrations are included. Each
        reader gets every piece. Reading begins with what the running calls have streamed so far, up to
        100,000 characters each. The journal keeps nothing of it: after the end there are no pieces, and
        `result` has the result. An activity that is retried streams from the beginning, and its pieces have
        the next number as `attempt`. A hub without a thread of its own (``mode="kernel"``) yields the pieces
        of an activity when the activity has ended. A wait for a piece that is interrupted or canceled loses
        none: read on.

        Parameters
        ----------
        timeout
            Seconds until the orchestration has ended; None for no limit.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        WaitTimeoutError, DurableError
            As for `result`; if it is blocked, for example. A failed orchestration only ends the iteration.
        DurableError
            If another process serves the hub: streams aren't served.

        Examples
        --------
        >>> import durablenb as df
        >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
        >>> @hub.activity
        ... def write(words):
        ...     for word in words:
        ...         df.current_activity().stream(f"{word} ")
        ...     return len(words)
        >>> @hub.orchestrator
        ... def main(context):
        ...     return (yield context.call_activity(write, ["three", "little", "words"]))
        >>> handle = hub.start(main)
        >>> for piece in handle.stream():
        ...     print(piece, end="|")
        three little words |
        >>> handle.result()
        3
        >>> hub.close()
        """
        self.hub.client.existing_id(self.id)
        return self.hub._control.streamed(self.id, timeout)

    def progress(self) -> Progress:
        """Return a progress display that waits for the orchestration's end.

        ``await handle.progress()`` in a notebook, ``handle.progress().result()`` in a script. It waits,
        returns and raises as `result` does.

        Examples
        --------
        >>> handle = hub.start("doubled", 21, instance_id="a")
        >>> handle.progress()  # the last line of a cell shows it
        <doubled a: Pending>
        >>> handle.progress().result()
        42
        """
        from durablenb.hub.progress import Progress  # only needed for displays

        return Progress(self.hub, self.id)

    def status(self, *, show_history: bool = False) -> DurableOrchestrationStatus:
        """Return the status; with `show_history`, it contains the events in Azure's form.

        Examples
        --------
        >>> handle = hub.start("doubled", 21)
        >>> handle.result()
        42
        >>> status = handle.status()
        >>> status.runtime_status.name, status.input_, status.output
        ('Completed', 21, 42)
        """
        return self.hub.client.get_status(self.id, show_history, show_history)

    def history(self) -> History:
        """Return the events of all executions of the instance, oldest first.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.

        Examples
        --------
        >>> handle = hub.start("doubled", 21, instance_id="a")
        >>> handle.result()
        42
        >>> print(handle.history())
            1  2026-01-01 00:00:00.000  ExecutionStarted 'doubled'        21
            2  2026-01-01 00:00:00.000  OrchestratorStarted
            3  2026-01-01 00:00:00.000  TaskScheduled 'double' #0         21
            4  2026-01-01 00:00:00.000  TaskCompleted #0                  42
            5  2026-01-01 00:00:00.000  OrchestratorStarted
            6  2026-01-01 00:00:00.000  ExecutionCompleted                42
        """
        from durablenb.analysis.history import History  # only needed for histories

        return History(self.id, self.hub.client.history(self.id))

    def why(self, task: int | str) -> Why:
        """Return why a call of an activity with a cache ran, or that it got a remembered result.

        The call is compared with the nearest former call of the activity: the one whose key has the fewest
        differences.

        Parameters
        ----------
        task
            The call, by its task id in the history: ``3`` or ``"#3"``.

        Raises
        ------
        ValueError
            If there is no such call of an activity.
        InstanceNotFoundError
            If the instance was purged.
        DurableError
            If the call ran and another process serves the hub. Ask that process.

        Examples
        --------
        >>> import durablenb as df
        >>> hub = df.TaskHub(":memory:", mode="kernel")
        >>> @hub.activity(cache=df.CachePolicy(version=1))
        ... def double(number):
        ...     return 2 * number
        >>> @hub.orchestrator
        ... def twice(context):
        ...     for number in context.get_input():
        ...         yield context.call_activity(double, number)
        >>> handle = hub.start(twice, [1, 2, 1], instance_id="a")
        >>> handle.result()
        >>> handle.why(0)
        #0 double ran: the cache knows no former call of double.
        >>> handle.why("#1").differences
        (Difference(part='the input', then='1', now='2'),)
        >>> handle.why("#2").has_run
        False
        >>> hub.close()
        """
        from durablenb.analysis.cache import why  # only needed for this

        number, journal = task_number(task), self.hub._journal
        journal.refresh(self.id)
        journal.check_exists(self.id)
        with journal.connection(self.id) as connection:
            found = why(connection, self.id, number, journal.running_key(self.id, number))
        if found.reason == "unknown" and not journal.knows_keys:
            raise DurableError(
                "The keys of calls are where the hub is. Ask the process that serves it: "
                f"hub.handle({self.id!r}).why({number})."
            )
        return found

    def logs(
        self, *, level: int | str | None = None, task_id: int | str | None = None, name: str | None = None
    ) -> Log:
        """Return the lines that the instance and its sub-orchestrations printed and logged, oldest first.

        They include all that was printed before this call, unless the disk is full. A line that hasn't ended,
        such as a progress bar, is included in its last state.

        Parameters
        ----------
        level
            Only records of `logging` with this level or a higher one, such as ``"WARNING"``. Printed lines
            have no level.
        task_id
            Only lines of one call, by its task id in the history: ``3`` or ``"#3"``.
        name
            Only lines of the activity or the orchestrator of this name.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.
        ValueError
            If there is no such level, or no such task.

        Examples
        --------
        >>> @hub.activity
        ... def count():
        ...     print("counting")
        >>> @hub.orchestrator
        ... def stocktaking(context):
        ...     yield context.call_activity(count)
        >>> handle = hub.start(stocktaking)
        >>> handle.result()
        counting
        >>> [line.message for line in handle.logs(name="count")]
        ['counting']
        """
        from durablenb.analysis.logs import Log

        lines = Log(self.id, self.hub.client.logs(self.id))
        return lines.only(level=level, task_id=self._existing_task(task_id), name=name)

    def approvals(self) -> list[Approval]:
        """Return the tool calls of agents that wait for approval, here and in sub-orchestrations.

        Each has the tool's name and arguments, and the methods `approve` and `deny`. See *Run an agent*.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.

        Examples
        --------
        >>> from pydantic_ai import Agent
        >>> from pydantic_ai.models.test import TestModel
        >>> agent = Agent(TestModel(), name="clerk")
        >>> @agent.tool_plain(requires_approval=True)
        ... def refund(amount: int) -> str:
        ...     return f"{amount} refunded"
        >>> handle = hub.start(hub.agent(agent), "Refund A-17.", instance_id="refund")
        >>> while hub.step():
        ...     pass
        >>> [waiting] = handle.approvals()
        >>> waiting.tool, waiting.args
        ('refund', {'amount': 0})
        >>> waiting.approve({"amount": 5})
        >>> handle.result()
        '{"refund":"5 refunded"}'
        """
        from durablenb.analysis.approvals import find_approvals  # only needed for agents

        with self._reader() as connection:
            self.hub._journal.check_exists(self.id)
            return find_approvals(connection, self.id, self.hub.client.raise_event)

    def outputs(self, *, task_id: int | str | None = None, name: str | None = None) -> Outputs:
        """Return the rich outputs of the instance and its sub-orchestrations: figures, tables, HTML.

        An output is there as soon as it was displayed, and has its last state. Outputs of the last moments
        may be missing if the process died.

        Parameters
        ----------
        task_id
            Only outputs of one call, by its task id in the history: ``3`` or ``"#3"``.
        name
            Only outputs of the activity or the orchestrator of this name.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.
        ValueError
            If there is no such task.

        Examples
        --------
        >>> from IPython.display import display
        >>> @hub.activity
        ... def draw():
        ...     display("a figure")
        >>> @hub.orchestrator
        ... def report(context):
        ...     yield context.call_activity(draw)
        >>> handle = hub.start(report)
        >>> handle.result()
        a figure
        >>> len(handle.outputs(name="draw"))
        1
        """
        return self._outputs().only(task_id=self._existing_task(task_id), name=name)

    def card(self, orchestrator: Callable[..., Any] | None = None, *, values: bool = True) -> InstanceCard:
        """Return everything about the instance: graph, outputs, input and result, timings and log.

        A notebook shows it as the last line of a cell. Its `save` writes it as one HTML file, with history
        and replays; see `save`.

        Parameters
        ----------
        orchestrator
            The code that is replayed; by default the registered code. A file and a remote hub have none.
        values
            False leaves out inputs, results, variables, messages of errors, the log and outputs.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.

        Examples
        --------
        >>> import durablenb as df
        >>> hub = df.TaskHub(":memory:")
        >>> @hub.orchestrator
        ... def nothing(context):
        ...     return 42
        >>> handle = hub.start(nothing, instance_id="n")
        >>> handle.result()
        42
        >>> card = handle.card()
        >>> card
        <card of n: Completed>
        >>> card.save("card.html")  # doctest: +SKIP
        >>> hub.close()
        """
        from durablenb.hub.card import instance_card  # only needed for cards

        return instance_card(self, orchestrator, values=values)

    def _existing_task(self, task: int | str | None) -> int | None:
        """Return the number of a task of the instance, if one is given."""
        if task is None:
            return None
        number = task_number(task)
        with self.hub._journal.connection(self.id) as connection:
            if not connection.execute(_HAS_TASK, [self.id, number]).fetchall():
                raise ValueError(f"{self.id} has no task #{number}. handle.history() shows which there are.")
        return number

    def _outputs(self) -> Outputs:
        from durablenb.analysis.outputs import Outputs, RichOutput

        read_blob = self.hub._journal.blob
        return Outputs(self.id, [RichOutput(state, read_blob) for state in self.hub.client.outputs(self.id)])

    def raise_event(self, event_name: str, event_data: Any = None) -> None:
        """Send an external event; it is kept until the orchestration waits for it.

        Raises
        ------
        InstanceStateError
            If the orchestration has ended.

        Examples
        --------
        >>> handle = hub.start("approval")
        >>> handle.raise_event("Approval", "yes")
        >>> handle.result()
        'yes'
        """
        self.hub.client.raise_event(self.id, event_name, event_data)

    def cancel(self, reason: str | None = None) -> bool:
        """Request that the orchestration cancels itself; return False if it has ended, and nothing happens.

        What happens then is described at `SyncDurableOrchestrationClient.cancel`.

        Examples
        --------
        >>> @hub.orchestrator
        ... def order(context):
        ...     try:
        ...         yield context.wait_for_external_event("Paid")
        ...     finally:
        ...         yield context.call_activity("double", 1)  # undo what was done
        >>> handle = hub.start(order)
        >>> while hub.step():
        ...     pass
        >>> handle.cancel("the customer changed their mind")
        True
        >>> handle.wait().runtime_status.name
        'Canceled'
        """
        return self.hub.client.cancel(self.id, reason)

    def terminate(self, reason: str = "", *, recursive: bool = True) -> None:
        """End the orchestration; with `recursive` its sub-orchestrations too, and theirs.

        Examples
        --------
        >>> handle = hub.start("approval")
        >>> handle.terminate("no longer needed")
        >>> status = handle.wait()
        >>> status.runtime_status.name, status.output
        ('Terminated', 'no longer needed')
        """
        self.hub.client.terminate(self.id, reason, recursive=recursive)

    def suspend(self, reason: str = "") -> None:
        """Suspend the orchestration until `resume`. What arrives meanwhile is kept.

        Examples
        --------
        >>> handle = hub.start("approval")
        >>> handle.suspend("the office is closed")
        >>> handle.raise_event("Approval", "yes")
        >>> while hub.step():
        ...     pass
        >>> handle.status().runtime_status.name
        'Suspended'
        >>> handle.resume()
        >>> handle.result()
        'yes'
        """
        self.hub.client.suspend(self.id, reason)

    def resume(self, reason: str = "") -> None:
        """Resume the suspended orchestration.

        Examples
        --------
        >>> handle = hub.start("doubled", 21)
        >>> handle.suspend()
        >>> handle.resume()
        >>> handle.result()
        42
        """
        self.hub.client.resume(self.id, reason)

    def rewind(self, reason: str = "") -> None:
        """Retry the failed tasks and sub-orchestrations of the failed orchestration; successes are kept.

        Raises
        ------
        InstanceStateError
            If it didn't fail.

        Examples
        --------
        >>> def refuse(number):
        ...     raise ConnectionError("busy")
        >>> hub.add_activity(refuse, name="double")
        >>> handle = hub.start("doubled", 21)
        >>> handle.wait().runtime_status.name
        'Failed'
        >>> hub.add_activity(lambda number: 2 * number, name="double")
        >>> handle.rewind()
        >>> handle.result()
        42
        """
        self.hub.client.rewind(self.id, reason)

    def restart(self, *, restart_with_new_instance_id: bool = True) -> Handle:
        """Start the orchestration again with its input; return the new instance's handle.

        Examples
        --------
        >>> hub.start("doubled", 21, instance_id="a").result()
        42
        >>> again = hub.handle("a").restart()
        >>> again.id == "a", again.result()
        (False, 42)
        """
        return Handle(self.hub, self.hub.client.restart(self.id, restart_with_new_instance_id))

    def fork(
        self,
        at: int | None = None,
        *,
        results: Mapping[int | str, Any] | None = None,
        answers: Mapping[int | str, Any] | None = None,
        input: Any = NOTHING_GIVEN,
        instance_id: str | None = None,
    ) -> Handle:
        """Start an instance that shares this one's past up to an event; return its handle.

        The fork continues from there: finished work isn't repeated, and open activities, timers, calls of
        entities and sub-orchestrations are requested again. This instance isn't affected.

        Parameters
        ----------
        at
            The id of the last shared event, as in `history`. All events of its episode are shared, since they
            were written together. The default is the last event in `results` and `answers`; with `input`, the
            start; and otherwise the end, without the episode in which the instance ended.
        results
            Other results, by the ids of the events that have them, or by task as ``"#3"``. An exception
            stands for a failure. A task that is open at that point gets its result from here, and isn't
            requested.
        answers
            Other answers in the conversation of an agent, by the same keys: what a tool returned; or what the
            model answered, as a text, as a list of parts, or as a whole answer. They cost nothing. An
            exception stands for a failure.
        input
            Another input; the fork begins at the start then.
        instance_id
            The new instance's id; by default 32 hexadecimal digits.

        Raises
        ------
        TypeError
            If `results` or `answers` isn't a dict.
        ValueError
            If the fork can't be made: there is no such event, two keys name the same task, the event is in a
            critical section or in the last episode, a sub-orchestration with an id of its own is running
            there, or the code has already read its input.
        NonDeterminismError
            If the code doesn't fit this past; the message says where it differs.
        FunctionNotFoundError
            If the orchestrator isn't registered.
        InstanceExistsError
            If an instance of that id is open.

        Notes
        -----
        In the shared part, ``context.instance_id`` and the values of `new_uuid` are those of the origin,
        since requests may contain them. After it, they are the fork's own. Both instances call the same
        entities.

        Examples
        --------
        >>> import durablenb as df
        >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
        >>> hub.add_activity(lambda text: 0.4, name="judge")
        >>> hub.add_activity(lambda text: f"{text} is out", name="publish")
        >>> @hub.orchestrator
        ... def review(context):
        ...     mark = yield context.call_activity("judge", "draft")
        ...     if mark > 0.5:
        ...         return (yield context.call_activity("publish", "draft"))
        ...     return "not good enough"
        >>> handle = hub.start(review, instance_id="r")
        >>> handle.result()
        'not good enough'
        >>> print(handle.history()[3])  # doctest: +ELLIPSIS
        TaskCompleted(event_id=4, ..., result='0.4', ...)
        >>> other = handle.fork(at=4, results={4: 0.9}, instance_id="what-if")
        >>> other.result()
        'draft is out'
        >>> other
        <review what-if: Completed, forked from r>
        >>> hub.close()
        """
        if answers is not None:
            from durablenb.hub.answers import with_answers  # only needed for agents

            self.hub.client.existing_id(self.id)
            results = with_answers(self._load([self.id]).get(self.id, []), results, answers)
        chosen = self.hub.client.fork(self.id, at, results=results, input_=input, fork_id=instance_id)
        return Handle(self.hub, chosen)

    def fork_many(
        self, variants: Mapping[str, Mapping[str, Any]] | Iterable[Mapping[str, Any]], **common: Any
    ) -> Handles:
        """Start a fork for each variant, and return their handles, in order.

        The view `instances` has ``forked_from``, and `llm_calls` the cost of each, so a query says which
        variant was best. All of them run at once, within the limits of the activities.

        Parameters
        ----------
        variants
            The arguments of `fork`, for each fork. By name, the ids of the forks are the id of this instance,
            a hyphen and the name.
        common
            Arguments of `fork` for all of them; those of a variant win.

        Raises
        ------
        ValueError, NonDeterminismError, FunctionNotFoundError, InstanceExistsError
            As for `fork`. The forks before the one that can't be made have been started.

        Examples
        --------
        >>> import durablenb as df
        >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
        >>> hub.add_activity(lambda text: 0.4, name="judge")
        >>> @hub.orchestrator
        ... def review(context):
        ...     mark = yield context.call_activity("judge", "draft")
        ...     return "published" if mark > 0.5 else "rejected"
        >>> handle = hub.start(review, instance_id="r")
        >>> handle.result()
        'rejected'
        >>> handle.fork_many({f"{mark}": {"results": {"#0": mark}} for mark in (0.3, 0.6, 0.9)}).results()
        ['rejected', 'published', 'published']
        >>> hub.sql("select instance_id from instances where forked_from = 'r' order by 1").fetchall()
        [('r-0.3',), ('r-0.6',), ('r-0.9',)]
        >>> hub.close()
        """
        from durablenb.hub.handles import Handles  # which needs this module

        if isinstance(variants, Mapping):
            named = [{"instance_id": f"{self.id}-{name}", **given} for name, given in variants.items()]
        else:
            named = [dict(given) for given in variants]
        return Handles(self.hub, [self.fork(**{**common, **given}).id for given in named])

    def purge(self) -> int:
        """Delete the ended instance and its sub-orchestrations; return the number of deleted instances.

        Raises
        ------
        InstanceStateError
            If it is open.

        Examples
        --------
        >>> handle = hub.start("doubled", 21, instance_id="a")
        >>> handle.result()
        42
        >>> handle.purge()
        1
        >>> hub.instances()
        <0 instances>
        """
        return self.hub.client.purge_instance_history(self.id).instances_deleted

    def purge_past_generations(self, keep: int = 0) -> int:
        """Delete the past generations of the orchestration, which may be open; return their number.

        The current generation stays, and so do ``created_time``, ``generation``, and the first event of the
        instance. The ended sub-orchestrations that the deleted generations called are deleted with them. Open
        sub-orchestrations and generations of which there are forks stay.

        Parameters
        ----------
        keep
            The number of past generations that are kept, beside the current one.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        InstanceStateError
            If it was imported: it can only be purged as a whole.
        ValueError
            If `keep` is negative.

        Examples
        --------
        >>> import durablenb as df
        >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
        >>> @hub.orchestrator
        ... def rounds(context):
        ...     count = context.get_input()
        ...     if count < 5:
        ...         context.continue_as_new(count + 1)
        ...     else:
        ...         yield context.wait_for_external_event("Stop")
        >>> handle = hub.start(rounds, 0)
        >>> while hub.step():
        ...     pass
        >>> handle.purge_past_generations(keep=1)
        4
        >>> print(handle.history())
            1  2026-01-01 00:00:00.000  ExecutionStarted 'rounds'         0
               4 generations were purged: 0 to 3
            1  2026-01-01 00:00:00.000  ExecutionStarted 'rounds'         4
            2  2026-01-01 00:00:00.000  OrchestratorStarted
            3  2026-01-01 00:00:00.000  ContinueAsNew                     5
            1  2026-01-01 00:00:00.000  ExecutionStarted 'rounds'         5
            2  2026-01-01 00:00:00.000  OrchestratorStarted
            3  2026-01-01 00:00:00.000  EventSubscribed 'Stop' #0
        >>> hub.close()
        """
        return self.hub.client.purge_past_generations(self.id, keep)

    def replay(
        self, orchestrator: Callable[..., Any] | None = None, *, execution: int | None = None
    ) -> Replay:
        """Replay the orchestrator's code against the history, and return what it did at each await.

        No activity runs and nothing is written, since results are in the history. Printing the replay walks
        through the last episode; `steps(n)` returns the steps of the n-th one.

        Parameters
        ----------
        orchestrator
            The code, to see whether it fits the history; by default the registered code. A file and a remote
            hub have none.
        execution
            The number of the execution, from 1, if the instance continued as new or was rewound; by default
            the newest one. Generations that were purged don't count.

        Raises
        ------
        FunctionNotFoundError
            If the orchestrator isn't registered.
        InstanceNotFoundError
            If it was purged.
        ValueError
            If there is no such execution.

        Examples
        --------
        >>> import durablenb as df
        >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
        >>> @hub.activity
        ... def double(value):
        ...     return 2 * value
        >>> @hub.orchestrator
        ... def work(context):
        ...     first = yield context.call_activity(double, 4)
        ...     return (yield context.call_activity(double, first))
        >>> handle = hub.start(work, instance_id="w")
        >>> handle.result()
        16
        >>> first, second, last = handle.replay().steps()
        >>> print(second.names, second.sentence)
        {'first': '8'} The history already holds the result (event 7); double is not run again.
        >>> hub.close()
        """
        from durablenb.analysis.replays.executions import RecordedExecutions  # only needed for replays

        self.hub._journal.refresh(self.id)
        executions = RecordedExecutions(self._records())
        if not len(executions):
            raise self.hub._journal.unknown(self.id)
        execution_id, history = executions[len(executions) if execution is None else execution]
        return self._replay(execution_id, history, orchestrator)

    def _replay(
        self, execution_id: str, history: Sequence[Event], orchestrator: Callable[..., Any] | None
    ) -> Replay:
        """Return the replays of one of the executions."""
        from durablenb.hub.replay import replay_execution

        name = self.hub._journal.existing(self.id).name
        return replay_execution(self.hub, (self.id, execution_id), name, history, orchestrator)

    def explore(
        self, orchestrator: Callable[..., Any] | None = None, *, execution: int | None = None
    ) -> LiveExplorer:
        """Return a live view that steps through the replays: code, variables, history.

        Looking runs nothing and writes nothing. The view follows a running orchestration, and opens at the
        last step: where a failed one raised, or where the code of a held one doesn't fit its history. Keys:
        the arrows move by a step, PageUp and PageDown by a replay, Home and End to the ends, Space plays. You
        can change a copy of the history, to see what the code would have done. Only *Resume the copy* runs
        something, in a hub of its own.

        Parameters
        ----------
        orchestrator
            The code; by default the registered code. A file and a remote hub have none.
        execution
            The number of the first execution to show, from 1; by default the newest one. You can choose
            another one in the view.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.
        ValueError
            If there is no such execution.

        Examples
        --------
        >>> handle = hub.start("doubled", 21, instance_id="a")
        >>> handle.result()
        42
        >>> view = handle.explore()  # the last line of a cell shows it
        >>> view
        <live view: Replay 2, the end: It returned 42: the orchestration is completed (event 6).>
        >>> view.freeze()
        """
        from durablenb.notebook.live.explorer import LiveExplorer

        return LiveExplorer(self, orchestrator, execution)

    def watch(self, *, freeze: bool = True) -> LiveInstance:
        """Return a live view that follows the orchestration.

        It shows the graph, the timeline, the history and what the orchestration waits for, with a form for
        each external event and buttons for commands. A selection is shared by all views of the instance. The
        view shows what is on disk, and is redrawn up to ten times a second.

        While a cell blocks, as `result` does, the view can't react to clicks: `await handle` instead.

        Parameters
        ----------
        freeze
            Whether it becomes its still picture once the orchestration has ended and nothing was clicked in
            it for a minute, so that a saved notebook shows it without a kernel. A view with a selection stays
            live. "Keep as picture" and closing the hub do the same at once.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.

        Examples
        --------
        >>> handle = hub.start("doubled", 21, instance_id="a")
        >>> view = handle.watch()  # the last line of a cell shows it
        >>> handle.result()
        42
        >>> view.freeze()
        """
        from durablenb.notebook.live.instance import LiveInstance

        self.hub.client.existing_id(self.id)
        return LiveInstance(self, freeze=freeze)

    def _records(self, after: int = 0) -> list[Record]:
        """Return the events after a position in the journal, as it was last read."""
        return self.hub._journal.of(self.id).records(self.id, after)

    def _tries(self) -> list[ActivityAttempt]:
        """Return the known tries of its calls, as the journal was last read."""
        return self.hub._journal.of(self.id).attempts([self.id])

    def _load(self, instance_ids: Sequence[str]) -> dict[str, list[Event]]:
        return self.hub._journal.load(instance_ids)

    def _status(self) -> DurableOrchestrationStatus:
        """Return the status when the journal was last read."""
        return self.hub._journal.status(self.id)

    @contextmanager
    def _reader(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self.hub._journal.refresh(self.id)
        with self.hub._journal.connection(self.id) as connection:
            yield connection

    def _shown(self) -> InstanceSnapshot:
        from durablenb.analysis.snapshot import instance_snapshot  # only needed for pictures

        journal = self.hub._journal
        journal.refresh(self.id)
        tries = self._tries()  # first: a try that runs is running in `info`, unless it has ended
        info = journal.runtime_info(self.id)  # then: what ends meanwhile has its event
        records = self._records()
        if not records:
            raise journal.unknown(self.id)
        shown = instance_snapshot(
            self._status(),
            [record.event for record in records],
            info,
            journal.now(self.id),
            lambda entity_ids: journal.related(self.id, entity_ids).queues,
            journal.related(self.id).forks,
            tries,
        )
        return replace(shown, outputs=self._outputs())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Handle):
            return NotImplemented
        return (self.hub, self.id) == (other.hub, other.id)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        try:
            status = self.status()
        except DurableError:
            return f"<instance {self.id} of {self.hub._journal.description}>"
        return repr(status) if status else f"<instance {self.id}: purged>"
