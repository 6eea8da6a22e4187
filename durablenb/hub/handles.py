"""The handles of several instances, by which users wait for all of them, and look at them together."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from durablenb.analysis.instances import InstanceList
from durablenb.hub.instance import Handle
from durablenb.model.display import Saved
from durablenb.model.errors import DurableError
from durablenb.model.ids import asked_instance_id

if TYPE_CHECKING:
    import pandas

    from durablenb.hub.hub import Hub
    from durablenb.hub.progress import Progress


class Handles(Saved, Sequence[Handle]):
    """The handles of several instances, in order; `hub.map` returns it.

    A notebook shows how many have which status, and the first and last ones.

    Parameters
    ----------
    hub
        The hub, the file or the remote hub that has the instances.
    instance_ids
        The instances' ids.
    """

    def __init__(self, hub: Hub, instance_ids: Iterable[str]) -> None:
        self.hub = hub
        """The hub, the file or the remote hub that has the instances."""
        self.ids = tuple(map(asked_instance_id, instance_ids))
        """The instances' ids."""

    # -- waiting ---------------------------------------------------------------------------------

    def results(self, timeout: float | None = None, *, return_exceptions: bool = False) -> list[Any]:
        """Wait until all have ended, and return what they returned, in order.

        Parameters
        ----------
        timeout
            Seconds for all of them; None for no limit. Interrupting the wait harms nothing: wait again.
        return_exceptions
            Whether the errors of those that failed, were canceled or terminated are in the list, as with
            ``asyncio.gather``. Otherwise the first one is raised, after all have ended.

        Raises
        ------
        TaskFailedError, OrchestrationCanceledError, OrchestrationTerminatedError
            If one failed, was canceled or terminated; see `Handle.result`.
        WaitTimeoutError
            If they don't end in time, or if nothing is left that could end them.
        DurableError
            If all that are left are blocked; the message says what to do.
        """
        self._wait(timeout)
        client = self.hub.client
        outcomes = client.outcomes(self.ids)
        results: list[Any] = []
        for instance_id, outcome in zip(self.ids, outcomes, strict=True):
            try:
                results.append(client.outcome_value(instance_id, outcome))
            except Exception as error:
                if not return_exceptions:
                    raise
                results.append(error)
        return results

    def as_completed(self, timeout: float | None = None) -> Iterator[Handle]:
        """Yield the handles as their instances end.

        Parameters
        ----------
        timeout
            Seconds for all of them; None for no limit.

        Raises
        ------
        WaitTimeoutError, DurableError
            As for `results`.

        Examples
        --------
        >>> import durablenb as df
        >>> with df.TaskHub(":memory:") as hub:
        ...     hub.add_orchestrator(lambda context: 2 * context.get_input(), name="double")
        ...     sorted(handle.result() for handle in hub.map("double", [1, 2, 3]).as_completed())
        [2, 4, 6]
        """
        for instance_id in self.hub._control.ended(self.ids, timeout):
            yield Handle(self.hub, instance_id)

    def wait(self, timeout: float | None = None) -> InstanceList:
        """Wait until all have ended, and return their statuses, in order; see `results`."""
        self._wait(timeout)
        return self.statuses()

    def __await__(self) -> Generator[Any, Any, list[Any]]:
        return self._results().__await__()

    async def _results(self) -> list[Any]:
        import asyncio  # slow to import

        if self.hub._control.does_work_in_caller:
            return self.results()
        return await asyncio.to_thread(self.results)

    def _wait(self, timeout: float | None) -> None:
        for _ in self.hub._control.ended(self.ids, timeout):
            pass

    def progress(self) -> Progress:
        """Return a progress display that waits for the end of all of them.

        ``await handles.progress()`` in a notebook, ``handles.progress().result()`` in a script. It waits,
        returns and raises as `results` does.
        """
        from durablenb.hub.progress import ManyProgress  # only needed for displays

        return ManyProgress(self)

    # -- looking ---------------------------------------------------------------------------------

    def statuses(self) -> InstanceList:
        """Return the statuses of the instances, in order, without those that were purged."""
        statuses = self.hub.client.get_statuses(self.ids)
        known = [statuses[instance_id] for instance_id in self.ids if instance_id in statuses]
        return InstanceList(known, lambda instance_id: Handle(self.hub, instance_id))

    def df(self) -> pandas.DataFrame:
        """Return a data frame with a row for each instance, in order.

        The columns are ``instance_id``, ``name``, ``status``, ``created_time``, ``last_updated_time`` (UTC),
        ``duration``, ``input``, ``output`` and ``failure``, the message of an error.

        Raises
        ------
        DurableError
            If pandas isn't installed.
        """
        try:
            import pandas  # slow to import
        except ImportError:
            raise DurableError("A data frame needs pandas: pip install pandas.") from None
        columns = (
            *("instance_id", "name", "status", "created_time", "last_updated_time"),
            *("duration", "input", "output", "failure"),
        )
        rows = []
        for status in self.statuses():
            failure, created, updated = status.failure_details, status.created_time, status.last_updated_time
            rows.append(
                (
                    *(status.instance_id, status.name, str(status.runtime_status), created, updated),
                    None if created is None or updated is None else updated - created,
                    status.input_,
                    None if failure is not None else status.output,
                    None if failure is None else failure.message,
                )
            )
        return pandas.DataFrame(rows, columns=list(columns))

    @overload
    def __getitem__(self, index: int) -> Handle: ...
    @overload
    def __getitem__(self, index: slice) -> Handles: ...
    def __getitem__(self, index: int | slice) -> Handle | Handles:
        if isinstance(index, slice):
            return Handles(self.hub, self.ids[index])
        return Handle(self.hub, self.ids[index])

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Handle]:
        return (Handle(self.hub, instance_id) for instance_id in self.ids)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Handles):
            return NotImplemented
        return (self.hub, self.ids) == (other.hub, other.ids)

    def __hash__(self) -> int:
        return hash(self.ids)

    def _shown(self) -> InstanceList:
        return self.statuses()

    def __repr__(self) -> str:
        try:
            return repr(self.statuses())
        except DurableError:
            return f"<{len(self):,} instances of {self.hub._journal.description}>"
