"""The executor for Dask: activities run on the workers of a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import distributed

from durablenb.cluster.arguments import checked_folder, checked_losses, checked_resources
from durablenb.cluster.cluster_session import ClusterSession
from durablenb.cluster.dask_connection import DaskConnection
from durablenb.core.ports.executor import Executor

CONNECT_SECONDS = 30.0
"""How long to wait for a scheduler, at the beginning and after a connection broke."""


class DaskExecutor:
    """Runs activities on a Dask cluster, whose workers may be on other machines.

    Orchestrators and the journal stay with the hub. The workers and the scheduler need durablenb, and the
    hub's versions of Python, durablenb and cloudpickle.

    Parameters
    ----------
    client_or_address
        A `distributed.Client`, which stays yours to close; a cluster, such as a `LocalCluster`; or a
        scheduler's address. By default, the client that was created last in this process.
    resources
        What each call takes of a worker's resources, such as ``{"GPU": 1}``.
    workers
        Addresses or host names of the workers that may run the calls; by default, all.
    payloads
        A folder that the hub and all workers see, as a path or an `fsspec` URL. A worker writes parts of
        results above 1 MB there, and the journal keeps their hashes. The next activity on the cluster reads
        them there, and the hub only if you look at them: pass values on with ``expected_type=RawValue``.
    allowed_losses
        How many workers a call may lose before it fails with `WorkerLostError`, at least 0. Until then, it
        runs again on another worker. Its last chance comes when no other call that has lost a worker runs,
        since a worker that dies takes all its calls along.

    Raises
    ------
    TypeError
        If an argument is of another type, or the client is an asynchronous one.
    ValueError
        If `allowed_losses` is negative, there is no client, or a resource isn't positive.

    Examples
    --------
    >>> import durablenb as df
    >>> df.DaskExecutor("tcp://scheduler:8786", resources={"GPU": 1})
    DaskExecutor('tcp://scheduler:8786', resources={'GPU': 1})

    Notes
    -----
    A hub that was killed, and that is opened again with the same scheduler, joins the calls that still run
    and takes the results of those that have ended. The key of a call in Dask follows from the ids of the hub,
    the instance, the execution and the task. The scheduler keeps a call until its outcome is on disk.
    """

    def __init__(
        self,
        client_or_address: object = None,
        *,
        resources: Mapping[str, float] | None = None,
        workers: str | Iterable[str] | None = None,
        payloads: str | os.PathLike[str] | None = None,
        allowed_losses: int = 2,
    ) -> None:
        self._where = _checked_where(client_or_address)
        self._options: dict[str, Any] = {}
        if resources is not None:
            self._options["resources"] = checked_resources(resources)
        if workers is not None:
            self._options["workers"] = _checked_workers(workers)
        self._payloads = checked_folder(payloads)
        self._allowed_losses = checked_losses(allowed_losses)

    def open_executor(self) -> Executor:
        """Return the executor of one hub; durablenb calls this when the hub first needs it."""
        return ClusterSession(
            partial(DaskConnection, self._connect, self._options, CONNECT_SECONDS),
            payloads=self._payloads,
            allowed_losses=self._allowed_losses,
        )

    def _connect(self) -> tuple[distributed.Client, bool]:
        """Return the client, and whether it was made here."""
        if isinstance(self._where, distributed.Client):
            return self._where, False
        address = self._where if isinstance(self._where, str) else self._where.scheduler_address
        return distributed.Client(
            address, set_as_default=False, timeout=CONNECT_SECONDS, name="durablenb"
        ), True

    def __repr__(self) -> str:
        where = repr(self._where) if isinstance(self._where, str) else repr(_address(self._where))
        options = "".join(f", {name}={value!r}" for name, value in self._options.items())
        options += "" if self._payloads is None else f", payloads={self._payloads!r}"
        losses = "" if self._allowed_losses == 2 else f", allowed_losses={self._allowed_losses}"
        return f"DaskExecutor({where}{options}{losses})"


def _address(where: Any) -> str:
    if isinstance(where, distributed.Client):
        return "closed client" if where.scheduler is None else str(where.scheduler.address)
    return str(where.scheduler_address)


def _checked_where(where: object) -> Any:
    if where is None:
        try:
            where = distributed.default_client()
        except ValueError:
            raise ValueError(
                "DaskExecutor() was given no cluster, and no Dask client is open in this process; expected a "
                "client, a cluster or a scheduler's address: DaskExecutor('tcp://scheduler:8786')."
            ) from None
    if isinstance(where, distributed.Client):
        if where.asynchronous:
            raise TypeError(
                "The Dask client is asynchronous, and the hub calls it from a thread of its own; create it "
                "without asynchronous=True, or give the scheduler's address."
            )
        return where
    if isinstance(where, str) or hasattr(where, "scheduler_address"):
        return where
    raise TypeError(f"{where!r} isn't a Dask cluster; expected a Client, a cluster or a scheduler's address.")


def _checked_workers(workers: str | Iterable[str]) -> list[str]:
    names = (
        [workers] if isinstance(workers, str) else list(workers) if isinstance(workers, Iterable) else None
    )
    if names is None or not all(isinstance(name, str) for name in names):
        raise TypeError(
            f"workers is {workers!r}; expected the names or addresses of workers, such as ['node7']."
        )
    return names
