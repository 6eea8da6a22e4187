"""The executor for Ray: activities run on the workers of a cluster."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import ray

from durablenb.cluster.arguments import checked_folder, checked_losses, checked_resources
from durablenb.cluster.cluster_session import ClusterSession
from durablenb.cluster.ray_connection import RayConnection
from durablenb.core.ports.executor import Executor

CONNECT_SECONDS = 30.0
"""How long to wait for the cluster."""

OPTIONS = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}
"""The options of Ray's tasks for resources that have one of their own."""


class RayExecutor:
    """Runs activities on a Ray cluster, whose nodes may be other machines.

    Orchestrators and the journal stay with the hub. The nodes need durablenb, and the hub's versions of
    Python, durablenb and cloudpickle.

    Parameters
    ----------
    address
        The address of the cluster, as for ``ray.init``: ``"head:6379"`` or ``"auto"``. By default, the
        cluster to which this process is connected; else the one that runs on this machine or is named by the
        variable ``RAY_ADDRESS``; else a new one on this machine, which ends with this process.
    resources
        What each call takes of a node's resources, such as ``{"CPU": 2, "GPU": 0.5}``, ``{"memory": 4e9}``
        (bytes), or those that nodes were started with. By default, one CPU.
    payloads
        A folder that the hub and all nodes see, as a path or an `fsspec` URL. A worker writes parts of
        results above 1 MB there, and the journal keeps their hashes. The next activity on the cluster reads
        them there, and the hub only if you look at them: pass values on with ``expected_type=RawValue``.
    allowed_losses
        How many workers a call may lose before it fails with `WorkerLostError`, at least 0. Until then, it
        runs again on another worker. Its last chance comes when no other call that has lost a worker runs.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If `allowed_losses` is negative, a resource isn't positive, or the address is one of Ray Client.

    Examples
    --------
    >>> import durablenb as df
    >>> df.RayExecutor("head:6379", resources={"GPU": 1})
    RayExecutor('head:6379', resources={'GPU': 1})

    Notes
    -----
    A hub that was killed, and that is opened again with the same cluster, joins the calls that still run and
    takes the results of those that have ended. They belong to a detached actor on the cluster, one for each
    hub, which keeps a call until its outcome is on disk. The connection to Ray stays open when the hub is
    closed: ``ray.shutdown()`` closes it.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        resources: Mapping[str, float] | None = None,
        payloads: str | os.PathLike[str] | None = None,
        allowed_losses: int = 2,
    ) -> None:
        self._address = _checked_address(address)
        self._resources = checked_resources(resources)
        self._payloads = checked_folder(payloads)
        self._allowed_losses = checked_losses(allowed_losses)

    def open_executor(self) -> Executor:
        """Return the executor of one hub; durablenb calls this when the hub first needs it."""
        return ClusterSession(
            partial(RayConnection, self._connect, _options(self._resources or {}), CONNECT_SECONDS),
            payloads=self._payloads,
            allowed_losses=self._allowed_losses,
        )

    def _connect(self) -> None:
        """Connect this process to Ray, unless it is connected."""
        if not ray.is_initialized():
            ray.init(self._address)
        elif ray.util.client.ray.is_connected():
            raise ConnectionError(f"this process uses Ray Client. {NO_CLIENT}")
        elif self._address is not None and self._address not in ("auto", "local"):
            connected = ray.get_runtime_context().gcs_address
            if _resolved(self._address) != _resolved(connected):
                raise ConnectionError(
                    f"this process is connected to the Ray cluster {connected}, and can have one only; call "
                    f"ray.shutdown() first to use {self._address}"
                )

    def __repr__(self) -> str:
        options = "" if self._address is None else repr(self._address)
        if self._resources is not None:
            options += f", resources={self._resources!r}"
        if self._payloads is not None:
            options += f", payloads={self._payloads!r}"
        if self._allowed_losses != 2:
            options += f", allowed_losses={self._allowed_losses}"
        return f"RayExecutor({options.removeprefix(', ')})"


NO_CLIENT = (
    "durablenb needs a full connection: run the hub on a node of the cluster, and give the address without "
    "ray://, such as 'head:6379' or 'auto'"
)


def _checked_address(address: str | None) -> str | None:
    if address is not None and not isinstance(address, str):
        raise TypeError(
            f"{address!r} isn't a Ray cluster; expected its address, such as 'head:6379', or None."
        )
    if address is not None and address.startswith("ray://"):
        raise ValueError(f"{address!r} is an address of Ray Client. {NO_CLIENT}.")
    return address


def _options(resources: Mapping[str, float]) -> dict[str, Any]:
    """Return resources as options of a Ray task."""
    options: dict[str, Any] = {OPTIONS[name]: amount for name, amount in resources.items() if name in OPTIONS}
    others = {name: amount for name, amount in resources.items() if name not in OPTIONS}
    return options | ({"resources": others} if others else {})


def _resolved(address: str) -> tuple[str, str]:
    """Return the IP address and the port of an address; loopback addresses are those of Ray's node."""
    host, _, port = address.rpartition(":")
    with suppress(OSError):
        host = socket.gethostbyname(host)
    return ray.util.get_node_ip_address() if host.startswith("127.") else host, port
