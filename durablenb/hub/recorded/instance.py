"""One instance as a hub's file has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from durablenb.analysis.figures import InstanceFigures
from durablenb.analysis.history import History
from durablenb.analysis.logs import Log
from durablenb.analysis.replays.executions import Executions
from durablenb.model.display import views
from durablenb.model.errors import DurableError, FunctionNotFoundError
from durablenb.model.events import Event
from durablenb.model.status import DurableOrchestrationStatus

if TYPE_CHECKING:
    import duckdb
    from anywidget import AnyWidget

    from durablenb.analysis.replays.replay import Replay
    from durablenb.analysis.snapshot import InstanceSnapshot
    from durablenb.hub.recorded.hub import HubFile


class RecordedInstance(InstanceFigures):
    """One instance of a file that is only read; `HubFile.handle` gives it.

    What there is to look at is called as in a `Handle`. A notebook shows it as it was when the file was last
    written.
    """

    def __init__(self, file: HubFile, instance_id: str) -> None:
        self._file = file
        self.id = instance_id
        """The instance's id."""

    def status(self) -> DurableOrchestrationStatus:
        """Return where the instance stands; a false status if it was purged."""
        return self._file.status(self.id)

    def history(self) -> History:
        """Return the events of the instance, of all its executions, oldest first.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.
        """
        return self._file.history(self.id)

    def logs(
        self, *, level: int | str | None = None, task_id: int | None = None, name: str | None = None
    ) -> Log:
        """Return what the instance and its sub-orchestrations printed and logged; see `Handle.logs`.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.
        """
        return self._file.logs(self.id).only(level=level, task_id=task_id, name=name)

    def replay(
        self, orchestrator: Callable[..., Any] | None = None, *, execution: int | None = None
    ) -> Replay:
        """Let code go through the history, and return what it did at each await; see `Handle.replay`.

        Parameters
        ----------
        orchestrator
            The code. A file has source texts, which are never run.
        execution
            Which execution, from 1; without it, the newest one.

        Raises
        ------
        FunctionNotFoundError
            If no code is given.
        InstanceNotFoundError
            If it was purged.
        ValueError
            If there is no such execution.
        """
        executions = Executions(self._file._records(self.id))
        if not executions:
            raise self._file._unknown(self.id)
        return self._replay(orchestrator, *executions[len(executions) if execution is None else execution])

    def explore(
        self, orchestrator: Callable[..., Any] | None = None, *, execution: int | None = None
    ) -> AnyWidget:
        """Return a live view that goes through the replays step by step; see `Handle.explore`.

        Parameters
        ----------
        orchestrator
            The code. A file has source texts, which are shown, and never run: without code there is the text
            alone.
        execution
            Which execution, from 1, to begin with; without it, the newest one.

        Raises
        ------
        InstanceNotFoundError
            If it was purged.
        ValueError
            If there is no such execution.
        """
        from durablenb.analysis.replays.explorer import ExplorerSource

        file = self._file
        if not self.status():
            raise file._unknown(self.id)
        sight = ExplorerSource(
            self,
            records=partial(file._records, self.id),
            replay=partial(self._replay, orchestrator),
            code=lambda: orchestrator,
            source=file._source,
            now=lambda: file.last_written() or datetime.now(UTC),
        )
        return cast("AnyWidget", views().explorer(sight, execution))

    def _replay(
        self, orchestrator: Callable[..., Any] | None, execution_id: str, events: Sequence[Event]
    ) -> Replay:
        from durablenb.hub.recorded.fits import replay_of  # what only those need who replay

        name = self.status().name or ""
        if orchestrator is None:
            raise FunctionNotFoundError(
                f"A file has no functions. Define {name!r} as it was, or as you want it to be, and give it."
            )
        ids, file = (self.id, execution_id), self._file
        return replay_of(ids, name, events, orchestrator, file._codec, file._source)

    def _reader(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return self._file.connection()

    def _shown(self) -> InstanceSnapshot:
        from durablenb.analysis.instances import read_forks
        from durablenb.analysis.snapshot import instance_snapshot

        now, ask_queues = self._file.last_written(), self._file.queues
        with self._reader() as connection:
            forks = read_forks(connection, self.id)
        return instance_snapshot(self.status(), self.history(), now=now, ask_queues=ask_queues, forks=forks)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RecordedInstance):
            return NotImplemented
        return (self._file, self.id) == (other._file, other.id)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        try:
            status = self.status()
        except DurableError:
            return f"<instance {self.id} of a closed file>"
        return repr(status) if status else f"<instance {self.id}: purged>"
