"""The executors of a hub: each is made when an activity first needs it."""

from __future__ import annotations

import concurrent.futures
from typing import Any, cast

from durablenb.core.ports.executor import Executor, ExecutorSource
from durablenb.core.registry import Activity
from durablenb.engine.thread_executors import InlineExecutor, ThreadExecutor


class Executors:
    """The executors of activities, each made when it is first needed.

    Parameters
    ----------
    default
        The executor for activities that have none of their own: a name (``"threads"``, ``"inline"``,
        ``"processes"``), a number of threads, or an executor.

    Raises
    ------
    ValueError, TypeError
        If it is none of these.
    """

    def __init__(self, default: object) -> None:
        check_executor(default)
        self._default = default
        self._made: dict[object, Executor] = {}
        self.inline = InlineExecutor()

    @property
    def default(self) -> object:
        """The executor for activities that have none of their own."""
        return self._default

    def use_default(self, executor: object) -> None:
        """Replace the default executor."""
        check_executor(executor)
        self._default = executor

    def for_activity(self, activity: Activity) -> Executor:
        """Return the executor of an activity: an event loop for ``async def``, unless it has another."""
        choice, owner = activity.executor, activity.name
        if choice is None or (choice == "inline" and activity.is_async):
            choice, owner = ("asyncio" if activity.is_async else self._default), ""
        if choice == "inline":
            return self.inline
        if isinstance(choice, str):
            key: object = choice
        elif _is_source(choice):
            key = id(choice)
        else:
            key = owner, choice if type(choice) is int else id(choice)
        executor = self._made.get(key)
        if executor is None:
            executor = self._made[key] = self._make(choice)
        return executor

    def drop_unwanted(self) -> None:
        """Remove the jobs that have not begun and aren't wanted any more."""
        for executor in (self.inline, *self._made.values()):
            executor.drop_unwanted()

    def close(self, *, wait: bool) -> None:
        """Close the executors made here."""
        made, self._made = self._made, {}
        for executor in made.values():
            executor.close(wait=wait)

    def _make(self, choice: object) -> Executor:
        if choice == "asyncio":
            from durablenb.engine.asyncio_executor import AsyncioExecutor  # asyncio takes its time to import

            return AsyncioExecutor()
        if choice == "threads":
            return ThreadExecutor()
        if isinstance(choice, int):
            return ThreadExecutor(choice)
        if choice == "processes":
            from durablenb.engine.process_executor import ProcessExecutor

            return ProcessExecutor()
        if isinstance(choice, concurrent.futures.Executor):
            from durablenb.engine.futures_executor import FuturesExecutor

            return FuturesExecutor(choice)
        if _is_source(choice):
            return cast(ExecutorSource, choice).open_executor()
        return cast(Executor, choice)


def _is_source(executor: object) -> bool:
    """Tell whether each hub gets an executor of its own from this one."""
    return not hasattr(executor, "submit") and hasattr(executor, "open_executor")


def check_executor(executor: Any) -> None:
    """Raise for a value that isn't an executor.

    Raises
    ------
    ValueError
        For an unknown name, or less than one thread.
    TypeError
        For anything else that takes no jobs.
    """
    if isinstance(executor, str):
        if executor not in ("threads", "inline", "processes", "asyncio"):
            raise ValueError(
                f"There is no executor {executor!r}; expected 'threads', 'inline', 'processes', "
                "'asyncio', a number of threads, or a concurrent.futures.Executor."
            )
    elif type(executor) is int:
        if executor < 1:
            raise ValueError(f"The number of threads is {executor}; expected at least 1.")
    elif hasattr(executor, "get_executor"):
        raise TypeError(
            f"{executor!r} isn't an executor, but has one: pass its .get_executor(), or for a Dask client "
            "durablenb.DaskExecutor(client)."
        )
    elif isinstance(executor, type) or not (hasattr(executor, "submit") or _is_source(executor)):
        raise TypeError(f"{executor!r} isn't an executor; expected a name, a number or an Executor.")
